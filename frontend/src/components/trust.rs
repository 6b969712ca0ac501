//! How far rankings like the one that is shown can be trusted.

use crate::platform::{self, Breather, PAINTED};
use crate::state::Store;
use leptos::prelude::*;

/// What following such rankings has cost, computed after the ranking is painted.
#[component]
pub fn Trust() -> impl IntoView {
    let store = expect_context::<Store>();
    let said = RwSignal::new(None::<String>);
    // Targets and filters do not change it.
    let by = Memo::new(move |_| {
        let loaded = store.loaded.get().filter(|loaded| !loaded.zoo.transfer().is_empty())?;
        store.answer.with(|answer| match answer {
            Some(Ok(answer)) => {
                Some((loaded.sha256.clone(), answer.method.clone(), answer.similarity))
            }
            _ => None,
        })
    });
    Effect::new(move |_| {
        let now = by.get();
        said.set(None);
        leptos::task::spawn_local(async move {
            platform::sleep(PAINTED).await;
            if now.is_none() || by.try_get_untracked().as_ref() != Some(&now) {
                return;
            }
            let loaded = store.loaded.get_untracked();
            let answer = store.answer.get_untracked().and_then(Result::ok);
            let Some((loaded, answer)) = loaded.zip(answer) else { return };
            // Nobody misses the sentence where it cannot be had.
            let Some(tell) = (store.later.trust)().await else { return };
            let breather = Breather::new(move || by.try_get_untracked().as_ref() == Some(&now));
            let _ = said.try_set(tell(loaded, answer, breather.into_pause()).await);
        });
    });
    // The place is kept, so that nothing moves when the figures come.
    view! {
        <Show when=move || by.with(Option::is_some)>
            <p class="hint trust" data-testid="trust">
                {move || said.get()}
            </p>
        </Show>
    }
}
