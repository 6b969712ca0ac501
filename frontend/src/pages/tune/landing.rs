//! Where a run would land, if it ended now.

use super::desk::Desk;
use super::watched::Ranked;
use crate::scale::{Axis, Kind};
use crate::words;
use leptos::prelude::*;
use tupate_api::{Run, RunState};

/// The ranking as it settles.
#[component]
pub fn Landing(desk: Desk, run: Memo<Option<Run>>, state: Memo<Option<RunState>>) -> impl IntoView {
    let done = move || state.get() == Some(RunState::Done);
    let ranked = Memo::new(move |_| desk.watched.with(|watched| watched.ranking.clone()));
    let zoo = move || {
        let zoo = run.with(|run| run.as_ref().and_then(|run| run.spec.ranking.clone()))?.zoo;
        Some(words::clipped(zoo.trim_end_matches(".safetensors"), 60))
    };
    let wanted = Memo::new(move |_| zoo());
    let note = move || match ranked.get() {
        None => "The first ranking comes after the first epoch.".to_owned(),
        Some(Ranked { epoch, settled: 1, .. }) => {
            format!("After epoch {epoch}; it has just changed.")
        }
        Some(Ranked { epoch, settled, .. }) => {
            format!("After epoch {epoch}; the same for {settled} epochs.")
        }
    };
    view! {
        <Show when=move || wanted.with(Option::is_some)>
            <section class="landing" aria-labelledby="landing-head" data-testid="landing">
                <h3 id="landing-head">
                    "Closest in " {move || wanted.get()}
                    {move || (!done()).then_some(", if this were the last epoch")}
                </h3>
                {move || ranked.get().map(|ranked| bars(&ranked))}
                <p class="hint">{note}</p>
            </section>
        </Show>
    }
}

fn bars(ranked: &Ranked) -> impl IntoView + use<> {
    let scores: Vec<_> = ranked.sources.iter().map(|source| source.score).collect();
    let axis = Axis::of(&scores);
    let kind = match axis.kind {
        Kind::Whole => "whole",
        Kind::Signed => "signed",
        Kind::Cut => "cut",
    };
    let rows = ranked.sources.iter().enumerate().map(|(at, source)| {
        let (from, to) = axis.mark(source.score);
        view! {
            <li class:first=at == 0 data-testid="landed" data-task=source.task.clone()>
                <span class="rank">{at + 1}</span>
                <span class="name">{words::clipped(&source.task, 60)}</span>
                <span class="track" aria-hidden="true">
                    <b
                        style=("--from", from.to_string())
                        style=("--to", to.to_string())
                        class:negative=source.score < 0.0
                    ></b>
                </span>
                <span class="score">{words::score(source.score)}</span>
            </li>
        }
    });
    view! {
        <div class="chart" data-kind=kind>
            <ol class="sources">{rows.collect_view()}</ol>
        </div>
        <p class="hint">{axis.note()}</p>
    }
}
