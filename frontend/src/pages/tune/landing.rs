//! Where a run would land, if it ended now.

use super::desk::Desk;
use super::watched::Ranked;
use crate::scale::{Axis, Kind};
use crate::state::Store;
use crate::words;
use leptos::prelude::*;
use tupate_api::{Run, RunState};

/// The ranking as it settles.
#[component]
pub fn Landing(desk: Desk, run: Memo<Option<Run>>, state: Memo<Option<RunState>>) -> impl IntoView {
    let store = expect_context::<Store>();
    let done = move || state.get() == Some(RunState::Done);
    let ranked = Memo::new(move |_| desk.watched.with(|watched| watched.ranking.clone()));
    let file =
        Memo::new(move |_| run.with(|run| Some(run.as_ref()?.spec.ranking.as_ref()?.zoo.clone())));
    let wanted =
        Memo::new(move |_| Some(words::clipped(file.get()?.trim_end_matches(".safetensors"), 60)));
    // The server names tasks by their ids. What they are called says the zoo, if it is open.
    let name = move |id: &str| {
        let name = store.loaded.with(|loaded| {
            let loaded = loaded.as_ref()?;
            let place = loaded.origin.address()?.rsplit('/').next();
            let same = file.with(|file| place == file.as_deref());
            same.then(|| loaded.zoo.task(id)).flatten().map(|task| task.name.clone())
        });
        words::clipped(&name.unwrap_or_else(|| id.to_owned()), 60)
    };
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
                {move || ranked.get().map(|ranked| bars(&ranked, name))}
                <p class="hint">{note}</p>
            </section>
        </Show>
    }
}

fn bars<N: Fn(&str) -> String>(ranked: &Ranked, name: N) -> impl IntoView + use<N> {
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
                <span class="name">{name(&source.task)}</span>
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
