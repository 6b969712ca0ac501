//! The figures of every method as a table, and as a file.

use super::Lab;
use crate::pages::map::file_name;
use crate::platform;
use crate::state::Store;
use crate::verdict::{self, GAUGES};
use leptos::prelude::*;
use tupate_metrics::MEASURES;
use tupate_zoo::lab::to_csv;

/// The table.
#[component]
pub fn Figures() -> impl IntoView {
    let store = expect_context::<Store>();
    let lab = expect_context::<Lab>();
    let columns = move || {
        let relevance = lab.relevance.get().0;
        GAUGES.iter().map(|gauge| (gauge, gauge.measure(relevance))).collect::<Vec<_>>()
    };
    let head = move || {
        columns()
            .into_iter()
            .map(|(gauge, measure)| {
                let arrow = if MEASURES[measure].greater_is_better { "↑" } else { "↓" };
                let way = if MEASURES[measure].greater_is_better {
                    "greater is better"
                } else {
                    "smaller is better"
                };
                let label = match gauge.name {
                    "ndcg" => format!("NDCG {}", lab.relevance.get().0.name()),
                    _ => gauge.label.to_owned(),
                };
                view! {
                    <th scope="col">
                        {label} " " <span aria-hidden="true">{arrow}</span>
                        <span class="hidden">{way}</span>
                    </th>
                }
            })
            .collect_view()
    };
    let body = move || {
        let figures = lab.figures.get()?;
        let columns = columns();
        let number = |measure: usize, value: Option<f64>| {
            value.map_or_else(|| "–".to_owned(), |value| verdict::figure(measure, value))
        };
        let rows = figures.rows.iter().zip(&figures.names).filter_map(|(row, name)| {
            let report = row.report.as_ref().ok()?;
            let cells = columns.iter().map(|(_, measure)| {
                let interval = report.interval[*measure].map(|ends| verdict::ends(*measure, ends));
                view! {
                    <td
                        data-measure=MEASURES[*measure].name
                        data-value=report.mean[*measure].map(|value| value.to_string())
                        data-low=report.interval[*measure].map(|ends| ends[0].to_string())
                        data-high=report.interval[*measure].map(|ends| ends[1].to_string())
                    >
                        {number(*measure, report.mean[*measure])} <small>{interval}</small>
                    </td>
                }
            });
            Some(view! {
                <tr data-testid="figures-row" data-method=row.method.clone()>
                    <th scope="row">{name.clone()}</th>
                    <td>{report.targets.len().to_string()}</td>
                    {cells.collect_view()}
                </tr>
            })
        });
        let rows = rows.collect_view();
        // Methods judged by the same targets and sources share their ends.
        let widest = figures.widest(lab.measure())?;
        let all = widest.targets.len();
        let mut ends = vec![("random order", "random", all, &widest.random)];
        if let Some(ceiling) = &widest.ceiling {
            ends.push(("one seed by the others", "ceiling", ceiling.targets, &ceiling.mean));
            if ceiling.targets < all {
                let of_those = "random order of those";
                ends.push((of_those, "ceiling-random", ceiling.targets, &ceiling.random));
            }
        }
        let ends = ends.into_iter().map(|(title, hook, targets, values)| {
            let cells = columns.iter().map(|(_, measure)| {
                view! {
                    <td data-measure=MEASURES[*measure].name data-value=values[*measure].map(|v| v.to_string())>
                        {number(*measure, values[*measure])}
                    </td>
                }
            });
            view! {
                <tr class="end" data-testid="figures-row" data-method=hook>
                    <th scope="row">{title}</th>
                    <td>{targets.to_string()}</td>
                    {cells.collect_view()}
                </tr>
            }
        });
        Some((rows, ends.collect_view()))
    };
    let failed = RwSignal::new(false);
    let save = move |_| {
        if let Some(figures) = lab.figures.get_untracked() {
            let name = format!("{}.csv", file_name(store, "lab"));
            failed.set(!platform::download(&name, "text/csv", to_csv(&figures.rows).as_bytes()));
        }
    };
    view! {
        <section class="figures-table" aria-labelledby="figures-head">
            <div class="picture-head">
                <h2 id="figures-head">"All measures"</h2>
                <button type="button" class="tool" data-testid="save-csv" on:click=save>
                    "Save as CSV"
                </button>
            </div>
            <Show when=move || failed.get()>
                <p class="hint" role="alert">
                    "This browser does not save files. Select the table and copy it."
                </p>
            </Show>
            <div class="scroll" tabindex="0" role="group" aria-labelledby="figures-head">
                <table>
                    <caption class="hidden">
                        "Mean over targets, and below it the 95 % interval, of every method and measure"
                    </caption>
                    <thead>
                        <tr>
                            <th scope="col">"Method"</th>
                            <th scope="col">"Targets"</th>
                            {head}
                        </tr>
                    </thead>
                    <tbody>{body}</tbody>
                </table>
            </div>
            <p class="hint">
                "Figures are those of tupate evaluate, seed 0. The floor is exact: the mean over all orders. One seed by the others is what a further measurement would score, on the targets that have several. A mean is over the targets for which its measure is defined."
            </p>
        </section>
    }
}
