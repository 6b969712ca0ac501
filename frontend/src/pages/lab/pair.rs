//! Two methods against each other, and early against late, in sentences.

use super::{Figures, Lab};
use crate::platform::Breather;
use crate::state::Store;
use crate::verdict::{compared, early_or_late, holds};
use leptos::prelude::*;
use std::sync::Arc;
use tupate_metrics::Relevance;
use tupate_zoo::lab::{Verdict, early_and_late, measure, verdict};

/// The two that are compared, as places among the methods: the wish, and else the best
/// two by the measure.
fn chosen(store: Store, figures: &Figures, measure: usize) -> Option<[usize; 2]> {
    let wish = store.view.with(|view| view.pair.clone());
    let best = figures.best_first(measure);
    let wished = |at: usize| {
        let method = wish.get(at)?;
        let found = figures.rows.iter().position(|row| row.method == *method)?;
        figures.rows[found].report.is_ok().then_some(found)
    };
    let first = wished(0).or(best.first().copied())?;
    let second = wished(1).filter(|second| *second != first);
    let second = second.or_else(|| best.into_iter().find(|other| *other != first))?;
    Some([first, second])
}

/// What was found out about a pair.
#[derive(Clone)]
struct Found {
    pair: [usize; 2],
    by_measure: Option<Verdict>,
    by_relevance: Vec<(Relevance, Option<Verdict>)>,
}

fn between(figures: &Figures, [first, second]: [usize; 2], measure: usize) -> Option<Verdict> {
    let report = |at: usize| figures.rows[at].report.as_ref().ok();
    verdict(report(first)?, report(second)?, measure, super::SEED)
}

/// The comparison of two.
#[component]
pub fn Pair() -> impl IntoView {
    let store = expect_context::<Store>();
    let lab = expect_context::<Lab>();
    let pair = Memo::new(move |_| {
        let figures = lab.figures.get()?;
        chosen(store, &figures, lab.measure())
    });
    let found = RwSignal::new(None::<Found>);
    let turn = StoredValue::new(0_u64);
    Effect::new(move |_| {
        let (figures, pair, by) = (lab.figures.get(), pair.get(), lab.measure());
        turn.update_value(|turn| *turn += 1);
        let own = turn.get_value();
        let Some((figures, pair)) = figures.zip(pair) else { return found.set(None) };
        leptos::task::spawn_local(async move {
            let breather = Breather::new(move || turn.try_get_value() == Some(own));
            let by_measure = between(&figures, pair, by);
            let mut by_relevance = Vec::new();
            for relevance in Relevance::ALL {
                breather.pause().await;
                let of = measure(&format!("ndcg.{}", relevance.name()));
                by_relevance.push((relevance, of.and_then(|of| between(&figures, pair, of))));
            }
            if turn.try_get_value() == Some(own) {
                found.set(Some(Found { pair, by_measure, by_relevance }));
            }
        });
    });
    let sentence = move || {
        let (figures, found) = (lab.figures.get()?, found.get()?);
        let [first, second] = found.pair.map(|at| figures.names.get(at).cloned());
        let (first, second) = first.zip(second)?;
        let relevance = lab.relevance.get().0;
        Some((
            compared(&first, &second, lab.gauge.get(), relevance, found.by_measure),
            holds(&first, &second, &found.by_relevance),
        ))
    };
    let enough = Memo::new(move |_| pair.get().is_some());
    view! {
        <Show when=move || enough.get()>
            <section class="versus" aria-labelledby="pair-head">
                <h2 id="pair-head">"Is one better than the other?"</h2>
                <div class="versus-choice">
                    <Choice place=0 label="First method" pair />
                    <span aria-hidden="true">"against"</span>
                    <Choice place=1 label="Second method" pair />
                </div>
                <div aria-live="polite" aria-atomic="true">
                    <p class="conclusion" data-testid="compared">
                        {move || sentence().map(|(compared, _)| compared)}
                    </p>
                    <p data-testid="holds">{move || sentence().map(|(_, holds)| holds)}</p>
                </div>
                <p class="hint">
                    "Paired over the targets: a sign-flip permutation test, and a bootstrap interval of the mean difference. Several comparisons at once find differences by chance."
                </p>
            </section>
        </Show>
    }
}

