//! A finished run, ranked among all tasks of the zoo that the page shows.

use super::desk::Desk;
use super::form::method_label;
use crate::pages::{PageLink, Turn};
use crate::state::Store;
use crate::words;
use leptos::prelude::*;
use tupate_api::{NewRun, Run, RunState, Scope};

/// The name of a run's method, of those that the server offers, the usual one first.
fn method<'a>(run: &'a Run, offered: &'a [String]) -> &'a str {
    let usual = offered.first().map_or("", String::as_str);
    run.spec.method.as_deref().unwrap_or(usual)
}

/// The newest run on the same data by each other method, done if there is one: rankings by
/// several methods take one of each.
fn companions<'a>(runs: &'a [Run], of: &Run, offered: &[String]) -> Vec<&'a Run> {
    // Epochs, batches and rates are a method's own affair.
    let key = |spec: &NewRun| {
        let NewRun { data, name, encoder, columns, max_train, max_length, seed, init_seed, .. } =
            spec.clone();
        (data, name, encoder, columns, max_train, max_length, seed, init_seed)
    };
    let alike = |run: &&Run| {
        run.owner == of.owner
            && key(&run.spec) == key(&of.spec)
            && (run.state == RunState::Done || !run.state.is_at_rest())
    };
    let newest = |wanted: &String| {
        let by = runs.iter().filter(alike).filter(|run| method(run, offered) == wanted);
        by.max_by_key(|run| (run.state == RunState::Done, run.created))
    };
    offered.iter().filter(|other| *other != method(of, offered)).filter_map(newest).collect()
}

/// `LoRA, BitFit and P-Tuning v2`.
fn labels(runs: &[&Run], offered: &[String]) -> String {
    let labels: Vec<_> = runs.iter().map(|run| method_label(method(run, offered))).collect();
    match labels.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => labels.concat(),
    }
}

/// The finished runs of one task that go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Together {
    /// Their ids, that of the run which is shown first.
    pub runs: Vec<String>,
    /// By which methods, if there are several.
    pub methods: Option<String>,
    /// The methods whose runs are not done yet.
    waiting: Option<String>,
}

impl Together {
    fn of(runs: &[Run], run: &Run, offered: &[String]) -> Self {
        let others = companions(runs, run, offered);
        let (done, waiting): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|other| other.state == RunState::Done);
        let all: Vec<_> = std::iter::once(run).chain(done).collect();
        Self {
            runs: all.iter().map(|run| run.id.clone()).collect(),
            methods: (all.len() > 1).then(|| labels(&all, offered)),
            waiting: (!waiting.is_empty()).then(|| labels(&waiting, offered)),
        }
    }

    /// Those of the run that is shown.
    pub fn with(desk: Desk, run: Memo<Option<Run>>) -> Memo<Option<Self>> {
        Memo::new(move |_| {
            let (run, offered) = (run.get()?, desk.offers.with(|offers| offers.methods.clone()));
            Some(desk.runs.with(|runs| Self::of(runs, &run, &offered)))
        })
    }

    /// By what it is ranked.
    fn said(&self) -> String {
        let by = match (&self.methods, &self.waiting) {
            (Some(methods), _) => format!("By its runs with {methods}."),
            (None, Some(_)) => "By this run alone.".to_owned(),
            (None, None) => {
                "By this run alone; runs on the same data by other methods would be ranked with it."
                    .to_owned()
            }
        };
        match &self.waiting {
            Some(methods) => format!("{by} Not done yet: {methods}."),
            None => by,
        }
    }
}

/// Leads from a finished run to the ranking.
#[component]
pub fn Rank(
    desk: Desk,
    state: Memo<Option<RunState>>,
    together: Memo<Option<Together>>,
) -> impl IntoView {
    let (store, turn) = (expect_context::<Store>(), expect_context::<Turn>());
    let zoo = Memo::new(move |_| {
        store.loaded.with(|l| l.as_ref().map(|l| words::clipped(l.zoo.name(), 60)))
    });
    // The server hands it out to nobody else.
    let own = move || {
        let owner = desk.shown().map(|run| run.owner);
        desk.who.with(|who| who.as_ref().is_none_or(|who| Some(&who.name) == owner.as_ref()))
            || desk.may(Scope::Admin)
    };
    let done = Memo::new(move |_| state.get() == Some(RunState::Done) && own());
    let unable = move || desk.busy.with(Option::is_some) || !desk.may(Scope::Tune);
    let button = move |zoo: String| {
        view! {
            <button
                type="button"
                class="solid"
                data-testid="rank-run"
                disabled=unable
                on:click=move |_| {
                    if let Some(together) = together.get_untracked() {
                        desk.rank(store, turn, together.runs);
                    }
                }
            >
                {move || match desk.busy.get() {
                    Some(what) => format!("{what}…"),
                    None => format!("Rank the tasks of “{zoo}”"),
                }}
            </button>
            <p class="hint" data-testid="ranked-by">
                {move || together.get().map(|together| together.said())}
            </p>
        }
        .into_any()
    };
    view! {
        <Show when=move || done.get()>
            <section class="ranked" aria-labelledby="ranked-head">
                <h3 id="ranked-head">"What to train on before it"</h3>
                {move || match zoo.get() {
                    Some(zoo) => button(zoo),
                    None => {
                        view! {
                            <p class="hint">
                                "No zoo is open. " <PageLink slug="">"Open one"</PageLink>
                                ", and its tasks are ranked here."
                            </p>
                        }
                            .into_any()
                    }
                }}
            </section>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str, method: Option<&str>, state: RunState, created: u64) -> Run {
        let spec = serde_json::json!({ "data": { "task": "sst2" }, "method": method });
        let json = serde_json::json!({
            "id": id, "owner": "me", "spec": spec, "state": state, "reason": null,
            "created": created, "updated": created, "starts": 1, "progress": null,
            "result": null, "last_event": 1,
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_run_is_ranked_with_the_newest_by_each_other_method() {
        use RunState::{Done, Failed, Running};
        let own = run("a", None, Done, 5);
        let mut other_data = run("f", Some("bitfit"), Done, 9);
        other_data.spec.columns = Some("text=body".into());
        let mut other_owner = run("g", Some("bitfit"), Done, 9);
        other_owner.owner = "you".into();
        let mut runs = vec![
            run("b", Some("lora"), Done, 9),
            run("c", Some("bitfit"), Done, 2),
            run("d", Some("bitfit"), Done, 7),
            run("e", Some("bitfit"), Running, 8),
            run("h", Some("ptuning-v2"), Failed, 8),
            other_data,
            other_owner,
            own.clone(),
        ];
        let offered = ["lora", "bitfit", "ptuning-v2"].map(String::from);
        let told = |runs: &[Run]| {
            let together = Together::of(runs, &own, &offered);
            (together.runs.clone(), together.said())
        };
        let (ids, text) = told(&runs);
        assert_eq!(
            (ids, &*text),
            (vec!["a".into(), "d".into()], "By its runs with LoRA and BitFit.")
        );
        runs.push(run("i", Some("ptuning-v2"), Running, 9));
        let (ids, text) = told(&runs);
        assert_eq!(ids, ["a", "d"]);
        assert_eq!(text, "By its runs with LoRA and BitFit. Not done yet: P-Tuning v2.");
        let (ids, text) = told(&runs[..1]);
        assert_eq!(ids, ["a"]);
        assert!(text.starts_with("By this run alone; "), "{text}");
        runs[8].state = Done;
        assert_eq!(told(&runs).1, "By its runs with LoRA, BitFit and P-Tuning v2.");
    }
}
