//! The first rows of a file, with what each column is for.

use super::preview::{ROLES, Roles, SHOWN, Table, assign};
use crate::words;
use leptos::prelude::*;
use tupate_tasks::columns::Role;

/// A cell longer than this is cut.
const CELL: usize = 90;
/// Labels that are named.
const LABELS: usize = 8;

/// The table, whose heads say and choose what a column is for.
#[component]
pub fn Rows(table: Table, roles: RwSignal<Roles>) -> impl IntoView {
    let guessed = table.guess();
    let heads = table.names.iter().enumerate().map(|(at, name)| {
        let name = if name.is_empty() { format!("column {}", at + 1) } else { name.clone() };
        let chosen = move || roles.with(|roles| roles.get(at).copied().flatten());
        let value = move || chosen().map_or_else(String::new, |role| role.to_string());
        let label = format!("What the column {name} is for");
        view! {
            <th scope="col" class:used=move || chosen().is_some()>
                <span class="column-name">{words::clipped(&name, 40)}</span>
                <select
                    aria-label=label
                    data-testid=format!("role-{at}")
                    prop:value=value
                    on:change=move |event| {
                        let word = event_target_value(&event);
                        let role = ROLES.iter().map(|(role, _)| *role);
                        let role = role.clone().find(|role| role.to_string() == word);
                        roles.update(|roles| assign(roles, at, role));
                    }
                >
                    <option value="" selected=move || chosen().is_none()>
                        "not used"
                    </option>
                    {ROLES
                        .iter()
                        .map(|(role, word)| {
                            view! {
                                <option
                                    value=role.to_string()
                                    selected=move || chosen() == Some(*role)
                                >
                                    {*word}
                                </option>
                            }
                        })
                        .collect_view()}
                </select>
            </th>
        }
    });
    let heads = heads.collect_view();
    let rows = table.rows.iter().take(SHOWN).map(|row| {
        let cells = row.iter().enumerate().map(|(at, cell)| {
            let used = move || roles.with(|roles| roles.get(at).is_some_and(Option::is_some));
            view! { <td class:used=used>{words::clipped(cell, CELL)}</td> }
        });
        view! { <tr>{cells.collect_view()}</tr> }
    });
    let rows = rows.collect_view();
    let found = match table.whole {
        true => words::counted(table.rows.len() as u64, "row"),
        false => format!("{} and more", words::counted(table.rows.len() as u64, "row")),
    };
    let how = move || match roles.with(|roles| *roles == guessed) {
        true if guessed.iter().all(Option::is_none) => {
            "The columns’ names do not say what they are for: choose it above them."
        }
        true => "Guessed from the columns’ names; change it where it is wrong.",
        false => "As you say.",
    };
    view! {
        <div class="rows">
            <div class="sheet" tabindex="0" role="region" aria-label="First rows of the file">
                <table>
                    <thead>
                        <tr>{heads}</tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            <p class="hint">{found} ". " {how}</p>
            <p class="hint classes" data-testid="labels">
                {move || labels(&table, roles)}
            </p>
        </div>
    }
}

fn labels(table: &Table, roles: RwSignal<Roles>) -> String {
    let Some((counts, numbers)) = roles.with(|roles| table.labels(roles)) else {
        let used = |role| roles.with(|roles| roles.contains(&Some(role)));
        return match used(Role::Score) {
            true => "A number is predicted.".into(),
            false => String::new(),
        };
    };
    if numbers {
        return "Nearly every label is another number: is it a number to predict?".into();
    }
    let named = counts.iter().take(LABELS);
    let named = named.map(|(label, n)| format!("{} {n}", words::clipped(label, 30)));
    let mut text = format!("Labels: {}", named.collect::<Vec<_>>().join(" · "));
    if let Some(more) = counts.len().checked_sub(LABELS).filter(|more| *more > 0) {
        text.push_str(&format!(" · {more} more"));
    }
    text
}
