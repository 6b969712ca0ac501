//! The visitor's own tables: measured transfer, or the scores of a method.

use crate::components::files::FileButton;
use crate::platform::{self, Cancel, LocalFile};
use crate::state::Store;
use crate::words;
use leptos::prelude::*;
use tupate_zoo::TransferMatrix;

/// The largest table that is read.
const LARGEST: u64 = 16 << 20;

/// A table that was read.
#[derive(Clone)]
pub struct Table {
    /// Its file's name.
    pub name: String,
    /// A row a target, a column a source.
    pub cells: TransferMatrix,
    /// Whether it is measured transfer with all its seeds, and no seed among others.
    is_whole: bool,
}

/// The tables, for as long as the page is open. Copied freely: it holds handles only.
#[derive(Clone, Copy)]
pub struct Own {
    /// Measured transfer, a table a seed.
    pub truth: RwSignal<Vec<Table>>,
    /// Scores, a table a method.
    pub scores: RwSignal<Vec<Table>>,
    /// Whether the next table holds scores of a method.
    are_scores: RwSignal<bool>,
    /// Why a table could not be read.
    failure: RwSignal<Option<String>>,
    count: StoredValue<u32>,
}

impl Default for Own {
    fn default() -> Self {
        Self {
            truth: RwSignal::new(Vec::new()),
            scores: RwSignal::new(Vec::new()),
            are_scores: RwSignal::new(false),
            failure: RwSignal::new(None),
            count: StoredValue::new(0),
        }
    }
}

impl Own {
    /// Takes a file that was chosen or dropped.
    pub fn read(self, file: LocalFile) {
        let name = file.name();
        if file.size() > LARGEST {
            let limit = words::size(LARGEST);
            let found = words::size(file.size());
            return self
                .fail(&name, &format!("it has {found}; tables of at most {limit} are read"));
        }
        leptos::task::spawn_local(async move {
            let Some(cancel) = Cancel::new() else { return };
            match file.read(&cancel, |_| ()).await {
                Ok(bytes) => self.take(&name, &bytes),
                Err(_) => self.fail(&name, "this device could not read it"),
            }
        });
    }

    /// Takes what was pasted; whether it was a table.
    fn paste(self, text: &str) -> bool {
        self.count.update_value(|count| *count += 1);
        self.take(&format!("Pasted table {}", self.count.get_value()), text.as_bytes());
        self.failure.with_untracked(Option::is_none)
    }

    fn take(self, name: &str, bytes: &[u8]) {
        match table(bytes) {
            Ok((cells, is_whole)) => {
                let name = name.trim_end_matches(".csv").trim_end_matches(".json").to_owned();
                let scores = self.are_scores.get_untracked() && !is_whole;
                let list = if scores { self.scores } else { self.truth };
                let others = |tables: &Vec<Table>| {
                    let others = tables.iter().filter(|table| table.name != name);
                    others.map(|table| table.is_whole || is_whole).collect::<Vec<_>>()
                };
                if !scores && list.with_untracked(others).contains(&true) {
                    return self.fail(
                        &name,
                        "a transfer.json holds all its seeds and stands alone; remove the other \
                         tables of measured transfer first",
                    );
                }
                self.failure.set(None);
                list.update(|list| {
                    // The same file again is a newer state of it.
                    list.retain(|table| table.name != name);
                    list.push(Table { name, cells, is_whole });
                });
            }
            Err(why) => self.fail(name, &why),
        }
    }

    fn fail(self, name: &str, why: &str) {
        self.failure.set(Some(format!("{}: {why}.", words::clipped(name, 80))));
    }
}

/// A table, and whether it is a whole truth: CSV is a seed, or scores; the JSON that `tupate
/// transfer` leaves behind is measured transfer with all its seeds.
fn table(bytes: &[u8]) -> Result<(TransferMatrix, bool), String> {
    if bytes.trim_ascii_start().starts_with(b"{") {
        let matrix: TransferMatrix = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        matrix.check().map_err(|e| e.to_string())?;
        return Ok((matrix, true));
    }
    let matrix = TransferMatrix::from_csv(bytes, "own", "each target's own");
    Ok((matrix.map_err(|e| e.to_string())?, false))
}

