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
        let first = figures.rows.iter().find_map(|row| row.report.as_ref().ok())?;
        let ends = [
            ("random order", "random", Some(&first.random)),
            ("one seed by the others", "ceiling", first.ceiling.as_ref()),
        ];
        let ends = ends.into_iter().filter_map(|(title, hook, values)| {
            let values = values?;
            let cells = columns.iter().map(|(_, measure)| {
                view! {
                    <td data-measure=MEASURES[*measure].name data-value=values[*measure].map(|v| v.to_string())>
                        {number(*measure, values[*measure])}
                    </td>
                }
            });
            Some(view! {
                <tr class="end" data-testid="figures-row" data-method=hook>
                    <th scope="row">{title}</th>
                    <td></td>
                    {cells.collect_view()}
                </tr>
            })
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
                "Figures are those of tupate evaluate, seed 0. The floor is exact: the mean over all orders. The ceiling is what one seed of the truth scores against the others."
            </p>
        </section>
    }
}
