//! The field that holds a second method against the first.

use crate::state::Store;
use leptos::prelude::*;

/// A list of the other methods, where there are any.
#[component]
pub fn BesideSwitch() -> impl IntoView {
    let store = expect_context::<Store>();
    let chosen = Memo::new(move |_| store.view.with(|view| view.compare.first().cloned()));
    let others = Memo::new(move |_| {
        let own = store.view.with(|view| view.method.clone());
        store.loaded.with(|loaded| {
            // Of a zoo in shards only the nearest tasks by one method are there.
            let loaded = loaded.as_ref().filter(|loaded| loaded.sharded.is_none());
            let methods = loaded.map_or(Vec::new(), |loaded| loaded.methods());
            methods.into_iter().filter(|(key, _)| Some(key) != own.as_ref()).collect::<Vec<_>>()
        })
    });
    let options = move || {
        let now = chosen.get();
        let others = others.get().into_iter();
        others
            .map(|(key, label)| {
                let selected = Some(&key) == now.as_ref();
                view! {
                    <option value=key selected=selected>
                        {label}
                    </option>
                }
            })
            .collect_view()
    };
    // An adapter of the visitor's is there by one method alone.
    let there = move || store.guest.with(Option::is_none) && others.with(|o| !o.is_empty());
    view! {
        <Show when=there>
            <label class="field beside" for="beside">
                "Compare with"
                <select
                    id="beside"
                    data-testid="beside"
                    on:change=move |event| {
                        let key = event_target_value(&event);
                        store.choose_beside(Some(key).filter(|key| !key.is_empty()));
                    }
                >
                    <option value="" selected=move || chosen.with(Option::is_none)>
                        "nothing"
                    </option>
                    {options}
                </select>
            </label>
        </Show>
    }
}
