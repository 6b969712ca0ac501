//! The page that judges rankings by measured transfer.

mod chart;
mod own;
mod pair;
mod table;

use crate::answer::{Loaded, choose_similarity};
use crate::components::facts::CopyLink;
use crate::components::stage::Stage;
use crate::components::switches::{SimilaritySwitch, Switch};
use crate::components::turn::InTurn;
use crate::platform::Breather;
use crate::state::Store;
use crate::verdict::{self, GAUGES, Gauge};
use crate::words;
use leptos::prelude::*;
use std::sync::Arc;
use tupate_metrics::Relevance;
use tupate_zoo::evaluate::Report;
use tupate_zoo::lab::{Row, judge};
use tupate_zoo::{Fusion, SIMILARITIES, ScoreTable, TransferMatrix};

pub use own::Own;

/// Seed of the intervals: that of `tupate evaluate`, unless it is told another one.
const SEED: u64 = 0;
/// How a link names the visitor's own tables; no setting is called so.
const OWN: &str = "(own)";

/// Draws the page.
pub fn draw() -> AnyView {
    view! { <LabPage /> }.into_any()
}

/// The page.
#[component]
pub fn LabPage() -> impl IntoView {
    let own = expect_context::<Own>();
    view! {
        <Stage
            heading="How well do these rankings foretell transfer?"
            tab="Lab"
            promise="A zoo is one file that holds embeddings of many tasks. Open one, and see how well its rankings agree with measured transfer: the zoo's own, or yours."
            content=|| view! { <WithZoo /> }.into_any()
            ghost=|| view! { <Ghost /> }.into_any()
            tables=Callback::new(move |file| own.read(file))
        />
    }
}

#[component]
fn Ghost() -> impl IntoView {
    view! {
        <div class="ghost ghost-switches"></div>
        <div class="ghost ghost-plot"></div>
    }
}

/// What was judged, and how it came out.
#[derive(Debug)]
struct Figures {
    /// `[methods]`.
    names: Vec<String>,
    rows: Vec<Row>,
    /// What the truth's setting is called.
    setting: String,
}

/// What the parts of the page share. Copied freely: it holds handles only.
#[derive(Clone, Copy)]
struct Lab {
    figures: RwSignal<Option<Arc<Figures>>>,
    busy: RwSignal<bool>,
    gauge: Memo<&'static Gauge>,
    relevance: Memo<Named>,
}

/// A relevance, as a value that signals can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Named(Relevance);

impl Lab {
    fn measure(self) -> usize {
        self.gauge.get().measure(self.relevance.get().0)
    }
}

impl Figures {
    /// The report with the most targets for which a measure is defined, of most sources.
    fn widest(&self, measure: usize) -> Option<&Report> {
        let sources = |r: &Report| r.targets.iter().map(|t| t.sources.len()).sum::<usize>();
        let reports = self.rows.iter().filter_map(|row| row.report.as_ref().ok());
        // Of equals the first.
        reports.rev().max_by_key(|r| (r.defined(measure), sources(r)))
    }

    /// Whether the mean of each row can be put in order with those of most: a mean over other
    /// targets or sources is no better and no worse.
    fn is_beside(&self, measure: usize) -> Vec<bool> {
        let widest = self.widest(measure);
        let is_like = |report: &Report| widest.is_some_and(|w| w.is_comparable(report, measure));
        self.rows.iter().map(|row| row.report.as_ref().is_ok_and(is_like)).collect()
    }

    /// Places of the methods that have figures, the best by a measure first; after all others
    /// those that cannot be put in order with them.
    fn best_first(&self, measure: usize) -> Vec<usize> {
        let is_beside = self.is_beside(measure);
        let mean = |at: usize| self.rows[at].report.as_ref().ok().and_then(|r| r.mean[measure]);
        let mut order: Vec<usize> = (0..self.rows.len()).filter(|at| mean(*at).is_some()).collect();
        let better = tupate_metrics::MEASURES[measure].greater_is_better;
        order.sort_by(|a, b| {
            let apart = is_beside[*b].cmp(&is_beside[*a]);
            let (a, b) = (mean(*a).unwrap_or_default(), mean(*b).unwrap_or_default());
            apart.then(if better { b.total_cmp(&a) } else { a.total_cmp(&b) })
        });
        order
    }
}

