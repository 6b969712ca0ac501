//! The frame around every page: header, navigation, footer.

use crate::components::around::Surroundings;
use crate::components::arrival::{Arrival, Arriving};
use crate::components::theme::ThemeToggle;
use crate::later::Later;
use crate::pages::{PAGES, Page, PageLink, Turn, lab};
use crate::platform;
use crate::state::Store;
use leptos::prelude::*;

/// The version of the page is asked for at most once in so many milliseconds.
const ASK_AGAIN_MS: f64 = 60_000.0;

/// The whole page.
#[component]
pub fn App(
    /// What comes after the first view.
    later: Later,
) -> impl IntoView {
    let store = Store::new(later);
    provide_context(store);
    store.start();

    let page = RwSignal::new(Page::in_query(&platform::query()));
    provide_context(Turn(page));
    provide_context(lab::Own::default());
    let around = Surroundings::of(store);
    provide_context(around);
    window_event_listener(leptos::ev::popstate, move |_| {
        page.set(Page::in_query(&platform::query()));
    });

    let arrival = Arrival::of(page, later);
    let outdated = RwSignal::new(false);
    watch_version(outdated);
    let ready = move || store.is_ready() && arrival.is_over() && !around.are_coming();
    Effect::new(move |kept: Option<bool>| {
        let (kept, ready) = (kept.unwrap_or(false), ready());
        if ready && !kept {
            // Not before the first ranking: its files have the line to themselves.
            leptos::task::spawn_local(async move {
                if platform::keep_shell().await && platform::is_outdated().await == Some(true) {
                    outdated.set(true);
                }
            });
        }
        kept || ready
    });

    // Scripts that drive the page wait for this mark.
    Effect::new(move |_| {
        let ready_now = ready();
        leptos::task::spawn_local(async move {
            platform::sleep(0).await;
            if ready_now == untrack(ready) {
                platform::mark_document("data-ready", ready_now.then_some("true"));
            }
        });
    });

    let version = move || {
        store.server.with(|server| {
            server.as_ref().map_or_else(
                || concat!("Tupate ", env!("CARGO_PKG_VERSION")).to_owned(),
                |server| format!("Tupate {}", server.version),
            )
        })
    };
    view! {
        <a class="skip" href="#main" on:click=move |event| {
            // The address's fragment belongs to the view.
            event.prevent_default();
            platform::focus("main");
        }>
            "Skip to the content"
        </a>
        <header class="top">
            <a class="brand" href="./">
                <Logo />
                "Tupate"
            </a>
            <nav aria-label="Pages">
                {PAGES
                    .iter()
                    .map(|entry| {
                        view! { <PageLink slug=entry.slug>{entry.nav}</PageLink> }
                    })
                    .collect_view()}
            </nav>
            <ThemeToggle />
        </header>
        <Show when=move || outdated.get()>
            <section class="message note afloat outdated" role="status" data-testid="outdated">
                <p>"There is a newer version of this page. What you see stays until you reload."</p>
                <button type="button" on:click=|_| platform::reload()>
                    "Reload"
                </button>
            </section>
        </Show>
        <main id="main" tabindex="-1">
            <Arriving arrival />
        </main>
        <footer class="bottom">
            <p>
                {version}
                ". Ranked in this browser; zoos and adapters are uploaded nowhere. The method is that of Zhou, Xu and McAuley, "
                <a href="https://arxiv.org/abs/2210.11705" rel="noreferrer">
                    "Efficiently Tuned Parameters are Task Embeddings"
                </a> " (EMNLP 2022)."
            </p>
        </footer>
    }
}

/// Asks for another version of the page whenever the visitor comes back to it.
fn watch_version(outdated: RwSignal<bool>) {
    let asked = StoredValue::new(platform::now());
    window_event_listener(leptos::ev::focus, move |_| {
        let now = platform::now();
        if outdated.get_untracked() || now - asked.get_value() < ASK_AGAIN_MS {
            return;
        }
        asked.set_value(now);
        leptos::task::spawn_local(async move {
            if platform::is_outdated().await == Some(true) {
                outdated.set(true);
            }
        });
    });
}

/// Three bars of a ranking, the first one found.
#[component]
fn Logo() -> impl IntoView {
    view! {
        <svg class="logo" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
            <rect class="logo-first" x="2" y="4" width="20" height="4" rx="1" />
            <rect x="2" y="10" width="13" height="4" rx="1" />
            <rect x="2" y="16" width="8" height="4" rx="1" />
        </svg>
    }
}
