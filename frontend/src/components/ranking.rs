//! The answer: a sentence, and the sources in order.

use super::around::Place;
use super::messages::ErrorBox;
use crate::answer::{Answer, Beside, Gains};
use crate::platform::{self, PAINTED};
use crate::scale::{Axis, Kind};
use crate::state::Store;
use crate::words;
use leptos::prelude::*;
use std::collections::BTreeMap;
use tupate_zoo::{RankedSource, TaskEntry};

/// Rows that are drawn at first, and added on demand.
const ROWS: usize = 100;
/// Of these, rows that are drawn with the page itself; the others when it is shown.
const AT_ONCE: usize = 10;

/// The ranking that is shown, prepared for drawing.
#[derive(Clone, Debug, PartialEq)]
struct Shown {
    axis: Axis,
    rows: Vec<RankedSource>,
    /// Place in `rows` by task.
    at: BTreeMap<String, usize>,
    all: usize,
    /// How many pass the filters, of which `all` are here.
    passing: usize,
    gains: Option<Gains>,
    beside: Option<Beside>,
}

impl Shown {
    fn of(answer: &Answer, most: usize) -> Self {
        let sources = &answer.ranking.sources;
        let rows: Vec<_> = sources.iter().take(most).cloned().collect();
        // Of rows that come by themselves, too: the axis must not change when they do.
        let scores: Vec<f64> =
            sources.iter().take(most.max(ROWS)).map(|source| source.score).collect();
        let mut at = BTreeMap::new();
        for (place, row) in rows.iter().enumerate() {
            at.insert(row.task.clone(), place);
        }
        Self {
            axis: Axis::of(&scores),
            rows,
            at,
            all: sources.len(),
            passing: answer.passing,
            gains: answer.gains.clone(),
            beside: answer.beside.clone().and_then(Result::ok),
        }
    }
}

/// Sentence and list, or why there are none.
#[component]
pub fn Ranking() -> impl IntoView {
    let store = expect_context::<Store>();
    let most = RwSignal::new(AT_ONCE);
    let shown = Memo::new(move |_| {
        store.answer.with(|answer| match answer {
            Some(Ok(answer)) => Some(Shown::of(answer, most.get())),
            _ => None,
        })
    });
    let sentence = move || {
        let loaded = store.loaded.get()?;
        store.answer.with(|answer| match answer {
            Some(Ok(answer)) if answer.ranking.sources.is_empty() && answer.all > 0 => {
                Some("No source passes the filters.".to_owned())
            }
            Some(Ok(answer)) => {
                let of = |id: &str| loaded.zoo.task(id);
                Some(words::sentence(&answer.ranking, answer.passing, answer.gains.as_ref(), of))
            }
            _ => None,
        })
    };
    let failure = move || {
        store.answer.with(|answer| match answer {
            Some(Err(failure)) => Some(view! { <ErrorBox failure=failure.clone() /> }),
            Some(Ok(Answer { beside: Some(Err(failure)), .. })) => {
                Some(view! { <ErrorBox failure=failure.clone() /> })
            }
            _ => None,
        })
    };
    let some = Memo::new(move |_| shown.with(|s| s.as_ref().is_some_and(|s| !s.rows.is_empty())));
    Effect::new(move |_| {
        if some.get() && most.get_untracked() < ROWS {
            store.unfinished.set(true);
            leptos::task::spawn_local(async move {
                platform::sleep(PAINTED).await;
                // The visitor may have turned to another page.
                most.try_set(ROWS);
                store.unfinished.set(false);
            });
        }
    });
    view! {
        <section
            class="answer"
            class:unfinished=move || store.unfinished.get()
            aria-labelledby="answer-head"
        >
            <h2 id="answer-head" class="hidden" tabindex="-1">
                "Sources, closest first"
            </h2>
            <div aria-live="polite" aria-atomic="true">
                <p class="sentence" data-testid="sentence">
                    {sentence}
                </p>
            </div>
            {failure}
            <Show when=move || some.get()>
                <p class="hint caveat">{words::CAVEAT}</p>
                <Place of=|around| around.trust ghost=trust_ghost />
            </Show>
            <div class="tools">
                <Place of=|around| around.beside ghost=beside_ghost />
                <Place
                    of=|around| around.narrowing
                    ghost=|| view! { <div class="narrowing"></div> }.into_any()
                />
            </div>
            <Show when=move || some.get()>
                <Chart shown=shown />
                <More shown=shown most=most />
                <Place of=|around| around.takeaway />
            </Show>
        </section>
    }
}

/// Keeps the place of what is told of rankings like this one.
fn trust_ghost() -> AnyView {
    let loaded = expect_context::<Store>().loaded.get_untracked();
    let measured = loaded.is_some_and(|loaded| !loaded.zoo.transfer().is_empty());
    measured.then(|| view! { <p class="hint trust"></p> }).into_any()
}

