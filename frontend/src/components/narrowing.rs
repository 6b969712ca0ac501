//! The fields that narrow the list of sources.

use crate::state::Store;
use crate::words;
use leptos::prelude::*;
use tupate_tasks::TaskClass;
use tupate_zoo::narrow::{self, Facets, Narrow};

/// Most letters of a licence in the list; pointing at it shows all.
const LICENCE: usize = 120;

/// The fields, folded away until one is used.
#[component]
pub fn Narrowing() -> impl IntoView {
    let store = expect_context::<Store>();
    let set = Memo::new(move |_| store.view.with(|view| !view.filters.is_empty()));
    let words = move || store.view.with(|view| words::narrowed(&Narrow::of(&view.filters)));
    let passing = move || {
        store.answer.with(|answer| match answer {
            Some(Ok(answer)) if answer.all != answer.passing => {
                let [passing, all] = [answer.passing, answer.all].map(|n| words::count(n as u64));
                format!("{passing} of {all} sources")
            }
            _ => String::new(),
        })
    };
    // What a stranger's zoo lists may be long: the fields show as much as helps.
    let facets = Memo::new(move |_| {
        store.loaded.with(|loaded| match loaded {
            Some(loaded) => match &loaded.sharded {
                Some(sharded) => sharded.facets.clone(),
                None => Facets::of(loaded.zoo.tasks()),
            },
            None => Facets::default(),
        })
    });
    let families = Memo::new(move |_| facets.with(|f| f.families.iter().cloned().collect()));
    let licences =
        Memo::new(move |_| facets.with(|f| f.licences.iter().cloned().collect::<Vec<_>>()));
    let chosen = move |name: &'static str| {
        Signal::derive(move || {
            store.view.with(|view| {
                let found = view.filters.iter().find(|(key, _)| key == name);
                found.map(|(_, value)| value.clone())
            })
        })
    };
    let classes = Memo::new(move |_| {
        facets.with(|facets| {
            let of =
                TaskClass::ALL.into_iter().filter(|class| facets.classes.contains(class.name()));
            // The list of sources has the letters only.
            of.map(|class| {
                let label = words::similarity_label(words::class(class));
                (class.name().to_owned(), format!("{label} ({})", class.name()))
            })
            .collect::<Vec<_>>()
        })
    });
    let plain = |values: Vec<String>| values.into_iter().map(|v| (v.clone(), v)).collect();
    view! {
        <details class="folded narrowing" data-testid="filters" prop:open=move || set.get_untracked()>
            <summary>
                <span>"Filter sources"</span>
                <span class="hint">{move || if set.get() { words() } else { String::new() }}</span>
                <span class="hint passing" role="status">{passing}</span>
            </summary>
            <div class="fields">
                <Choice
                    name=narrow::CLASS
                    label="Class"
                    entries=Signal::derive(move || classes.get())
                    chosen=chosen(narrow::CLASS)
                />
                <Choice
                    name=narrow::FAMILY
                    label="Family"
                    entries=Signal::derive(move || plain(families.get()))
                    chosen=chosen(narrow::FAMILY)
                />
                <Choice
                    name=narrow::LICENCE
                    label="Licence of the data"
                    entries=Signal::derive(move || {
                        licences
                            .get()
                            .into_iter()
                            .map(|licence| {
                                let label = match licence.as_str() {
                                    "" => "not stated".to_owned(),
                                    licence => words::clipped(licence, LICENCE),
                                };
                                (licence, label)
                            })
                            .collect()
                    })
                    chosen=chosen(narrow::LICENCE)
                />
                <fieldset class="size">
                    <legend>"Training examples"</legend>
                    <Bound name=narrow::LEAST label="at least" chosen=chosen(narrow::LEAST) />
                    <Bound name=narrow::MOST label="at most" chosen=chosen(narrow::MOST) />
                </fieldset>
                <button
                    type="button"
                    class="quiet"
                    data-testid="filter-none"
                    // Not disabled: it would lose the focus to nothing.
                    aria-disabled=move || (!set.get()).to_string()
                    on:click=move |_| {
                        if set.get_untracked() {
                            store.filter_nothing();
                        }
                    }
                >
                    "Show all sources"
                </button>
            </div>
        </details>
    }
}

#[component]
fn Choice(
    name: &'static str,
    label: &'static str,
    entries: Signal<Vec<(String, String)>>,
    chosen: Signal<Option<String>>,
) -> impl IntoView {
    let store = expect_context::<Store>();
    let id = format!("filter-{name}");
    // No option can have the empty string for itself: it may be a value.
    let place = move || {
        let chosen = chosen.get();
        let found = entries.with(|e| e.iter().position(|(key, _)| Some(key) == chosen.as_ref()));
        found.map_or_else(String::new, |at| at.to_string())
    };
    view! {
        <label class="field" for=id.clone()>
            {label}
            <select
                id=id.clone()
                data-testid=id.clone()
                prop:value=place
                on:change=move |event| {
                    let at: Option<usize> = event_target_value(&event).parse().ok();
                    let key = entries.with_untracked(|e| Some(e.get(at?)?.0.clone()));
                    store.filter(name, key);
                }
            >
                <option value="">"Any"</option>
                {move || {
                    let now = place();
                    entries
                        .get()
                        .into_iter()
                        .enumerate()
                        .map(|(at, (key, label))| {
                            let at = at.to_string();
                            let selected = at == now;
                            view! {
                                <option value=at selected=selected title=key>
                                    {label}
                                </option>
                            }
                        })
                        .collect_view()
                }}
            </select>
        </label>
    }
}

#[component]
fn Bound(name: &'static str, label: &'static str, chosen: Signal<Option<String>>) -> impl IntoView {
    let store = expect_context::<Store>();
    let id = format!("filter-{name}");
    view! {
        <label class="bound" for=id.clone()>
            {label}
            <input
                id=id.clone()
                data-testid=id.clone()
                type="text"
                inputmode="numeric"
                autocomplete="off"
                placeholder="any"
                prop:value=move || chosen.get().unwrap_or_default()
                on:change=move |event| {
                    let typed = event_target_value(&event);
                    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
                    store.filter(name, Some(digits).filter(|digits| !digits.is_empty()));
                }
            />
        </label>
    }
}