/// What a method is called on the page.
fn name_of(loaded: &Loaded, method: &str) -> String {
    if let Some(set) = loaded.sets.iter().find(|set| set.key == method) {
        return words::set_label(set);
    }
    match Fusion::named(method) {
        Some((fusion, Some(checkpoint))) => {
            format!("{}, {}", words::fusion_label(fusion), checkpoint.name())
        }
        _ => method.to_owned(),
    }
}

/// The settings of the zoo's own truth.
fn settings(store: Store) -> Vec<String> {
    store.loaded.with(|loaded| {
        let matrices = loaded.iter().flat_map(|loaded| loaded.zoo.transfer());
        matrices.map(|matrix| matrix.setting.clone()).collect()
    })
}

/// The setting that is judged by: the wish, or else the zoo's with the most targets, or the
/// visitor's own.
fn setting(store: Store, own: Own) -> Option<String> {
    let (known, has_own) = (settings(store), own.truth.with(|truth| !truth.is_empty()));
    let wish = store.view.with(|view| view.truth.clone());
    let is_there = |wish: &String| (wish == OWN && has_own) || known.contains(wish);
    wish.filter(is_there).or_else(|| {
        let widest = |loaded: &Arc<Loaded>| Some(loaded.zoo.widest_transfer()?.setting.clone());
        let widest = store.loaded.with(|loaded| loaded.as_ref().and_then(widest));
        widest.or_else(|| has_own.then(|| OWN.to_owned()))
    })
}

#[component]
fn WithZoo() -> impl IntoView {
    let store = expect_context::<Store>();
    let own = expect_context::<Own>();
    let lab = Lab {
        figures: RwSignal::new(None),
        busy: RwSignal::new(false),
        gauge: Memo::new(move |_| store.view.with(|view| Gauge::named(view.measure.as_deref()))),
        relevance: Memo::new(move |_| {
            let (relevance, measure) =
                store.view.with(|view| (view.relevance.clone(), view.measure.clone()));
            Named(verdict::relevance(relevance.as_deref(), measure.as_deref()))
        }),
    };
    provide_context(lab);
    work(store, own, lab);
    let has_truth = Memo::new(move |_| setting(store, own).is_some());
    let has_figures = Memo::new(move |_| lab.figures.with(Option::is_some));
    view! {
        <div aria-busy=move || lab.busy.get().to_string() data-testid="lab">
            <Show when=move || has_truth.get() fallback=|| view! { <NoTruth /> }>
                <section class="controls" aria-label="What is judged, and how">
                    <TruthSwitch />
                    <SimilaritySwitch />
                    <GaugeSwitch />
                    <RelevanceSwitch />
                </section>
                <Show
                    when=move || has_figures.get()
                    fallback=|| {
                        view! {
                            <div class="skeleton" role="status" aria-label="Judging the rankings">
                                <div class="ghost ghost-plot"></div>
                            </div>
                        }
                    }
                >
                    <chart::Chart />
                    <InTurn place=1 fallback=|| view! { <div class="in-turn"></div> }>
                        <pair::Pair />
                        <pair::EarlyAndLate />
                    </InTurn>
                    <InTurn place=2 fallback=|| view! { <div class="in-turn"></div> }>
                        <table::Figures />
                        <LeftOut />
                    </InTurn>
                </Show>
            </Show>
            <own::OwnTables />
            <CopyLink />
        </div>
    }
}

