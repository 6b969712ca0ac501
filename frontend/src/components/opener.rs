//! Opening a zoo: one of the server's, by address, or from this device.

use super::files::FileButton;
use crate::failure::LARGEST_FILE;
use crate::pages::PageLink;
use crate::platform::{self, Dropped, LocalFile};
use crate::state::Store;
use crate::words;
use leptos::prelude::*;

/// The ways to open a zoo.
#[component]
pub fn Opener() -> impl IntoView {
    let store = expect_context::<Store>();
    let typed = RwSignal::new(String::new());
    view! {
        <ServerZoos />
        <form
            class="by-address"
            on:submit=move |event| {
                event.prevent_default();
                store.open_typed(&typed.get_untracked());
            }
        >
            <label for="zoo-address">"By address"</label>
            <div class="joined">
                <input
                    id="zoo-address"
                    data-testid="url-input"
                    type="text"
                    inputmode="url"
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    placeholder="https://…/zoo.safetensors"
                    prop:value=move || typed.get()
                    on:input=move |event| typed.set(event_target_value(&event))
                />
                <button type="submit" data-testid="url-open">
                    "Open"
                </button>
            </div>
        </form>
        <div class="by-file">
            <FileButton
                id="file-input"
                label="Open a file…"
                accept=".safetensors,.json"
                several=true
                take=move |folder, files| store.open_files(folder, files)
            />
            <p class="hint">
                "or drop it anywhere on the page. It stays on your device. At most "
                {words::size(LARGEST_FILE)} "."
            </p>
        </div>
    }
}

/// Leads to the zoos that this browser keeps, where there are any: without a network they are
/// all that can be opened.
#[component]
pub fn KeptZoos() -> impl IntoView {
    let store = expect_context::<Store>();
    let kept = Memo::new(move |_| store.library.with(Vec::len));
    view! {
        <Show when=move || { kept.get() > 0 }>
            <p data-testid="kept-zoos">
                "No zoo was found at this address. "
                {move || words::counted(kept.get() as u64, "zoo")}
                " that you opened before can be opened without a network, too: look into the "
                <PageLink slug="library">"library"</PageLink> "."
            </p>
        </Show>
    }
}

/// The zoos that the server lists, where there is more than the one shown.
#[component]
pub fn ServerZoos() -> impl IntoView {
    let store = expect_context::<Store>();
    let shown = Memo::new(move |_| {
        store.loaded.with(|l| l.as_ref().and_then(|l| l.origin.address().map(str::to_owned)))
    });
    move || {
        let zoos = store.server.with(|s| s.as_ref().map_or(Vec::new(), |s| s.zoos.clone()));
        let other = zoos.iter().any(|zoo| Some(&zoo.url) != shown.get().as_ref());
        other.then(|| {
            let rows = zoos.into_iter().map(|zoo| {
                let facts =
                    format!("{}, {}", words::counted(zoo.tasks, "task"), words::size(zoo.bytes));
                let (name, url) = (zoo.name.clone(), zoo.url.clone());
                let current = {
                    let url = url.clone();
                    move || (shown.get().as_ref() == Some(&url)).then_some("true")
                };
                view! {
                    <li>
                        <button
                            type="button"
                            data-testid="server-zoo"
                            data-url=url
                            aria-current=current
                            on:click=move |_| store.open_listed(zoo.clone())
                        >
                            <span>{name}</span>
                            <small>{facts}</small>
                        </button>
                    </li>
                }
            });
            view! {
                <h3 id="server-zoos">"On this server"</h3>
                <ul class="zoos" aria-labelledby="server-zoos">
                    {rows.collect_view()}
                </ul>
            }
        })
    }
}

/// Lets files be dropped anywhere on the page.
#[component]
pub fn DropZone(
    /// What becomes of tables; they are no zoos.
    #[prop(optional_no_strip)]
    tables: Option<Callback<LocalFile>>,
) -> impl IntoView {
    let store = expect_context::<Store>();
    let over = RwSignal::new(false);
    let handles = [
        window_event_listener(leptos::ev::dragover, move |event| {
            if platform::drags_files(&event) {
                event.prevent_default();
                over.set(true);
            }
        }),
        window_event_listener(leptos::ev::dragleave, move |event| {
            if platform::left_page(&event) {
                over.set(false);
            }
        }),
        window_event_listener(leptos::ev::drop, move |event| {
            over.set(false);
            if platform::drags_files(&event) {
                // Without this the browser leaves the page to show the file.
                event.prevent_default();
                let dropped = Dropped::of(&event);
                leptos::task::spawn_local(async move {
                    let (folder, files) = dropped.files().await;
                    match (tables, &files[..]) {
                        (Some(tables), [file]) if file.is_table() => tables.run(file.clone()),
                        _ => store.open_files(folder, files),
                    }
                });
            }
        }),
    ];
    on_cleanup(move || handles.into_iter().for_each(WindowListenerHandle::remove));
    view! {
        <Show when=move || over.get()>
            <div class="drop" aria-hidden="true">
                <p>
                    {match tables {
                        Some(_) => "Drop a table, or a zoo file",
                        None => "Drop a zoo file, or the folder of an adapter",
                    }}
                </p>
            </div>
        </Show>
    }
}

/// Ranking an adapter of the visitor's own.
#[component]
pub fn AdapterOpener() -> impl IntoView {
    let store = expect_context::<Store>();
    let take = move |folder, files| store.open_files(folder, files);
    view! {
        <p class="hint">
            "A PEFT, AdapterHub or BitFit folder: choose it, or its configuration and its .safetensors file, or drop it anywhere on the page. It is read in this tab; nothing is uploaded."
        </p>
        <div class="pair">
            <FileButton id="adapter-folder" label="Choose folder…" folder=true take=take />
            <FileButton
                id="adapter-files"
                label="Choose files…"
                accept=".safetensors,.json,.bin,.pt"
                several=true
                take=take
            />
        </div>
    }
}
