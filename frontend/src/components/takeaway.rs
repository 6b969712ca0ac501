//! Buttons that save the ranking.

use crate::answer::{Answer, Loaded};
use crate::export::{Exports, File};
use crate::platform::{self, pictures};
use crate::state::Store;
use leptos::prelude::*;

/// What becomes of a ranking.
type Make = fn(&Exports, &Loaded, &Answer) -> File;

/// A file for each purpose.
const FILES: &[(&str, &str, Make)] = &[
    ("csv", "CSV", |exports, loaded, answer| (exports.csv)(loaded, answer)),
    ("json", "JSON", |exports, loaded, answer| (exports.json)(loaded, answer)),
    ("table", "LaTeX table", |exports, loaded, answer| (exports.table)(loaded, answer)),
    ("svg", "SVG", |exports, loaded, answer| (exports.picture)(loaded, answer).file),
];

/// Why nothing was saved.
const REFUSED: &str = "This browser did not save the file.";
const NOT_HERE: &str = "What makes the file could not be loaded. Try again with a network.";

/// The buttons.
#[component]
pub fn Takeaway() -> impl IntoView {
    let store = expect_context::<Store>();
    let failed = RwSignal::new(None::<&'static str>);
    let now = move || {
        let loaded = store.loaded.get_untracked()?;
        let answer = store.answer.get_untracked()?.ok()?;
        Some((loaded, answer))
    };
    let save = move |make: Make| {
        leptos::task::spawn_local(async move {
            // What is shown when the button is pressed, whatever happens meanwhile.
            let Some((loaded, answer)) = now() else { return };
            let Some(exports) = (store.later.exports)().await else {
                failed.try_set(Some(NOT_HERE));
                return;
            };
            let file = make(exports, &loaded, &answer);
            let done = platform::download(&file.name, file.kind, file.text.as_bytes());
            failed.try_set((!done).then_some(REFUSED));
        });
    };
    let save_png = move |_| {
        leptos::task::spawn_local(async move {
            let Some((loaded, answer)) = now() else { return };
            let Some(exports) = (store.later.exports)().await else {
                failed.try_set(Some(NOT_HERE));
                return;
            };
            let picture = (exports.picture)(&loaded, &answer);
            let name = picture.file.name.trim_end_matches(".svg");
            let drawn = (picture.file.text, [picture.width, picture.height]);
            let done = pictures::save_png(&drawn, name).await;
            failed.try_set((!done).then_some(REFUSED));
        });
    };
    let files = FILES.iter().map(|(hook, label, make)| {
        let make = *make;
        view! {
            <button
                type="button"
                class="quiet"
                data-testid=format!("save-{hook}")
                on:click=move |_| save(make)
            >
                {*label}
            </button>
        }
    });
    view! {
        <div class="takeaway" role="group" aria-label="Save this ranking">
            <span class="hint">"Save as"</span>
            {files.collect_view()}
            <button type="button" class="quiet" data-testid="save-png" on:click=save_png>
                "PNG"
            </button>
            {move || {
                failed
                    .get()
                    .map(|why| {
                        view! {
                            <span class="weak" role="alert">
                                {why}
                            </span>
                        }
                    })
            }}
        </div>
    }
}
