//! The page of the zoos that this browser keeps.

use crate::answer::Origin;
use crate::components::messages::Messages;
use crate::components::opener::{DropZone, Opener};
use crate::library::Kept;
use crate::pages::Turn;
use crate::platform;
use crate::state::Store;
use crate::words;
use leptos::prelude::*;

/// How long what is being kept is waited for, in milliseconds.
const PATIENCE: i32 = 3000;

/// Draws the page.
pub fn draw() -> AnyView {
    view! { <LibraryPage /> }.into_any()
}

/// The page.
#[component]
pub fn LibraryPage() -> impl IntoView {
    let store = expect_context::<Store>();
    platform::set_title("Library · Tupate");
    // Now, and whenever the visitor comes back from another tab.
    let look = move || leptos::task::spawn_local(store.list());
    look();
    let focus = window_event_listener(leptos::ev::focus, move |_| look());
    on_cleanup(move || focus.remove());
    let total = move || {
        store.library.with(|library| {
            let bytes = library.iter().map(|kept| kept.bytes).sum();
            format!("{}, {}", words::counted(library.len() as u64, "zoo"), words::size(bytes))
        })
    };
    // Shown once it is known what is kept, or nothing of it would stay in its place. A zoo
    // that is not kept in time comes later.
    let coming = RwSignal::new(true);
    Effect::new(move |_| {
        if store.is_ready() && !store.is_being_kept() {
            coming.set(false);
        }
    });
    leptos::task::spawn_local(async move {
        platform::sleep(PATIENCE).await;
        let _ = coming.try_set(false);
    });
    let none = move || store.started.get() && store.library.with(Vec::is_empty);
    let some = move || store.library.with(|library| !library.is_empty());
    view! {
        <h1>"The zoos you opened"</h1>
        <Messages />
        <DropZone />
        <Show when=move || coming.get()>
            <div class="columns skeleton" role="status" aria-label="Looking what is kept">
                <div class="ghost ghost-chart"></div>
                <div class="ghost ghost-chart"></div>
            </div>
        </Show>
        <div class="columns" hidden=move || coming.get()>
            <section aria-labelledby="kept-head">
                <h2 id="kept-head" class="hidden" tabindex="-1">
                    "Kept in this browser"
                </h2>
                <Show when=some>
                    <p class="hint" data-testid="library-total">
                        {total}
                        " kept in this browser, for the next visit and without a network."
                    </p>
                </Show>
                {move || {
                    store
                        .not_kept
                        .get()
                        .map(|why| {
                            view! {
                                <p class="weak" role="alert">
                                    {format!(
                                        "The browser did not keep or remove a zoo ({why}). Its storage may be full: remove zoos that you no longer need.",
                                    )}
                                </p>
                            }
                        })
                }}
                <Show when=none>
                    <div class="card">
                        <h3>"Nothing is kept yet"</h3>
                        <p>
                            "Every zoo that you open is kept here, so that you can look at it again without a network. Some browsers keep nothing in private windows."
                        </p>
                    </div>
                </Show>
                <ul class="library">
                    <For
                        each=move || store.library.get()
                        key=|kept| (kept.sha256.clone(), kept.opened.to_bits())
                        let:kept
                    >
                        <Entry kept />
                    </For>
                </ul>
            </section>
            <aside>
                <section class="card" aria-labelledby="open-head">
                    <h2 id="open-head">"Open a zoo"</h2>
                    <Opener />
                </section>
            </aside>
        </div>
    }
}

/// One zoo.
#[component]
fn Entry(kept: Kept) -> impl IntoView {
    let store = expect_context::<Store>();
    let turn = expect_context::<Turn>();
    let said = RwSignal::new(String::new());
    let changed = RwSignal::new(false);
    let place = match &kept.origin {
        Origin::Server { url, .. } => format!("this server, {url}"),
        Origin::Url(url) => url.clone(),
        Origin::File(name) => format!("a file of this device, {name}"),
        Origin::Link(_) => "a link".into(),
    };
    let licences = match kept.licences.as_slice() {
        [] => "not stated".to_owned(),
        some => some.join("; "),
    };
    let (short, licences) = (words::clipped(&licences, 160), licences);
    let shown = {
        let sha256 = kept.sha256.clone();
        move || store.loaded.with(|l| l.as_ref().is_some_and(|l| l.sha256 == sha256))
    };
    let fetched = kept.origin.address().is_some();
    let label = |verb: &str| format!("{verb} {}", kept.name);
    let (open_label, check_label, remove_label) =
        (label("Rank with"), label("Check the address of"), label("Remove"));
    let open = {
        let kept = kept.clone();
        move |_| {
            store.open_kept(kept.clone());
            turn.to("");
        }
    };
    let renew = {
        let kept = kept.clone();
        move |_| {
            store.renew(&kept);
            turn.to("");
        }
    };
    let check = {
        let kept = kept.clone();
        move |_| {
            let kept = kept.clone();
            said.set("Asking…".into());
            leptos::task::spawn_local(async move {
                let answer = store.changed(&kept).await;
                let _ = changed.try_set(answer == Some(true));
                let _ = said.try_set(
                    match answer {
                        Some(true) => "The file there is another by now.",
                        Some(false) => "This is the file that is there.",
                        None => "The address does not answer, or does not say.",
                    }
                    .into(),
                );
            });
        }
    };
    let sha256 = kept.sha256.clone();
    view! {
        <li class="card" data-testid="kept" data-sha256=kept.sha256.clone()>
            <h3>
                {kept.name.clone()}
                <Show when=shown>
                    <span class="mark">"shown now"</span>
                </Show>
            </h3>
            <dl>
                <dt>"Tasks"</dt>
                <dd>{words::count(kept.tasks)}</dd>
                <dt>"File"</dt>
                <dd>{words::size(kept.bytes)}</dd>
                <dt>"From"</dt>
                <dd>{place}</dd>
                <dt>"sha256"</dt>
                <dd>
                    <code title=kept.sha256.clone()>{words::short_hash(&kept.sha256)}</code>
                </dd>
                <dt>"Licences of the data"</dt>
                <dd title=licences>{short}</dd>
                <dt>"Last opened"</dt>
                <dd>{platform::date(kept.opened)}</dd>
            </dl>
            <div class="actions">
                <button
                    type="button"
                    class="solid"
                    data-testid="kept-open"
                    aria-label=open_label
                    on:click=open
                >
                    "Rank with it"
                </button>
                {fetched
                    .then(|| {
                        view! {
                            <button
                                type="button"
                                data-testid="kept-check"
                                aria-label=check_label
                                on:click=check
                            >
                                "Check for a newer file"
                            </button>
                        }
                    })}
                <button
                    type="button"
                    class="quiet"
                    data-testid="kept-remove"
                    aria-label=remove_label
                    on:click=move |_| {
                        store.forget(sha256.clone());
                        platform::focus("kept-head");
                    }
                >
                    "Remove"
                </button>
            </div>
            <p class="hint" role="status" data-testid="kept-said">
                {move || said.get()}
            </p>
            <Show when=move || changed.get()>
                <button type="button" data-testid="kept-update" on:click=renew.clone()>
                    "Open the new file"
                </button>
            </Show>
        </li>
    }
}
