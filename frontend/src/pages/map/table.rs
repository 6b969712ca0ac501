//! The map in words: a table for those who cannot see pictures, and for copying.

use super::Scene;
use crate::words;
use leptos::prelude::*;

/// Neighbours of each task that are listed.
const LISTED: usize = 3;

/// The table, made when it is opened.
#[component]
pub fn Table() -> impl IntoView {
    let scene = expect_context::<Scene>();
    let open = RwSignal::new(false);
    let rows = move || {
        let shown = scene.map()?;
        let row = |task: usize| {
            let nearest = shown.map.nearest(task);
            let nearest = nearest.iter().take(LISTED).map(|other| {
                let similarity = words::score(shown.map.similarities.at(task, *other));
                format!("{} {similarity}", shown.names[*other])
            });
            let farthest = shown.map.nearest(task).last().map(|other| {
                let similarity = words::score(shown.map.similarities.at(task, *other));
                format!("{} {similarity}", shown.names[*other])
            });
            view! {
                <tr>
                    <th scope="row">{shown.names[task].clone()}</th>
                    <td>{shown.classes[task].name()}</td>
                    <td>{nearest.collect::<Vec<_>>().join(", ")}</td>
                    <td>{farthest}</td>
                </tr>
            }
        };
        Some((0..shown.len()).map(row).collect_view())
    };
    view! {
        <details class="as-table" on:toggle=move |_| open.update(|open| *open = !*open)>
            <summary data-testid="as-table">"The same as a table"</summary>
            <Show when=move || open.get()>
                <div class="scroll" tabindex="0" role="region" aria-label="The map as a table">
                    <table>
                        <caption class="hidden">
                            "Tasks in the order of the heatmap, alike ones side by side"
                        </caption>
                        <thead>
                            <tr>
                                <th scope="col">"Task"</th>
                                <th scope="col">"Class"</th>
                                <th scope="col">"Nearest"</th>
                                <th scope="col">"Farthest"</th>
                            </tr>
                        </thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            </Show>
        </details>
    }
}
