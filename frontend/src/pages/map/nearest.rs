//! What lies nearest to the task that everything is about.

use super::{Lit, Scene};
use crate::pages::PageLink;
use crate::state::Store;
use crate::words;
use leptos::prelude::*;

/// Neighbours that are listed.
const LISTED: usize = 8;

/// The list.
#[component]
pub fn Nearest() -> impl IntoView {
    let store = expect_context::<Store>();
    let scene = expect_context::<Scene>();
    let about = Memo::new(move |_| scene.about());
    let heading = move || {
        let name = scene.map().zip(about.get()).map(|(shown, task)| shown.names[task].clone());
        name.map_or_else(|| "Nearest".into(), |name| format!("Nearest to {name}"))
    };
    let facts = move || {
        let (shown, task) = scene.map().zip(about.get())?;
        let id = &shown.map.tasks[task];
        let entry = store.loaded.with(|l| l.as_ref().and_then(|l| l.zoo.task(id).cloned()))?;
        let examples = words::counted(entry.train_examples, "training example");
        let class = words::similarity_label(words::class(entry.class));
        Some(format!("{class} ({}), {examples}.", entry.family))
    };
    let rows = move || {
        let (shown, task) = scene.map().zip(about.get())?;
        let [low, high] = shown.ends;
        let rows = shown.map.nearest(task).into_iter().take(LISTED).map(|other| {
            let similarity = shown.map.similarities.at(task, other);
            let share = ((similarity - low) / (high - low)).clamp(0.0, 1.0);
            let share = if share.is_finite() { share } else { 1.0 };
            view! {
                <li>
                    <button
                        type="button"
                        data-testid="neighbour"
                        data-task=shown.map.tasks[other].clone()
                        on:pointerenter=move |_| scene.point(Some(Lit { task, with: Some(other) }))
                        on:pointerleave=move |_| scene.point(None)
                        on:click=move |_| scene.choose(store, other)
                    >
                        <span class="name">{shown.names[other].clone()}</span>
                        <span class="score">{words::score(similarity)}</span>
                        <span class="bar" aria-hidden="true">
                            <b style=("--to", share.to_string())></b>
                        </span>
                    </button>
                </li>
            }
        });
        Some(rows.collect_view())
    };
    view! {
        <section class="nearest" aria-labelledby="nearest-head" data-testid="nearest">
            <div class="nearest-head">
                <h2 id="nearest-head">{heading}</h2>
                <PageLink slug="" class="button">
                    "Rank its sources"
                </PageLink>
            </div>
            <p class="hint">{facts} " Choosing one makes it the target."</p>
            <ol>{rows}</ol>
        </section>
    }
}
