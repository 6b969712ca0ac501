//! The adapter of the visitor's whose sources are shown.

use crate::state::Store;
use leptos::prelude::*;

/// Says what is compared, and with what; nothing while there is no such adapter.
#[component]
pub fn GuestCard() -> impl IntoView {
    let store = expect_context::<Store>();
    move || {
        store.guest.get().map(|guest| {
            let notes = guest.notes.clone().into_iter().map(|note| view! { <li>{note}</li> });
            view! {
                <section class="message note guest" data-testid="guest">
                    <h2>{format!("Ranked for {}, from this device", guest.name)}</h2>
                    <p>
                        {format!("{}, compared with the zoo's {}.", guest.kind, guest.set)}
                        " It was read in this tab, and nothing was uploaded. Links do not carry it."
                    </p>
                    {guest.assumed.clone().map(|assumed| view! { <p class="weak">{assumed}</p> })}
                    {(!guest.notes.is_empty())
                        .then(|| view! { <ul class="hint">{notes.collect_view()}</ul> })}
                    <button
                        type="button"
                        class="quiet"
                        data-testid="guest-close"
                        on:click=move |_| store.dismiss_guest()
                    >
                        "Back to the zoo's tasks"
                    </button>
                </section>
            }
        })
    }
}
