//! The switches: similarity, and which embeddings.

use crate::answer::choose_method;
use crate::platform;
use crate::state::Store;
use crate::words;
use leptos::prelude::*;
use tupate_zoo::{Fusion, SIMILARITIES};

/// A choice of one among a few, as native radio buttons.
#[component]
pub fn Switch(
    /// Name of the group, unique on the page; prefix of the test hooks.
    name: &'static str,
    /// What is chosen.
    legend: &'static str,
    /// Key and label of each entry.
    entries: Vec<(String, String)>,
    /// The chosen key.
    chosen: Signal<Option<String>>,
    /// What choosing does.
    choose: Callback<String>,
    /// A sentence on the entry that is chosen.
    #[prop(into)]
    describe: Signal<String>,
) -> impl IntoView {
    let described = format!("{name}-describe");
    let description = described.clone();
    let many = entries.len() > 3;
    let entries = entries.into_iter().map(|(key, label)| {
        let (test, value) = (format!("{name}-{key}"), key.clone());
        let checked = {
            let key = key.clone();
            move || chosen.with(|chosen| chosen.as_ref() == Some(&key))
        };
        view! {
            <label>
                <input
                    type="radio"
                    name=name
                    value=value
                    data-testid=test
                    prop:checked=checked
                    on:change=move |_| choose.run(key.clone())
                />
                <span>{label}</span>
            </label>
        }
    });
    view! {
        <fieldset class="switch" aria-describedby=description>
            <legend>{legend}</legend>
            <div class="segments" class:many=many>{entries.collect_view()}</div>
            <p class="hint" id=described>
                {describe}
            </p>
        </fieldset>
    }
}

/// How the sources are ranked, folded away: what a visitor came for is the answer.
#[component]
pub fn Ways() -> impl IntoView {
    let store = expect_context::<Store>();
    let similarity = chosen_similarity(store);
    let set = chosen_set(store);
    let words = move || {
        let similarity = words::similarity_label(&similarity.get()?);
        let key = set.get()?;
        let methods = store.loaded.with(|loaded| loaded.as_ref().map(|l| l.methods()))?;
        let (_, method) = methods.into_iter().find(|(method, _)| *method == key)?;
        Some(format!("{similarity} · {method}"))
    };
    view! {
        <details
            class="folded ways"
            prop:open=store.ways.get_untracked()
            on:toggle=move |event| store.ways.set(platform::is_open(&event))
        >
            <summary data-testid="ways">
                <span>"How sources are ranked"</span>
                <span class="hint">{words}</span>
            </summary>
            <div class="controls">
                <SimilaritySwitch />
                <SetSwitch />
            </div>
        </details>
    }
}

/// The similarity that is in use.
fn chosen_similarity(store: Store) -> Signal<Option<String>> {
    Signal::derive(move || {
        let named = store.view.with(|view| view.similarity.clone());
        let found = crate::answer::choose_similarity(named.as_deref()).ok();
        found.map(|similarity| similarity.name.to_owned())
    })
}

/// The embeddings that are in use. A link may name a method only: what is shown is the set it
/// led to. An adapter of the visitor's is compared with the set that it fits.
fn chosen_set(store: Store) -> Signal<Option<String>> {
    Signal::derive(move || {
        let named = store.view.with(|view| view.method.clone());
        let guest = store.guest.with(Option::is_some);
        let answered = store.answer.with(|answer| match answer {
            Some(Ok(answer)) if guest => Some(answer.method.clone()),
            _ => None,
        });
        answered.or_else(|| {
            store.loaded.with(|loaded| {
                let chosen = choose_method(&loaded.as_ref()?.sets, named.as_deref());
                chosen.ok().map(|(name, _)| name)
            })
        })
    })
}

/// How embeddings are compared.
#[component]
pub fn SimilaritySwitch() -> impl IntoView {
    let store = expect_context::<Store>();
    let entries = SIMILARITIES
        .iter()
        .filter(|s| s.universal)
        .map(|s| (s.name.to_owned(), words::similarity_label(s.name)))
        .collect::<Vec<_>>();
    let chosen = chosen_similarity(store);
    let describe = Signal::derive(move || {
        let chosen = chosen.get();
        let found = SIMILARITIES.iter().find(|s| chosen.as_deref() == Some(s.name));
        found.map_or_else(String::new, |s| s.describe.to_owned())
    });
    let choose = Callback::new(move |name: String| store.choose_similarity(&name));
    view! { <Switch name="similarity" legend="Similarity" entries chosen choose describe /> }
}

/// Which embeddings are compared: those of one method, or of all together.
#[component]
pub fn SetSwitch() -> impl IntoView {
    let store = expect_context::<Store>();
    let entries = Memo::new(move |_| {
        store.loaded.with(|loaded| loaded.as_ref().map_or(Vec::new(), |l| l.methods()))
    });
    let chosen = chosen_set(store);
    let describe = Signal::derive(move || {
        store.loaded.with(|loaded| {
            let chosen = chosen.get();
            let found = loaded
                .as_ref()
                .and_then(|l| l.sets.iter().find(|set| Some(&set.key) == chosen.as_ref()));
            let Some(set) = found else {
                let fusion = chosen.as_deref().and_then(Fusion::named);
                return fusion.map_or_else(String::new, |(fusion, _)| fusion.describe.to_owned());
            };
            words::of_set(&set.recipe)
        })
    });
    let choose = Callback::new(move |key: String| store.choose_method(key));
    move || {
        let entries = entries.get();
        view! { <Switch name="set" legend="Embeddings" entries chosen choose describe /> }
    }
}
