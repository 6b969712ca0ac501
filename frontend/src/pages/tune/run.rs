//! One run: how it gets on, where it lands, and what can be done with it.

use super::aside::name;
use super::curves::Curves;
use super::desk::{Desk, state_word};
use super::landing::Landing;
use super::outcome::{Notes, Publish, Settings};
use super::ranked::{Rank, Together};
use crate::words;
use leptos::prelude::*;
use tupate_api::{Progress, Run, RunState, Scope};

/// The run of this id.
#[component]
pub fn RunView(desk: Desk, id: String) -> impl IntoView {
    let run = Memo::new(move |_| desk.shown());
    // The stream is ahead of the list.
    let state = Memo::new(move |_| {
        let told = desk.watched.with(|watched| watched.state);
        told.or_else(|| run.with(|run| run.as_ref().map(|run| run.state)))
    });
    let finishing = Memo::new(move |_| {
        desk.watched.with(|watched| watched.finishing)
            || run.with(|run| run.as_ref().is_some_and(|run| run.finishing))
    });
    let progress = Memo::new(move |_| {
        let told = desk.watched.with(|watched| watched.progress.clone());
        told.or_else(|| run.with(|run| run.as_ref().and_then(|run| run.progress.clone())))
    });
    let asked = Memo::new(move |_| {
        run.with(|run| run.as_ref().and_then(|run| run.spec.epochs)).map_or(20, u64::from)
    });
    let title =
        Memo::new(move |_| run.with(|run| run.as_ref().map_or_else(|| "Run".to_owned(), name)));
    let sentence = move || {
        let run = run.get();
        let best = desk.watched.with(|watched| watched.best());
        let settled =
            desk.watched.with(|w| w.ranking.as_ref().map(|r| (r.settled, r.sources.len())));
        told(run.as_ref(), state.get(), finishing.get(), best, settled)
    };
    let together = Together::with(desk, run);
    let word = move || state.get().map_or("looking", state_word);
    view! {
        <article class="run" data-testid="run-view" data-state=move || state.get().map(RunState::name)>
            <header class="run-head">
                <h2 id="run-head" tabindex="-1">
                    {title}
                </h2>
                <span class="state" data-state=move || state.get().map(RunState::name)>
                    {word}
                </span>
                <span class="hint live">
                    {move || {
                        let busy = state.get().is_some_and(|state| !state.is_at_rest());
                        (busy && !desk.live.get()).then_some("connecting…")
                    }}
                </span>
            </header>
            <div aria-live="polite" aria-atomic="true">
                <p class="sentence" data-testid="run-sentence">
                    {sentence}
                </p>
            </div>
            <Gauge progress />
            <Buttons desk id=id.clone() state finishing />
            <Curves watched=desk.watched asked name=title />
            <Landing desk run state />
            <Rank desk state together />
            <Publish desk id state run together />
            <Settings run />
            <Notes desk />
        </article>
    }
}

