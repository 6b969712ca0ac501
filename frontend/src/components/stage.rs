//! The frame of a page about the zoo that is open: its heading, what is going on, and
//! what stands there while there is no zoo.

use super::messages::Messages;
use super::opener::{DropZone, KeptZoos, Opener};
use crate::platform::{self, LocalFile};
use crate::state::Store;
use leptos::prelude::*;

/// What a page has to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// A zoo.
    Zoo,
    /// The place of a zoo that is on its way.
    Waiting,
    /// No zoo, and none coming.
    Empty,
}

/// What there is to show now.
pub fn scene(store: Store) -> Memo<Scene> {
    Memo::new(move |_| {
        let coming = !store.started.get() || store.pending.with(Option::is_some);
        match (store.loaded.with(Option::is_some), coming) {
            (true, _) => Scene::Zoo,
            (false, true) => Scene::Waiting,
            (false, false) => Scene::Empty,
        }
    })
}

/// A page about a zoo.
#[component]
pub fn Stage(
    /// The question that the page answers.
    heading: &'static str,
    /// The page's name in the tab.
    tab: &'static str,
    /// What the page does with a zoo, where none is open.
    promise: &'static str,
    /// The page's content.
    content: fn() -> AnyView,
    /// What stands in its place while a zoo is on its way.
    ghost: fn() -> AnyView,
    /// What becomes of tables that are dropped on the page.
    #[prop(optional)]
    tables: Option<Callback<LocalFile>>,
) -> impl IntoView {
    let store = expect_context::<Store>();
    let scene = scene(store);
    Effect::new(move |_| {
        let name = store.loaded.with(|l| l.as_ref().map(|l| format!(" of {}", l.zoo.name())));
        platform::set_title(&format!("{tab}{} · Tupate", name.unwrap_or_default()));
    });
    view! {
        <h1>{heading}</h1>
        <Messages />
        <DropZone tables />
        {move || match scene.get() {
            Scene::Zoo => content(),
            Scene::Waiting => {
                view! {
                    <div class="skeleton" role="status" aria-label="Opening a zoo">
                        {ghost()}
                    </div>
                }
                    .into_any()
            }
            Scene::Empty => {
                view! {
                    <div class="empty">
                        <section class="card" aria-labelledby="open-head" data-testid="empty">
                            <h2 id="open-head">"Open a zoo"</h2>
                            <p>{promise}</p>
                            <KeptZoos />
                            <Opener />
                        </section>
                    </div>
                }
                    .into_any()
            }
        }}
    }
}
