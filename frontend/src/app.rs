//! The frame around every page: header, navigation, footer.

use crate::components::theme::ThemeToggle;
use crate::pages::{PAGES, Page};
use crate::platform;
use crate::state::Store;
use leptos::prelude::*;

/// The whole page.
#[component]
pub fn App() -> impl IntoView {
    let store = Store::new();
    provide_context(store);
    store.start();

    let page = RwSignal::new(Page::in_query(&platform::query()));
    window_event_listener(leptos::ev::popstate, move |_| {
        page.set(Page::in_query(&platform::query()));
    });

    // Scripts that drive the page wait for this mark.
    Effect::new(move |_| {
        let ready = store.is_ready();
        leptos::task::spawn_local(async move {
            platform::sleep(0).await;
            if ready == store.is_ready_untracked() {
                platform::mark_document("data-ready", ready.then_some("true"));
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
            "Skip to the ranking"
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
                        view! {
                            <a
                                href=entry.address()
                                aria-current=move || (page.get().slug == entry.slug).then_some("page")
                                on:click=move |event| {
                                    // A new tab or window is the browser's affair.
                                    if event.ctrl_key() || event.meta_key() || event.shift_key() {
                                        return;
                                    }
                                    event.prevent_default();
                                    let fragment = platform::fragment();
                                    platform::set_address(&(entry.address() + &fragment), true);
                                    page.set(entry);
                                }
                            >
                                {entry.nav}
                            </a>
                        }
                    })
                    .collect_view()}
            </nav>
            <ThemeToggle />
        </header>
        <main id="main" tabindex="-1">
            {move || (page.get().view)()}
        </main>
        <footer class="bottom">
            <p>
                {version}
                ". Ranked in this browser; nothing is uploaded. The method is that of Zhou, Xu and McAuley, "
                <a href="https://arxiv.org/abs/2210.11705" rel="noreferrer">
                    "Efficiently Tuned Parameters are Task Embeddings"
                </a> " (EMNLP 2022)."
            </p>
        </footer>
    }
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
