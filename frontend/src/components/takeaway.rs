//! Buttons that save the ranking.

use crate::answer::{Answer, Loaded};
use crate::export::{self, File};
use crate::platform;
use crate::state::Store;
use leptos::prelude::*;

/// What becomes of a ranking.
type Make = fn(&Loaded, &Answer) -> File;

/// A file for each purpose.
const FILES: &[(&str, &str, Make)] = &[
    ("csv", "CSV", export::csv),
    ("json", "JSON", export::json),
    ("table", "LaTeX table", export::table),
    ("svg", "SVG", |loaded, answer| export::picture(loaded, answer).file),
];

/// The buttons.
#[component]
pub fn Takeaway() -> impl IntoView {
    let store = expect_context::<Store>();
    let failed = RwSignal::new(false);
    let now = move || {
        let loaded = store.loaded.get_untracked()?;
        let answer = store.answer.get_untracked()?.ok()?;
        Some((loaded, answer))
    };
    let save = move |make: Make| {
        if let Some((loaded, answer)) = now() {
            let file = make(&loaded, &answer);
            failed.set(!platform::download(&file.name, file.kind, file.text.as_bytes()));
        }
    };
    let save_png = move |_| {
        leptos::task::spawn_local(async move {
            let Some((loaded, answer)) = now() else { return };
            let picture = export::picture(&loaded, &answer);
            let png = platform::png_of(&picture.file.text, picture.width, picture.height).await;
            let name = picture.file.name.replace(".svg", ".png");
            let done = png.is_some_and(|png| platform::download(&name, "image/png", &png));
            failed.set(!done);
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
            <Show when=move || failed.get()>
                <span class="weak" role="alert">
                    "This browser did not save the file."
                </span>
            </Show>
        </div>
    }
}
