//! The page that ranks source tasks for a target.

use crate::components::facts::{CopyLink, Facts};
use crate::components::guest::GuestCard;
use crate::components::messages::Messages;
use crate::components::opener::{AdapterOpener, DropZone, Opener};
use crate::components::ranking::Ranking;
use crate::components::stage::{Scene, scene};
use crate::components::switches::{SetSwitch, SimilaritySwitch};
use crate::components::target::TargetPicker;
use crate::platform;
use crate::state::Store;
use leptos::prelude::*;

/// The page.
#[component]
pub fn RankPage() -> impl IntoView {
    let store = expect_context::<Store>();
    let scene = scene(store);
    Effect::new(move |_| {
        let target = store.view.with(|view| view.target.clone());
        let title = store.loaded.with(|loaded| {
            let loaded = loaded.as_ref()?;
            let target = loaded.zoo.task(&target?)?;
            Some(format!("Sources for {} · {} · Tupate", target.name, loaded.zoo.name()))
        });
        platform::set_title(title.as_deref().unwrap_or("Tupate: which task to train on first"));
    });
    view! {
        <h1>"Which task should you train on first?"</h1>
        <Messages />
        <DropZone />
        {move || match scene.get() {
            Scene::Zoo => view! { <WithZoo /> }.into_any(),
            Scene::Waiting => view! { <Skeleton /> }.into_any(),
            Scene::Empty => view! { <Empty /> }.into_any(),
        }}
    }
}

#[component]
fn WithZoo() -> impl IntoView {
    view! {
        <div class="columns">
            <div class="instrument">
                <GuestCard />
                <section class="controls" aria-label="The question">
                    <TargetPicker />
                    <SimilaritySwitch />
                    <SetSwitch />
                </section>
                <Ranking />
            </div>
            <aside>
                <section class="card" aria-label="This zoo">
                    <Facts />
                    <CopyLink />
                </section>
                <section class="card" aria-labelledby="adapter-head">
                    <h2 id="adapter-head">"Rank your own adapter"</h2>
                    <AdapterOpener />
                </section>
                <section class="card" aria-labelledby="open-head">
                    <h2 id="open-head">"Open another zoo"</h2>
                    <Opener />
                </section>
            </aside>
        </div>
    }
}

/// Stands where the zoo will be, in its measures.
#[component]
fn Skeleton() -> impl IntoView {
    view! {
        <div class="columns skeleton" role="status" aria-label="Opening a zoo">
            <div class="instrument">
                <div class="ghost ghost-controls"></div>
                <div class="ghost ghost-sentence"></div>
                <div class="ghost ghost-chart"></div>
            </div>
            <div class="ghost ghost-aside"></div>
        </div>
    }
}

#[component]
fn Empty() -> impl IntoView {
    let store = expect_context::<Store>();
    // Beside a message the explanation would be noise.
    let quiet = move || {
        store.failure.with(Option::is_none)
            && store.doubt.with(Option::is_none)
            && store.elsewhere.with(Option::is_none)
    };
    view! {
        <div class="empty">
            <section class="card" aria-labelledby="open-head" data-testid="empty">
                <h2 id="open-head">"Open a zoo"</h2>
                <Show when=quiet>
                    <p>
                        "A zoo is one file that holds embeddings of many tasks. Open one, choose the task you care about, and see which of the others is closest to it: the one to train on before yours."
                    </p>
                </Show>
                <Opener />
            </section>
        </div>
    }
}
