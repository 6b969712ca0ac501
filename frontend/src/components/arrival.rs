//! The page that is shown, or what stands there until its part of the program has come.

use super::messages::ErrorBox;
use crate::failure::Failure;
use crate::later::{Draw, Later};
use crate::pages::{Page, Program};
use leptos::prelude::*;

/// Where the program of the page is that is shown.
#[derive(Clone, Copy, Debug)]
enum At {
    /// On its way.
    Coming,
    /// It could not be fetched.
    Missing,
    /// Here.
    Here(Draw),
}

/// Fetches what the page takes. Copied freely: it holds handles only.
#[derive(Clone, Copy)]
pub struct Arrival {
    later: Later,
    page: RwSignal<&'static Page>,
    at: RwSignal<At>,
}

impl Arrival {
    /// Follows the page that is shown.
    pub fn of(page: RwSignal<&'static Page>, later: Later) -> Self {
        let arrival = Self { later, page, at: RwSignal::new(At::Coming) };
        Effect::new(move |_| arrival.fetch(page.get()));
        arrival
    }

    /// Whether there is nothing more to wait for.
    pub fn is_over(self) -> bool {
        self.at.with(|at| !matches!(at, At::Coming))
    }

    fn fetch(self, page: &'static Page) {
        let part = match page.program {
            Program::First(draw) => return self.at.set(At::Here(draw)),
            Program::Later(part) => part(&self.later),
        };
        self.at.set(At::Coming);
        leptos::task::spawn_local(async move {
            let came = part().await;
            // Turned to another page meanwhile: its state is not ours to touch.
            if self.page.with_untracked(|now| now.slug == page.slug) {
                self.at.set(came.map_or(At::Missing, At::Here));
            }
        });
    }
}

/// The page.
#[component]
pub fn Arriving(
    /// Its program.
    arrival: Arrival,
) -> impl IntoView {
    move || match arrival.at.get() {
        At::Here(draw) => draw(),
        At::Coming => view! {
            <div class="skeleton" role="status" aria-label="Loading this page">
                <div class="ghost ghost-sentence"></div>
                <div class="ghost ghost-chart"></div>
            </div>
        }
        .into_any(),
        At::Missing => {
            let page = arrival.page.get_untracked();
            view! {
                <h1>{page.nav}</h1>
                <ErrorBox failure=Failure::no_part(&format!("The page “{}”", page.nav)) />
                <button
                    type="button"
                    class="solid"
                    data-testid="fetch-again"
                    on:click=move |_| arrival.fetch(page)
                >
                    "Try again"
                </button>
            }
            .into_any()
        }
    }
}
