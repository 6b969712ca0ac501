//! What is going on and what went wrong, above everything else.

use crate::failure::Failure;
use crate::platform;
use crate::state::{Pending, Store};
use crate::words;
use leptos::prelude::*;
use tupate_zoo::link::FILE_SCHEME;

fn said(failure: Failure) -> impl IntoView {
    view! {
        <h2>{failure.title}</h2>
        <p>{failure.detail}</p>
        <p class="remedy">{failure.remedy}</p>
    }
}

/// A failure, with what would mend it.
#[component]
pub fn ErrorBox(
    /// What went wrong.
    failure: Failure,
) -> impl IntoView {
    view! {
        <section class="message bad" role="alert" data-testid="error">
            {said(failure)}
        </section>
    }
}

/// A failure that stands above everything else and has the focus: what led to it may be far
/// below.
#[component]
pub fn Refusal(
    /// What went wrong.
    failure: Failure,
    /// Takes the message away.
    #[prop(into)]
    dismiss: Callback<()>,
) -> impl IntoView {
    leptos::task::spawn_local(async {
        // Not before it is drawn.
        platform::sleep(0).await;
        platform::focus("refusal");
    });
    let close = move |_| {
        dismiss.run(());
        platform::focus("main");
    };
    view! {
        <section id="refusal" class="message bad" role="alert" tabindex="-1" data-testid="error">
            {said(failure)}
            <button type="button" class="quiet" on:click=close>
                "Close this message"
            </button>
        </section>
    }
}

/// Everything that the visitor should know before reading on.
#[component]
pub fn Messages() -> impl IntoView {
    let store = expect_context::<Store>();
    let failure = move || {
        store.failure.get().map(|failure| {
            view! { <Refusal failure dismiss=move |()| store.failure.set(None) /> }
        })
    };
    let waiting = Memo::new(move |_| store.pending.with(|p| p.as_ref().is_some_and(|p| p.slow)));
    view! {
        {failure}
        {changed(store)}
        {elsewhere(store)}
        {newer(store)}
        <Show when=move || waiting.get()>
            <Progress />
        </Show>
    }
}

fn changed(store: Store) -> impl IntoView {
    move || {
        store.doubt.get().map(|doubt| {
            view! {
                <section class="message warn" role="alert" data-testid="notice">
                    <h2>"The file has changed since this link was made"</h2>
                    <p>
                        "The link was made from a file with sha256 "
                        <code title=doubt.expected.clone()>{words::short_hash(&doubt.expected)}</code>
                        ". The file that is there now, “" {doubt.loaded.zoo.name().to_owned()} "”, has "
                        <code title=doubt.loaded.sha256.clone()>
                            {words::short_hash(&doubt.loaded.sha256)}
                        </code> "."
                    </p>
                    <p class="remedy">
                        "Its ranking may differ from the one that was shared. Ask the sender for the file, or look at this one."
                    </p>
                    <button
                        type="button"
                        class="solid"
                        data-testid="use-anyway"
                        on:click=move |_| {
                            store.use_anyway();
                            platform::begin();
                        }
                    >
                        "Use it anyway"
                    </button>
                </section>
            }
        })
    }
}

fn newer(store: Store) -> impl IntoView {
    move || {
        store.newer.get().map(|newer| {
            let date = platform::date(newer.kept.opened);
            let kept = newer.kept;
            let (title, text) = if newer.unknown {
                (
                    "Shown from this browser's copy",
                    format!(
                        "The address cannot be reached now. What you see is the copy last opened on {date}; the file may have changed since."
                    ),
                )
            } else {
                (
                    "The file at this address has changed",
                    format!(
                        "What you see is the copy last opened on {date}, with sha256 {}.",
                        words::short_hash(&kept.sha256)
                    ),
                )
            };
            view! {
                <section class="message note afloat" role="status" data-testid="newer">
                    <h2>{title}</h2>
                    <p>{text}</p>
                    <button
                        type="button"
                        data-testid="renew"
                        on:click=move |_| store.renew(&kept)
                    >
                        {if newer.unknown { "Try again" } else { "Open the new file" }}
                    </button>
                    " "
                    <button
                        type="button"
                        class="quiet"
                        on:click=move |_| {
                            store.newer.set(None);
                            platform::focus("main");
                        }
                    >
                        "Close this message"
                    </button>
                </section>
            }
        })
    }
}

fn elsewhere(store: Store) -> impl IntoView {
    move || {
        let wish = store.elsewhere.get().filter(|_| store.loaded.with(Option::is_none))?;
        let zoo = wish.zoo.unwrap_or_default();
        let name = words::clipped(zoo.strip_prefix(FILE_SCHEME).unwrap_or(&zoo), 100);
        Some(view! {
            <section class="message note" data-testid="notice">
                <h2>"This link is about a file on somebody's device"</h2>
                <p>
                    "It was made from “" {name} "”"
                    {wish
                        .sha256
                        .map(|hash| {
                            view! {
                                " with sha256 "
                                <code title=hash.clone()>{words::short_hash(&hash)}</code>
                            }
                        })} ". A link cannot carry the file."
                </p>
                <p class="remedy">"Open the same file below, and the view that was shared appears."</p>
            </section>
        })
    }
}

/// How far a zoo on its way has come.
#[component]
fn Progress() -> impl IntoView {
    let store = expect_context::<Store>();
    let told = move |tell: fn(&Pending) -> String| {
        move || store.pending.with(|p| p.as_ref().map_or_else(String::new, tell))
    };
    let total = move || store.pending.with(|p| p.as_ref().and_then(|p| p.total));
    let received = move || store.pending.with(|p| p.as_ref().map_or(0, |p| p.received));
    view! {
        <section class="message note afloat progress" data-testid="progress" aria-label="Opening a zoo">
            <p>
                <strong>{told(|p| format!("Opening {}", words::clipped(&p.what, 120)))}</strong>
                <span class="figures">{told(stage)}</span>
            </p>
            // Without a value the bar says that the end is not known.
            <progress
                aria-label="Download"
                max=move || total().map(|total| total.max(1).to_string())
                value=move || total().map(|_| received().to_string())
            ></progress>
            <button type="button" class="quiet" on:click=move |_| store.stop()>
                "Cancel"
            </button>
        </section>
    }
}

fn stage(pending: &Pending) -> String {
    match (pending.checking, pending.received, pending.total) {
        (true, received, _) => format!("checking {}", words::size(received)),
        (false, 0, _) => "waiting for an answer".into(),
        (false, received, Some(total)) => {
            format!("{} of {}", words::size(received), words::size(total))
        }
        (false, received, None) => words::size(received),
    }
}
