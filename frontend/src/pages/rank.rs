//! The page that ranks source tasks for a target.

use crate::components::around::{Place, Surroundings};
use crate::components::ranking::Ranking;
use crate::components::stage::{Scene, scene};
use crate::components::switches::Ways;
use crate::components::target;
use crate::platform;
use crate::state::Store;
use leptos::prelude::*;
use tupate_zoo::TaskEntry;

/// What the target's field is called.
pub const TARGET: &str = "Target: the task you want to do well on";

/// Draws the page.
pub fn draw() -> AnyView {
    view! { <RankPage /> }.into_any()
}

/// The page.
#[component]
pub fn RankPage() -> impl IntoView {
    let store = expect_context::<Store>();
    let scene = scene(store);
    expect_context::<Surroundings>().follow();
    Effect::new(move |_| {
        let guest = store.guest.with(|guest| guest.as_ref().map(|guest| guest.name.clone()));
        let target = store.view.with(|view| view.target.clone());
        let title = store.loaded.with(|loaded| {
            let loaded = loaded.as_ref()?;
            let target = guest.or_else(|| Some(loaded.zoo.task(&target?)?.name.clone()))?;
            Some(format!("Sources for {target} · {} · Tupate", loaded.zoo.name()))
        });
        platform::set_title(title.as_deref().unwrap_or("Tupate: which task to train on first"));
    });
    view! {
        <h1>"Which task should you train on first?"</h1>
        <Place of=|around| around.messages />
        <Place of=|around| around.drop_zone />
        {move || match scene.get() {
            Scene::Zoo => view! { <WithZoo /> }.into_any(),
            Scene::Waiting => view! { <Skeleton /> }.into_any(),
            Scene::Empty => view! { <Place of=|around| around.empty tells=true /> }.into_any(),
        }}
    }
}

#[component]
fn WithZoo() -> impl IntoView {
    view! {
        <div class="columns">
            <div class="instrument">
                <Place of=|around| around.guest />
                <section class="controls" aria-label="The question">
                    <Place
                        of=|around| around.target
                        ghost=|| view! { <TargetGhost /> }.into_any()
                    />
                    <Ways />
                </section>
                <Ranking />
            </div>
            <Place of=|around| around.aside ghost=|| view! { <Ghost /> }.into_any() tells=true />
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
            <Ghost />
        </div>
    }
}

/// The target's field as it looks before it can be used.
#[component]
fn TargetGhost() -> impl IntoView {
    let store = expect_context::<Store>();
    let told = move |tell: fn(&TaskEntry) -> String| {
        let id = store.view.with(|view| view.target.clone())?;
        store.loaded.with(|loaded| Some(tell(loaded.as_ref()?.zoo.task(&id)?)))
    };
    view! {
        <div class="picker">
            <label for="target">{TARGET}</label>
            <div class="combo">
                <input
                    id="target"
                    type="text"
                    disabled=true
                    prop:value=move || told(|task| task.name.clone())
                />
            </div>
            <p class="hint">{move || told(target::facts)}</p>
        </div>
    }
}

#[component]
fn Ghost() -> impl IntoView {
    view! { <div class="ghost ghost-aside"></div> }
}
