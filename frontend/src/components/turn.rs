//! Parts of a page that are drawn one after the other, so that none of them holds it up.

use crate::platform::sleep;
use leptos::prelude::*;

/// Draws its content when the page has had `place` turns since it would have been drawn.
#[component]
pub fn InTurn(
    /// How many turns the page gets before.
    place: u32,
    /// What stands in its place until then.
    #[prop(optional, into)]
    fallback: ViewFn,
    children: ChildrenFn,
) -> impl IntoView {
    let ready = RwSignal::new(false);
    leptos::task::spawn_local(async move {
        for _ in 0..place {
            sleep(0).await;
        }
        // The page may have gone on to another one.
        ready.try_set(true);
    });
    view! {
        <Show when=move || ready.get() fallback>
            {children()}
        </Show>
    }
}