/// Keeps the place of the field that holds a second method against the first.
fn beside_ghost() -> AnyView {
    let loaded = expect_context::<Store>().loaded.get_untracked();
    let several =
        loaded.is_some_and(|loaded| loaded.sharded.is_none() && loaded.methods().len() > 1);
    several.then(|| view! { <div class="field beside"></div> }).into_any()
}

#[component]
fn Chart(shown: Memo<Option<Shown>>) -> impl IntoView {
    let axis = Memo::new(move |_| {
        shown.with(|s| s.as_ref().map_or_else(|| Axis::of(&[]), |s| s.axis.clone()))
    });
    let kind = move || match axis.with(|axis| axis.kind) {
        Kind::Whole => "whole",
        Kind::Signed => "signed",
        Kind::Cut => "cut",
    };
    let ids = move || {
        shown.with(|s| {
            s.as_ref().map_or(Vec::new(), |s| s.rows.iter().map(|row| row.task.clone()).collect())
        })
    };
    let store = expect_context::<Store>();
    let gains = Memo::new(move |_| shown.with(|s| s.as_ref().and_then(|s| s.gains.clone())));
    let beside = Memo::new(move |_| {
        let method = shown.with(|s| Some(s.as_ref()?.beside.as_ref()?.method.clone()))?;
        store.loaded.with(|l| l.as_ref().map(|l| l.method_label(&method)))
    });
    view! {
        <div
            class="chart"
            data-kind=kind
            class:with-gain=move || gains.with(Option::is_some)
            class:with-other=move || beside.with(Option::is_some)
        >
            <div class="axis" aria-hidden="true">
                <div class="axis-scale">
                    {move || axis.with(ticks)}
                </div>
                <span class="column-gain">
                    {move || {
                        gains
                            .with(|gains| {
                                gains
                                    .as_ref()
                                    .map(|gains| match gains.baseline {
                                        Some(_) => "true gain",
                                        None => "true score",
                                    })
                            })
                    }}
                </span>
                <span class="column-other">{move || beside.get()}</span>
            </div>
            <ol class="sources" aria-describedby="axis-note">
                <For each=ids key=Clone::clone let:id>
                    <Row id shown axis />
                </For>
            </ol>
            <p class="hint" id="axis-note" tabindex="-1">
                {move || axis.with(Axis::note)}
                {move || gains.with(|gains| gains.as_ref().map(gains_note))}
            </p>
        </div>
    }
}

fn gains_note(gains: &Gains) -> String {
    let what = match gains.baseline {
        Some(baseline) => format!(
            "True gain: the target's score after training on the source first, less the {} without it",
            words::number(baseline, 3)
        ),
        None => "True score: the target's after training on the source first".to_owned(),
    };
    format!(" {what} ({}, {}).", gains.metric, gains.setting)
}

fn ticks(axis: &Axis) -> impl IntoView + use<> {
    let label = |tick: &f64| {
        let (place, label) = (axis.place(*tick).to_string(), axis.label(*tick));
        view! { <span class:zero=*tick == 0.0 style=("--at", place)>{label}</span> }
    };
    axis.ticks.iter().map(label).collect_view()
}

fn grid(axis: &Axis) -> impl IntoView + use<> {
    let zero = axis.kind == Kind::Signed;
    axis.ticks
        .iter()
        .map(|tick| {
            let place = axis.place(*tick).to_string();
            view! { <i class:zero=zero && *tick == 0.0 style=("--at", place)></i> }
        })
        .collect_view()
}

/// One source. It stays the same element while its rank changes, so that its
/// bar moves instead of flashing.
#[component]
fn Row(id: String, shown: Memo<Option<Shown>>, axis: Memo<Axis>) -> impl IntoView {
    let store = expect_context::<Store>();
    let row = {
        let id = id.clone();
        Memo::new(move |_| {
            shown.with(|s| s.as_ref().and_then(|s| s.rows.get(*s.at.get(&id)?).cloned()))
        })
    };
    let score = move || row.with(|row| row.as_ref().map_or(0.0, |row| row.score));
    let rank = move || row.with(|row| row.as_ref().map_or(0, |row| row.rank));
    let mark = Memo::new(move |_| axis.with(|axis| axis.mark(score())));
    let task = store.loaded.with_untracked(|l| l.as_ref().and_then(|l| l.zoo.task(&id).cloned()));
    let name = task.as_ref().map_or_else(|| id.clone(), |task| task.name.clone());
    let gain = {
        let id = id.clone();
        Memo::new(move |_| {
            shown.with(|s| {
                let gains = s.as_ref()?.gains.as_ref()?;
                Some((gains.of.get(&id).copied(), gains.baseline.is_some()))
            })
        })
    };
    let other = {
        let id = id.clone();
        Memo::new(move |_| {
            shown.with(|s| Some(s.as_ref()?.beside.as_ref()?.ranks.get(&id).copied()))
        })
    };
    view! {
        <li
            class:first=move || rank() == 1
            data-testid="source"
            data-task=id
            data-rank=move || rank().to_string()
            data-score=move || score().to_string()
        >
            <span class="rank">{move || rank().to_string()}</span>
            <span class="name">{name}</span>
            <span class="kind">{task.as_ref().map(kind)}</span>
            <span class="track" aria-hidden="true">
                {move || axis.with(grid)}
                <b
                    style=("--from", move || mark.get().0.to_string())
                    style=("--to", move || mark.get().1.to_string())
                    class:negative=move || score() < 0.0
                ></b>
            </span>
            <span class="score">{move || words::score(score())}</span>
            {move || gain.get().map(|(gain, relative)| gain_cell(gain, relative))}
            {move || other.get().map(|other| other_cell(rank(), other))}
            {task.as_ref().map(data)}
        </li>
    }
}