#[component]
fn Choice(place: usize, label: &'static str, pair: Memo<Option<[usize; 2]>>) -> impl IntoView {
    let store = expect_context::<Store>();
    let lab = expect_context::<Lab>();
    let options = move || {
        let figures = lab.figures.get()?;
        let chosen = pair.get().map(|pair| pair[place]);
        let options = figures.rows.iter().zip(&figures.names).enumerate();
        let options =
            options.filter(|(_, (row, _))| row.report.is_ok()).map(|(at, (row, name))| {
                view! {
                    <option value=row.method.clone() selected=Some(at) == chosen>
                        {name.clone()}
                    </option>
                }
            });
        Some(options.collect_view())
    };
    let choose = move |event| {
        let method = event_target_value(&event);
        let Some((figures, now)) = lab.figures.get_untracked().zip(pair.get_untracked()) else {
            return;
        };
        let mut names = now.map(|at| figures.rows[at].method.clone());
        if names[1 - place] == method {
            // Chosen on both sides, the two change places.
            names.swap(0, 1);
        } else {
            names[place] = method;
        }
        store.adjust(|view| view.pair = names.into());
    };
    view! {
        <select
            aria-label=label
            data-testid=format!("pair-{place}")
            on:change=choose
        >
            {options}
        </select>
    }
}

/// Early embeddings against late ones of the same method.
#[component]
pub fn EarlyAndLate() -> impl IntoView {
    let lab = expect_context::<Lab>();
    let found = RwSignal::new(Vec::<(String, Option<Verdict>)>::new());
    let turn = StoredValue::new(0_u64);
    let pairs = |figures: &Arc<Figures>| {
        let methods: Vec<String> = figures.rows.iter().map(|row| row.method.clone()).collect();
        let judged = |[a, b]: &[usize; 2]| {
            [a, b]
                .iter()
                .all(|at| figures.rows[**at].report.is_ok() && !figures.rows[**at].is_table)
        };
        early_and_late(&methods).into_iter().filter(judged).collect::<Vec<_>>()
    };
    Effect::new(move |_| {
        let (figures, by) = (lab.figures.get(), lab.measure());
        turn.update_value(|turn| *turn += 1);
        let own = turn.get_value();
        let Some(figures) = figures else { return found.set(Vec::new()) };
        leptos::task::spawn_local(async move {
            let breather = Breather::new(move || turn.try_get_value() == Some(own));
            let mut all = Vec::new();
            for pair in pairs(&figures) {
                let name = figures.names[pair[0]].replace(", early", "");
                all.push((name, between(&figures, pair, by)));
                breather.pause().await;
            }
            if turn.try_get_value() == Some(own) {
                found.set(all);
            }
        });
    });
    let lines = move || {
        let (gauge, relevance) = (lab.gauge.get(), lab.relevance.get().0);
        let line = |(name, verdict): (String, Option<Verdict>)| {
            view! { <li>{early_or_late(&name, gauge, relevance, verdict)}</li> }
        };
        found.get().into_iter().map(line).collect_view()
    };
    view! {
        <Show when=move || found.with(|found| !found.is_empty())>
            <section class="versus" aria-labelledby="early-head" data-testid="early-and-late">
                <h2 id="early-head">"Is it worth tuning to the end?"</h2>
                <p>
                    {move || {
                        format!(
                            "Early embeddings are taken after two epochs, late ones at the best validation score. By {}, early minus late:",
                            lab.gauge.get().phrase(lab.relevance.get().0),
                        )
                    }}
                </p>
                <ul class="lines">{lines}</ul>
            </section>
        </Show>
    }
}
