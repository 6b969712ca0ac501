//! Fields of the form.

use leptos::prelude::*;

/// One choice of several.
#[component]
pub fn Choice(
    name: &'static str,
    #[prop(into)] hook: String,
    #[prop(into)] label: String,
    #[prop(into)] on: Signal<bool>,
    pick: impl Fn() + 'static,
) -> impl IntoView {
    view! {
        <label>
            <input
                type="radio"
                name=name
                data-testid=hook
                prop:checked=on
                on:change=move |_| pick()
            />
            <span>{label}</span>
        </label>
    }
}

/// One of a list, chosen by its key.
#[component]
pub fn Picked(
    id: &'static str,
    label: &'static str,
    value: RwSignal<String>,
    options: Vec<(String, String)>,
) -> impl IntoView {
    view! {
        <label class="field" for=id>
            {label}
            <select id=id data-testid=id on:change=move |event| value.set(event_target_value(&event))>
                {options
                    .into_iter()
                    .map(|(key, shown)| {
                        let selected = value.with_untracked(|value| *value == key);
                        view! {
                            <option value=key selected=selected>
                                {shown}
                            </option>
                        }
                    })
                    .collect_view()}
            </select>
        </label>
    }
}

/// A line of text; empty, it is as usual, which the placeholder says.
#[component]
pub fn Text(
    id: &'static str,
    label: &'static str,
    value: RwSignal<String>,
    placeholder: &'static str,
    numeric: bool,
) -> impl IntoView {
    view! {
        <label class="field" for=id>
            {label}
            <input
                id=id
                data-testid=id
                type="text"
                autocomplete="off"
                inputmode=if numeric { "numeric" } else { "text" }
                placeholder=placeholder
                prop:value=value
                on:input=move |event| value.set(event_target_value(&event))
            />
        </label>
    }
}
