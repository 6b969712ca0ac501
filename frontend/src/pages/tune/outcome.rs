//! What is left of a run: a zoo, what it was asked for, what it said.

use super::aside::name;
use super::desk::Desk;
use super::ranked::Together;
use crate::words;
use leptos::prelude::*;
use tupate_api::{Run, RunState, Scope};

/// A finished run becomes a zoo, with those on the same data by other methods.
#[component]
pub fn Publish(
    desk: Desk,
    id: String,
    state: Memo<Option<RunState>>,
    run: Memo<Option<Run>>,
    together: Memo<Option<Together>>,
) -> impl IntoView {
    let typed = RwSignal::new(None::<String>);
    let value = move || {
        typed.get().unwrap_or_else(|| run.with(|run| run.as_ref().map_or_else(String::new, name)))
    };
    let may = Memo::new(move |_| desk.may(Scope::Publish));
    let done = Memo::new(move |_| state.get() == Some(RunState::Done));
    let zoo = {
        let id = id.clone();
        Memo::new(move |_| {
            desk.published
                .with(|zoo| zoo.as_ref().filter(|(run, _)| *run == id).map(|(_, zoo)| zoo.clone()))
        })
    };
    let id = StoredValue::new(id);
    view! {
        <Show when=move || done.get()>
            <section class="card publish" aria-labelledby="publish-head">
                <h3 id="publish-head">"Publish it as a zoo"</h3>
                {move || match zoo.get() {
                    Some(zoo) => {
                        let view = tupate_zoo::link::View {
                            zoo: Some(zoo.url.clone()),
                            sha256: Some(zoo.sha256.clone()),
                            ..Default::default()
                        };
                        let href = format!("./#{}", view.to_fragment());
                        view! {
                            <p>
                                "“" {words::clipped(&zoo.name, 60)} "” is served, "
                                {words::size(zoo.bytes)} "."
                            </p>
                            // Another document, so that the page begins with this zoo.
                            <a class="button" href=href target="_blank" rel="noreferrer" data-testid="open-zoo">
                                "Open it"
                            </a>
                        }
                            .into_any()
                    }
                    None => {
                        view! {
                            <form
                                class="joined"
                                on:submit=move |event| {
                                    event.prevent_default();
                                    if let Some(together) = together.get_untracked() {
                                        desk.publish(id.get_value(), value(), together.runs);
                                    }
                                }
                            >
                                <input
                                    type="text"
                                    aria-label="Name of the zoo"
                                    autocomplete="off"
                                    prop:value=value
                                    on:input=move |event| typed.set(Some(event_target_value(&event)))
                                />
                                <button
                                    type="submit"
                                    class="solid"
                                    data-testid="publish"
                                    disabled=move || desk.busy.with(Option::is_some) || !may.get()
                                >
                                    "Publish"
                                </button>
                            </form>
                            <p class="hint">
                                {move || {
                                    let methods = together.get()?.methods?;
                                    Some(format!("Its runs with {methods} go into it. "))
                                }}
                                "Whoever may read this server may open it then. What a name stands for does not change."
                            </p>
                        }
                            .into_any()
                    }
                }}
            </section>
        </Show>
    }
}

/// What the run was asked for.
#[component]
pub fn Settings(run: Memo<Option<Run>>) -> impl IntoView {
    let facts = Memo::new(move |_| run.with(|run| run.as_ref().map(facts).unwrap_or_default()));
    view! {
        <details class="narrowing">
            <summary>"Settings"</summary>
            <dl>
                {move || {
                    facts
                        .get()
                        .into_iter()
                        .map(|(what, value)| {
                            view! {
                                <dt>{what}</dt>
                                <dd>{value}</dd>
                            }
                        })
                        .collect_view()
                }}
            </dl>
        </details>
    }
}

fn facts(run: &Run) -> Vec<(&'static str, String)> {
    let spec = &run.spec;
    let usual = || "as usual".to_owned();
    let rates = spec
        .learning_rates
        .as_ref()
        .map(|rates| rates.iter().map(|rate| format!("{rate:e}")).collect::<Vec<_>>().join(", "));
    let mut facts = vec![
        ("Method", spec.method.clone().unwrap_or_else(usual)),
        ("Encoder", spec.encoder.clone().unwrap_or_else(usual)),
        ("Epochs", spec.epochs.map_or_else(usual, |n| n.to_string())),
        ("Learning rates", rates.unwrap_or_else(usual)),
        ("Most examples", spec.max_train.map_or_else(|| "all".into(), |n| words::count(n.into()))),
    ];
    facts.extend(spec.columns.as_ref().map(|columns| ("Columns", words::clipped(columns, 200))));
    facts.push(("Owner", words::clipped(&run.owner, 60)));
    facts.push(("Begun", words::counted(run.starts, "time")));
    facts.push(("Id", run.id.clone()));
    facts
}

/// What the run said.
#[component]
pub fn Notes(desk: Desk) -> impl IntoView {
    let notes = Memo::new(move |_| desk.watched.with(|watched| watched.notes.clone()));
    view! {
        <Show when=move || notes.with(|notes| !notes.is_empty())>
            <ul class="hint notes" aria-label="Notes">
                {move || {
                    notes
                        .get()
                        .into_iter()
                        .map(|note| view! { <li>{words::clipped(&note, 300)}</li> })
                        .collect_view()
                }}
            </ul>
        </Show>
    }
}
