//! Runs on the server behind the page: put together, watched, published.

mod acts;
mod answers;
mod aside;
mod curves;
mod desk;
mod fields;
mod form;
mod landing;
mod outcome;
mod picture;
mod preview;
mod ranked;
mod rows;
mod run;
mod watched;

use crate::components::messages::{ErrorBox, Messages, Refusal};
use crate::components::opener::DropZone;
use crate::platform::{self, LocalFile};
use crate::state::Store;
use desk::{Desk, Found};
use form::Typed;
use leptos::prelude::*;

/// What makes a server that tunes, line by line.
const COMMANDS: [(&str, &str); 2] = [
    ("Make a token; it is shown this once:", "tupate token create --data state --name me"),
    ("Start the server, and open the address that it prints:", "tupate serve --data state"),
];

/// Draws the page.
pub fn draw() -> AnyView {
    view! { <TunePage /> }.into_any()
}

/// The page.
#[component]
pub fn TunePage() -> impl IntoView {
    let store = expect_context::<Store>();
    let desk = Desk::new();
    let typed = Typed::kept();
    let found = Memo::new(move |_| desk.found.get());
    Effect::new(move |_| {
        let run = desk.shown().map(|run| format!("{} · ", aside::name(&run)));
        platform::set_title(&format!("{}Tune · Tupate", run.unwrap_or_default()));
    });
    let take = move |file: LocalFile| match found.get_untracked() {
        Found::Here => {
            if desk.chosen.with_untracked(Option::is_some) {
                desk.choose(None);
            }
            typed.own.set(true);
            typed.take(desk, file);
        }
        _ => store.open_files(None, vec![file]),
    };
    view! {
        <h1>"Tune a task, and watch where it lands"</h1>
        <Messages />
        <DropZone tables=Some(Callback::new(take)) />
        {move || match found.get() {
            Found::Looking => view! { <Looking /> }.into_any(),
            Found::Nothing => view! { <Nobody /> }.into_any(),
            Found::Closed => {
                view! {
                    <div class="empty">
                        {move || desk.failure.get().map(|failure| view! { <ErrorBox failure /> })}
                        <aside::TokenCard desk />
                    </div>
                }
                    .into_any()
            }
            Found::Broken(failure) => {
                view! {
                    <ErrorBox failure />
                    <button
                        type="button"
                        data-testid="look-again"
                        on:click=move |_| {
                            leptos::task::spawn_local(desk.look());
                        }
                    >
                        "Try again"
                    </button>
                }
                    .into_any()
            }
            Found::Here => view! { <Workbench desk /> }.into_any(),
        }}
    }
}

#[component]
fn Looking() -> impl IntoView {
    view! {
        <div class="columns skeleton" role="status" aria-label="Looking for a server">
            <div class="ghost ghost-chart"></div>
            <div class="ghost ghost-sentence"></div>
        </div>
    }
}

/// No server that tunes: how to start one.
#[component]
fn Nobody() -> impl IntoView {
    view! {
        <div class="empty" data-testid="no-server">
            <section class="card">
                <h2>"No server that tunes is behind this page"</h2>
                <p>
                    "Tuning needs the program, and a machine to run it on. It keeps your data where you start it, and shows this page with everything filled in."
                </p>
                <ol class="steps">
                    {COMMANDS
                        .into_iter()
                        .map(|(what, command)| view! { <li>{what} <Command command /></li> })
                        .collect_view()}
                </ol>
                <p class="hint">
                    "Or without a server: “tupate tune tickets.csv --out runs/tickets” tunes one task from the command line."
                </p>
            </section>
        </div>
    }
}

/// A command to copy.
#[component]
fn Command(command: &'static str) -> impl IntoView {
    let copied = RwSignal::new(None::<bool>);
    let word = move || match copied.get() {
        None => "Copy",
        Some(true) => "Copied",
        Some(false) => "Select it",
    };
    view! {
        <span class="command">
            <code tabindex="0">{command}</code>
            <button
                type="button"
                class="quiet"
                aria-label=move || format!("{}: {command}", word())
                on:click=move |_| {
                    leptos::task::spawn_local(async move {
                        copied.set(Some(platform::copy(command).await));
                    });
                }
            >
                {word}
            </button>
        </span>
    }
}

#[component]
fn Workbench(desk: Desk) -> impl IntoView {
    let chosen = Memo::new(move |_| desk.chosen.get());
    let failure = move || {
        desk.failure.get().map(|failure| {
            view! { <Refusal failure dismiss=move |()| desk.failure.set(None) /> }
        })
    };
    view! {
        <div class="columns tune">
            <div class="instrument">
                {failure}
                {move || match chosen.get() {
                    None => view! { <form::NewRunForm desk /> }.into_any(),
                    Some(id) => view! { <run::RunView desk id /> }.into_any(),
                }}
            </div>
            <aside>
                <aside::RunsCard desk />
                <aside::TokenCard desk />
            </aside>
        </div>
    }
}