/// Judges anew whenever something else would come out.
fn work(store: Store, own: Own, lab: Lab) {
    let turn = StoredValue::new(0_u64);
    // Of a large file, the sets come one after the other.
    let zoo =
        Memo::new(move |_| store.loaded.with(|l| l.as_ref().map(|l| (l.sha256.clone(), l.whole))));
    let similarity = Memo::new(move |_| store.view.with(|view| view.similarity.clone()));
    let setting = Memo::new(move |_| setting(store, own));
    Effect::new(move |_| {
        zoo.track();
        let (similarity, setting) = (similarity.get(), setting.get());
        let tables = own.scores.get();
        let own_truth = own.truth.get();
        turn.update_value(|turn| *turn += 1);
        let own_turn = turn.get_value();
        let Some((loaded, setting)) = store.loaded.get_untracked().zip(setting) else {
            lab.figures.set(None);
            return;
        };
        // A row is chosen by its name: no table can have a method's.
        let methods: Vec<String> = loaded.methods().into_iter().map(|(method, _)| method).collect();
        let named = |name: &String| match methods.contains(name) {
            true => format!("{name} (your table)"),
            false => name.clone(),
        };
        let tables: Vec<_> =
            tables.iter().map(|t| ScoreTable::of_matrix(&named(&t.name), &t.cells)).collect();
        let truth = if setting == OWN {
            let matrices: Vec<TransferMatrix> = own_truth.into_iter().map(|t| t.cells).collect();
            match &matrices[..] {
                // A file of `tupate transfer` has its seeds in it.
                [one] => Some(one.clone()),
                seeds => TransferMatrix::of_seeds(seeds),
            }
        } else {
            loaded.zoo.transfer().iter().find(|matrix| matrix.setting == setting).cloned()
        };
        let Some(truth) = truth else { return };
        lab.busy.set(true);
        if !loaded.whole {
            return;
        }
        leptos::task::spawn_local(async move {
            let breather = Breather::new(move || turn.try_get_value() == Some(own_turn));
            // A similarity that is not there is refused by the ranking page.
            let similarity = choose_similarity(similarity.as_deref()).unwrap_or(&SIMILARITIES[0]);
            let pause = async || breather.pause().await;
            let rows = judge(&loaded.zoo, &tables, &truth, similarity, SEED, &pause).await;
            if turn.try_get_value() != Some(own_turn) {
                return;
            }
            let name = |row: &Row| match row.is_table {
                true => words::table_label(&row.method),
                false => name_of(&loaded, &row.method),
            };
            lab.figures.set(Some(Arc::new(Figures {
                names: rows.iter().map(name).collect(),
                rows,
                setting: if setting == OWN { "your own tables".into() } else { setting },
            })));
            lab.busy.set(false);
        });
    });
}

#[component]
fn TruthSwitch() -> impl IntoView {
    let store = expect_context::<Store>();
    let own = expect_context::<Own>();
    let entries = Memo::new(move |_| {
        let known = settings(store).into_iter().map(|setting| (setting.clone(), setting));
        let has_own = own.truth.with(|truth| !truth.is_empty());
        known.chain(has_own.then(|| (OWN.to_owned(), "Your own".to_owned()))).collect::<Vec<_>>()
    });
    let chosen = Signal::derive(move || setting(store, own));
    let describe = Signal::derive(move || match chosen.get().as_deref() {
        Some(OWN) => {
            let seeds = own.truth.with(|tables| match &tables[..] {
                [one] => one.cells.seeds.len(),
                several => several.len(),
            });
            format!("Your own measurements; {}.", words::counted(seeds as u64, "seed"))
        }
        chosen => store.loaded.with(|loaded| {
            let mut known = loaded.iter().flat_map(|loaded| loaded.zoo.transfer());
            let truth = known.find(|matrix| Some(&*matrix.setting) == chosen);
            let seeds = truth.map_or_else(String::new, words::seeds_of);
            let setting = words::setting(chosen.unwrap_or_default());
            format!("Transfer that was measured, in the zoo's file; {seeds}{setting}.")
        }),
    });
    let choose = Callback::new(move |setting| store.adjust(|view| view.truth = Some(setting)));
    move || {
        let entries = entries.get();
        view! { <Switch name="truth" legend="Truth" entries chosen choose describe /> }
    }
}