/// What training on the source first did.
fn gain_cell(gain: Option<f64>, relative: bool) -> impl IntoView + use<> {
    let text = match gain {
        None => "not measured".to_owned(),
        Some(gain) if relative => words::change(gain),
        Some(gain) => words::number(gain, 3),
    };
    let loss = relative && gain.is_some_and(|gain| gain < 0.0);
    let label = if relative { "true gain " } else { "true score " };
    view! {
        <span class="gain" class:loss=loss class:unmeasured=gain.is_none() data-testid="gain">
            <span class="column-label">{label}</span>
            {text}
        </span>
    }
}

/// A source's rank by the other method, and how far it moved on the way there.
fn other_cell(rank: usize, other: Option<usize>) -> impl IntoView + use<> {
    let Some(other) = other else {
        return view! { <span class="other">"not there"</span> }.into_any();
    };
    let (sign, words) = match other.cmp(&rank) {
        std::cmp::Ordering::Less => ("▲", "up"),
        std::cmp::Ordering::Greater => ("▼", "down"),
        std::cmp::Ordering::Equal => ("=", "unmoved"),
    };
    let by = other.abs_diff(rank);
    view! {
        <span class="other" data-testid="other" data-rank=other.to_string()>
            <span class="column-label">"there "</span>
            {format!("{other} ")}
            <span class="move" data-move=words aria-hidden="true">
                {sign}
                {(by > 0).then(|| by.to_string())}
            </span>
            <span class="hidden">
                {if by > 0 { format!("{words} by {by}") } else { words.to_owned() }}
            </span>
        </span>
    }
    .into_any()
}

fn kind(task: &TaskEntry) -> impl IntoView + use<> {
    let mut line = format!("{} · {}", task.class.name(), task.family);
    // Of imported ones nobody knows.
    if task.train_examples > 0 {
        line += " · ";
        line += &words::counted(task.train_examples, "example");
    }
    let weak = words::is_weak(task);
    view! {
        {line}
        {weak.then(|| view! { " · " <span class="weak">"no better than guessing"</span> })}
    }
}

/// Where the task's data is, and under which licence.
fn data(task: &TaskEntry) -> impl IntoView + use<> {
    let licence = task.licence.as_ref().map(|licence| words::clipped(licence, 120));
    let label = format!("Data of {}", task.name);
    // A zoo is a stranger's file: only addresses that open a page are followed.
    let link = task.link.clone().filter(|l| l.starts_with("https://") || l.starts_with("http://"));
    view! {
        <span class="data">
            {link
                .map(|link| {
                    view! {
                        <a href=link rel="noopener noreferrer" target="_blank" aria-label=label>
                            "data"
                        </a>
                        " "
                    }
                })} {licence}
        </span>
    }
}

#[component]
fn More(shown: Memo<Option<Shown>>, most: RwSignal<usize>) -> impl IntoView {
    let left = Memo::new(move |_| {
        shown.with(|s| {
            // Fewer are not all that come by themselves.
            s.as_ref().filter(|s| s.rows.len() >= ROWS).map_or(0, |s| s.all - s.rows.len())
        })
    });
    let beyond = move || {
        shown.with(|s| {
            let s = s.as_ref().filter(|s| s.passing > s.all)?;
            let [here, passing] = [s.all, s.passing].map(|n| words::count(n as u64));
            Some(format!("The {here} closest of {passing} sources."))
        })
    };
    view! {
        <Show when=move || { left.get() > 0 }>
            <button
                type="button"
                data-testid="more"
                on:click=move |_| {
                    if left.get_untracked() <= ROWS {
                        // The button goes, and takes the focus with it.
                        platform::focus("axis-note");
                    }
                    most.update(|most| *most += ROWS);
                }
            >
                {move || {
                    let left = left.get();
                    format!("Show {} more of {}", left.min(ROWS), words::count(left as u64))
                }}
            </button>
        </Show>
        {move || beyond().map(|text| view! { <p class="hint" data-testid="beyond">{text}</p> })}
    }
}
