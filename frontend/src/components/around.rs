//! What stands around a ranking: it is fetched as soon as the ranking is shown, which does
//! not wait for it.

use super::beside::BesideSwitch;
use super::facts::{CopyLink, Facts};
use super::guest::GuestCard;
use super::messages::{ErrorBox, Messages};
use super::narrowing::Narrowing;
use super::opener::{AdapterOpener, DropZone, KeptZoos, Opener};
use super::takeaway::Takeaway;
use super::target::TargetPicker;
use super::trust::Trust;
use crate::failure::Failure;
use crate::later::Draw;
use crate::platform::{self, PAINTED};
use crate::state::Store;
use leptos::prelude::*;

/// What draws each of them.
#[derive(Clone, Copy, Debug)]
pub struct Around {
    /// What is going on and what went wrong.
    pub messages: Draw,
    /// Takes files that are dropped.
    pub drop_zone: Draw,
    /// The visitor's adapter.
    pub guest: Draw,
    /// The field of the target.
    pub target: Draw,
    /// How far it can be trusted.
    pub trust: Draw,
    /// The field that holds a second method against the first.
    pub beside: Draw,
    /// The filters.
    pub narrowing: Draw,
    /// The buttons that save the ranking.
    pub takeaway: Draw,
    /// The zoo's facts, and where to open another.
    pub aside: Draw,
    /// What stands there without a zoo.
    pub empty: Draw,
}

/// What draws each of them.
pub const AROUND: Around = Around {
    messages: || view! { <Messages /> }.into_any(),
    drop_zone: || view! { <DropZone /> }.into_any(),
    guest: || view! { <GuestCard /> }.into_any(),
    target: || view! { <TargetPicker /> }.into_any(),
    trust: || view! { <Trust /> }.into_any(),
    beside: || view! { <BesideSwitch /> }.into_any(),
    narrowing: || view! { <Narrowing /> }.into_any(),
    takeaway: || view! { <Takeaway /> }.into_any(),
    aside: || view! { <Aside /> }.into_any(),
    empty: || view! { <Empty /> }.into_any(),
};

#[component]
fn Aside() -> impl IntoView {
    view! {
        <aside>
            <section class="card" aria-label="This zoo">
                <Facts />
                <CopyLink />
            </section>
            <section class="card" aria-labelledby="adapter-head">
                <h2 id="adapter-head">"Rank your own adapter"</h2>
                <AdapterOpener />
            </section>
            <section class="card" aria-labelledby="open-head">
                <h2 id="open-head">"Open another zoo"</h2>
                <Opener />
            </section>
        </aside>
    }
}

#[component]
fn Empty() -> impl IntoView {
    let store = expect_context::<Store>();
    // Beside a message the explanation would be noise.
    let quiet = move || {
        store.failure.with(Option::is_none)
            && store.doubt.with(Option::is_none)
            && store.elsewhere.with(Option::is_none)
    };
    view! {
        <div class="empty">
            <section class="card" aria-labelledby="open-head" data-testid="empty">
                <h2 id="open-head">"Open a zoo"</h2>
                <Show when=quiet>
                    <p>
                        "A zoo is one file that holds embeddings of many tasks. Open one, choose the task you care about, and see which of the others is closest to it: the one to train on before yours."
                    </p>
                    <KeptZoos />
                </Show>
                <Opener />
            </section>
        </div>
    }
}

/// Where they are.
#[derive(Clone, Copy, Debug)]
enum At {
    NotAsked,
    Coming,
    Missing,
    Here(&'static Around),
}

/// Fetches them. Copied freely: it holds handles only.
#[derive(Clone, Copy)]
pub struct Surroundings {
    store: Store,
    at: RwSignal<At>,
}

impl Surroundings {
    /// Not asked for yet.
    pub fn of(store: Store) -> Self {
        Self { store, at: RwSignal::new(At::NotAsked) }
    }

    /// Whether they were asked for and have not come yet.
    pub fn are_coming(self) -> bool {
        self.at.with(|at| matches!(at, At::Coming))
    }

    /// Fetches them once there is a ranking or none, or something to say meanwhile.
    pub fn follow(self) {
        Effect::new(move |_| {
            let slow = self.store.pending.with(|pending| pending.as_ref().is_some_and(|p| p.slow));
            let shown = self.store.loaded.with(Option::is_some);
            if (shown || self.store.is_ready() || slow)
                && matches!(self.at.get_untracked(), At::NotAsked)
            {
                self.fetch();
            }
        });
    }

    fn fetch(self) {
        self.at.set(At::Coming);
        leptos::task::spawn_local(async move {
            // Asking takes its time, too: what is there already is painted before.
            platform::sleep(PAINTED).await;
            let came = (self.store.later.around)().await;
            self.at.set(came.map_or(At::Missing, At::Here));
        });
    }
}

/// The place of one of them.
#[component]
pub fn Place(
    /// Which.
    of: fn(&Around) -> Draw,
    /// What stands there before.
    #[prop(optional)]
    ghost: Option<Draw>,
    /// Whether it is here that a failure to fetch them is said.
    #[prop(optional)]
    tells: bool,
) -> impl IntoView {
    let surroundings = expect_context::<Surroundings>();
    move || match surroundings.at.get() {
        At::Here(around) => of(around)(),
        At::Missing if tells => view! {
            <aside>
                <ErrorBox failure=Failure::no_part("What stands around the ranking") />
                <button
                    type="button"
                    class="solid"
                    data-testid="fetch-again"
                    on:click=move |_| surroundings.fetch()
                >
                    "Try again"
                </button>
            </aside>
        }
        .into_any(),
        _ => ghost.map_or_else(|| ().into_any(), |ghost| ghost()),
    }
}