/// What there is to say, in a sentence.
fn told(
    run: Option<&Run>,
    state: Option<RunState>,
    finishing: bool,
    best: Option<(u64, f64)>,
    settled: Option<(u64, usize)>,
) -> String {
    let score = best.map(|(epoch, score)| (epoch, words::number(score, 3)));
    let same = match settled {
        Some((epochs, sources)) if epochs > 1 => {
            format!(" The {sources} closest sources have been the same for {epochs} epochs.")
        }
        _ => String::new(),
    };
    let why = run.and_then(|run| run.reason.as_deref()).map(|why| words::clipped(why, 300));
    match state {
        None => String::new(),
        Some(RunState::Queued) => match run.is_some_and(|run| run.starts > 0) {
            true => "Waiting to go on where it was.".into(),
            false => "Waiting for its turn.".into(),
        },
        Some(RunState::Running) if finishing => "Ending after this epoch.".into(),
        Some(RunState::Running) => match score {
            Some((epoch, score)) => format!("Best so far {score}, in epoch {epoch}.{same}"),
            None => "Tuning its first epoch.".into(),
        },
        Some(RunState::Cancelling) => "Stopping after the step that it is taking.".into(),
        Some(RunState::Cancelled) => "Stopped. What it has is kept, and it can go on.".into(),
        Some(RunState::Failed) => match why {
            Some(why) => format!("Failed: {why}."),
            None => "Failed.".into(),
        },
        Some(RunState::Done) => match run.and_then(|run| run.result.as_ref()) {
            None => "Done.".into(),
            Some(result) => {
                let verdict = match result.score > result.majority {
                    true => "better than",
                    false => "no better than",
                };
                format!(
                    "{} {} after {}, {verdict} the {} of a model that has learnt nothing.",
                    capital(&result.metric),
                    words::number(result.score, 3),
                    words::counted(result.epochs, "epoch"),
                    words::number(result.majority, 3)
                )
            }
        },
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// A time left, as rough as it is known.
fn left(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match seconds {
        s if s < 1.0 => "a moment".into(),
        s if s < 90.0 => format!("{} s", s.round()),
        s if s < 5400.0 => format!("{minutes} min"),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

/// How far it is: a bar, and figures in places that do not move.
#[component]
fn Gauge(progress: Memo<Option<Progress>>) -> impl IntoView {
    let of = move |tell: fn(&Progress) -> Option<String>| {
        move || progress.with(|p| p.as_ref().and_then(tell)).unwrap_or_else(|| "–".to_owned())
    };
    let step = move || progress.with(|p| p.as_ref().map_or(0, |p| p.step)).to_string();
    let steps = move || progress.with(|p| p.as_ref().map_or(1, |p| p.steps.max(1))).to_string();
    view! {
        <div class="gauge">
            <progress aria-label="Steps taken" max=steps value=step></progress>
            <dl>
                <div>
                    <dt>"Step"</dt>
                    <dd>
                        {of(|p| {
                            Some(format!("{} of {}", words::count(p.step), words::count(p.steps)))
                        })}
                    </dd>
                </div>
                <div>
                    <dt>"Loss"</dt>
                    <dd>{of(|p| Some(words::number(p.loss, 3)))}</dd>
                </div>
                <div>
                    <dt>"Time left"</dt>
                    <dd>{of(|p| p.seconds_left.filter(|_| p.step < p.steps).map(left))}</dd>
                </div>
                <div>
                    <dt>"Examples a second"</dt>
                    <dd>{of(|p| p.examples_per_second.map(|n| words::number(n, 1)))}</dd>
                </div>
                <div>
                    <dt>"Memory"</dt>
                    <dd>{of(|p| p.memory_bytes.map(words::size))}</dd>
                </div>
            </dl>
        </div>
    }
}

#[component]
fn Buttons(
    desk: Desk,
    id: String,
    state: Memo<Option<RunState>>,
    finishing: Memo<bool>,
) -> impl IntoView {
    let sure = RwSignal::new(false);
    let may = Memo::new(move |_| desk.may(Scope::Tune));
    let busy = move || desk.busy.with(Option::is_some) || !may.get();
    let tell = |what: &'static str| {
        let id = id.clone();
        move |_| desk.tell(id.clone(), what)
    };
    let (finish, cancel, resume) = (tell("finish"), tell("cancel"), tell("resume"));
    let remove = move |_| match sure.get_untracked() {
        true => desk.remove(id.clone()),
        false => sure.set(true),
    };
    let is = move |states: &'static [RunState]| {
        move || state.get().is_none_or(|state| !states.contains(&state))
    };
    use RunState::{Cancelled, Done, Failed, Queued, Running};
    view! {
        <div class="buttons">
            <button
                type="button"
                data-testid="finish"
                hidden=is(&[Queued, Running])
                disabled=move || busy() || finishing.get()
                on:click=finish
            >
                {move || if finishing.get() { "Ending after this epoch" } else { "Finish early" }}
            </button>
            <button
                type="button"
                data-testid="cancel"
                hidden=is(&[Queued, Running])
                disabled=busy
                on:click=cancel
            >
                "Cancel"
            </button>
            <button
                type="button"
                class="solid"
                data-testid="resume"
                hidden=is(&[Cancelled, Failed])
                disabled=busy
                on:click=resume
            >
                "Go on"
            </button>
            <button
                type="button"
                class="quiet"
                data-testid="delete"
                hidden=is(&[Cancelled, Failed, Done])
                disabled=busy
                on:click=remove
                on:blur=move |_| sure.set(false)
            >
                {move || if sure.get() { "Delete it for good?" } else { "Delete" }}
            </button>
            <p class="hint" hidden=move || may.get()>
                "With a token for tuning, a run can be finished, cancelled and deleted here."
            </p>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_as_rough_as_it_is_known() {
        for (seconds, text) in [
            (0.0, "a moment"),
            (42.4, "42 s"),
            (125.0, "2 min"),
            (5399.0, "90 min"),
            (9000.0, "2 h 30 min"),
        ] {
            assert_eq!(left(seconds), text);
        }
    }

    #[test]
    fn every_state_has_its_sentence() {
        for state in RunState::ALL {
            let text = told(None, Some(state), false, Some((2, 0.75)), Some((3, 5)));
            assert!(text.ends_with('.'), "{text}");
        }
        let text = told(None, Some(RunState::Running), false, Some((2, 0.75)), Some((3, 5)));
        assert_eq!(
            text,
            "Best so far 0.750, in epoch 2. The 5 closest sources have been the same for 3 epochs."
        );
        assert_eq!(capital("accuracy"), "Accuracy");
    }
}