/// Where tables are pasted, chosen, and taken away again.
#[component]
pub fn OwnTables() -> impl IntoView {
    let store = expect_context::<Store>();
    let own = expect_context::<Own>();
    let typed = RwSignal::new(String::new());
    let show = move || {
        if !own.are_scores.get_untracked() {
            store.adjust(|view| view.truth = Some(super::OWN.into()));
        }
    };
    let kind = move |scores: bool, hook: &'static str, label: &'static str| {
        view! {
            <label>
                <input
                    type="radio"
                    name="own-kind"
                    data-testid=hook
                    prop:checked=move || own.are_scores.get() == scores
                    on:change=move |_| own.are_scores.set(scores)
                />
                <span>{label}</span>
            </label>
        }
    };
    let example = move || match own.are_scores.get() {
        false => "target,no-transfer,mnli,qqp\nrte,0.62,0.71,0.65\nmrpc,0.80,0.82,0.85",
        true => "target,mnli,qqp\nrte,393000,364000\nmrpc,393000,364000",
    };
    let explain = move || match own.are_scores.get() {
        false => {
            "A line a target, a column a source, cells the target's score after training on the source first; blank what was not run. A column no-transfer has the score without. A further table counts as another seed."
        }
        true => {
            "A line a target, a column a source, greater is closer: what tupate baseline writes. The table is judged as one more method."
        }
    };
    view! {
        <section class="own card" aria-labelledby="own-head">
            <h2 id="own-head" tabindex="-1">
                "Your own tables"
            </h2>
            <fieldset class="switch">
                <legend>"What the table holds"</legend>
                <div class="segments">
                    {kind(false, "own-truth", "Measured transfer")}
                    {kind(true, "own-scores", "Scores of a method")}
                </div>
                <p class="hint">{explain}</p>
            </fieldset>
            <label class="paste" for="own-table">
                "Paste it as CSV"
            </label>
            <textarea
                id="own-table"
                data-testid="own-table"
                rows="4"
                spellcheck="false"
                autocapitalize="none"
                placeholder=example
                prop:value=move || typed.get()
                aria-describedby="own-failure"
                aria-invalid=move || own.failure.with(Option::is_some).to_string()
                on:input=move |event| typed.set(event_target_value(&event))
            ></textarea>
            <div class="own-actions">
                <button
                    type="button"
                    data-testid="own-read"
                    on:click=move |_| {
                        if own.paste(&typed.get_untracked()) {
                            typed.set(String::new());
                            show();
                        }
                    }
                >
                    "Read the table"
                </button>
                <FileButton
                    id="own-file"
                    label="Open a file…"
                    accept=".csv,.json"
                    several=true
                    take=move |_, files| {
                        for file in files {
                            own.read(file);
                            show();
                        }
                    }
                />
                <span class="hint">
                    "or drop it on the page. It is read in this browser, and no link holds it."
                </span>
            </div>
            <p class="own-failure" id="own-failure" role="alert" data-testid="own-failure">
                {move || own.failure.get()}
            </p>
            <Listed title="Measured transfer" tables=own.truth />
            <Listed title="Scores of methods" tables=own.scores />
        </section>
    }
}

#[component]
fn Listed(title: &'static str, tables: RwSignal<Vec<Table>>) -> impl IntoView {
    let rows = move || {
        let row = |table: Table| {
            let size = format!(
                "{} × {}",
                words::counted(table.cells.targets.len() as u64, "target"),
                words::counted(table.cells.sources.len() as u64, "source")
            );
            let name = table.name.clone();
            let remove = move |_| {
                tables.update(|list| list.retain(|other| other.name != name));
                platform::focus("own-head");
            };
            view! {
                <li>
                    <span>{table.name.clone()}</span>
                    <span class="hint">{size}</span>
                    <button type="button" class="quiet" aria-label=format!("Remove {}", table.name) on:click=remove>
                        "Remove"
                    </button>
                </li>
            }
        };
        tables.get().into_iter().map(row).collect_view()
    };
    view! {
        <Show when=move || tables.with(|list| !list.is_empty())>
            <h3>{title}</h3>
            <ul class="own-list" data-testid="own-list">
                {rows}
            </ul>
        </Show>
    }
}