#[component]
fn GaugeSwitch() -> impl IntoView {
    let store = expect_context::<Store>();
    let lab = expect_context::<Lab>();
    let entries = GAUGES.iter().map(|gauge| (gauge.name.into(), gauge.label.into())).collect();
    let chosen = Signal::derive(move || Some(lab.gauge.get().name.to_owned()));
    let describe = Signal::derive(move || lab.gauge.get().describe.to_owned());
    let choose = Callback::new(move |name: String| {
        let relevance = lab.relevance.get_untracked().0.name();
        store.adjust(|view| {
            view.measure = Some(if name == "ndcg" { format!("ndcg.{relevance}") } else { name });
            view.relevance = Some(relevance.to_owned());
        });
    });
    view! { <Switch name="measure" legend="Measure" entries chosen choose describe /> }
}

#[component]
fn RelevanceSwitch() -> impl IntoView {
    let store = expect_context::<Store>();
    let lab = expect_context::<Lab>();
    let entries =
        Relevance::ALL.map(|r| (r.name().to_owned(), words::similarity_label(r.name()))).to_vec();
    let chosen = Signal::derive(move || Some(lab.relevance.get().0.name().to_owned()));
    let describe = Signal::derive(move || verdict::describe(lab.relevance.get().0).to_owned());
    let choose = Callback::new(move |name: String| {
        store.adjust(|view| {
            let ndcg = view.measure.as_ref().is_none_or(|measure| measure.starts_with("ndcg."));
            if ndcg {
                view.measure = Some(format!("ndcg.{name}"));
            }
            view.relevance = Some(name);
        });
    });
    view! { <Switch name="relevance" legend="Relevance in NDCG" entries chosen choose describe /> }
}

#[component]
fn NoTruth() -> impl IntoView {
    view! {
        <section class="card no-truth" data-testid="no-truth">
            <h2>"This zoo carries no measured transfer"</h2>
            <p>
                "To judge its rankings takes a table of what each source did to each target. Paste or drop one below: it is read in this browser and goes nowhere. To make one, fine-tune on every pair of tasks, and put it into the zoo:"
            </p>
            <pre tabindex="0" role="region" aria-label="Commands">
                <code>
                    "tupate transfer --sources A,B,C --targets A,B,C --data data/ \\\n    --setting limited-limited --out sweep\ntupate zoo pack runs/* --truth sweep/transfer.json --out my.safetensors"
                </code>
            </pre>
        </section>
    }
}

/// What of the truth could not be judged.
#[component]
fn LeftOut() -> impl IntoView {
    let lab = expect_context::<Lab>();
    move || {
        let figures = lab.figures.get()?;
        let lists = |row: &Row| {
            let report = row.report.as_ref().ok()?;
            let parts = [
                ("sources without an embedding", &report.without_vector),
                ("targets without an embedding", &report.targets_without_vector),
                ("targets with fewer than two sources", &report.targets_without_sources),
            ];
            let said = parts.iter().filter(|(_, names)| !names.is_empty());
            let said = said
                .map(|(what, names)| format!("{what}: {}", words::clipped(&names.join(", "), 200)));
            Some(said.collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty())
        };
        let mut told: Vec<(String, Vec<&str>)> = Vec::new();
        for (row, name) in figures.rows.iter().zip(&figures.names) {
            let Some(text) = lists(row) else { continue };
            match told.iter_mut().find(|(other, _)| *other == text) {
                Some((_, names)) => names.push(name),
                None => told.push((text, vec![name])),
            }
        }
        let all = figures.rows.len();
        let lines = told.into_iter().map(|(text, names)| {
            let who = if names.len() == all {
                "Left out".into()
            } else {
                format!("Left out for {}", names.join(", "))
            };
            view! { <p class="hint">{format!("{who}: {text}.")}</p> }
        });
        Some(view! { <div class="left-out" data-testid="left-out">{lines.collect_view()}</div> })
    }
}
