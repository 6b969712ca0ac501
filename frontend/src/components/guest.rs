//! What the visitor has tuned and whose sources are shown.

use crate::guest::Place;
use crate::platform;
use crate::state::Store;
use leptos::prelude::*;
use tupate_zoo::Fusion;

/// Says what is compared, and with what; nothing while there is no such adapter.
#[component]
pub fn GuestCard() -> impl IntoView {
    let store = expect_context::<Store>();
    move || {
        store.guest.get().map(|guest| {
            let fusion = |method: &String| Fusion::is_named(method);
            let label = |method: String| {
                store.loaded.with(|l| l.as_ref().map(|loaded| loaded.method_label(&method)))
            };
            let ranked = store.answer.with(|answer| match answer {
                Some(Ok(answer)) => Some(answer.method.clone()),
                _ => None,
            });
            let together = ranked.as_ref().is_some_and(fusion);
            let asked = store.view.with(|view| view.method.clone());
            let lacking = asked.filter(|asked| Some(asked) != ranked.as_ref()).and_then(label);
            let (one, promise, more) = match guest.place {
                // Which adapters are of one task, only those that name it tell.
                Place::Device => (
                    "adapter",
                    " Read in this tab, and nothing was uploaded.",
                    guest.task.is_some().then_some("open its adapters by the other methods, too"),
                ),
                Place::Server => ("run", "", Some("tune it by the other methods, too")),
            };
            let lacking = lacking.map(|lacking| match more {
                Some(more) => format!("For {lacking}, {more}."),
                None => format!(
                    "Not by {lacking}: it is compared with embeddings of its own method and moment alone."
                ),
            });
            let compared = match ranked.and_then(label) {
                Some(all) if together => {
                    format!("Its {one}s by every method, compared together: {all}.")
                }
                // Another than the first.
                Some(set) if set != guest.set => {
                    format!("Its {one} that is compared with the zoo's {set}.")
                }
                _ => format!("{}, compared with the zoo's {}.", guest.kind, guest.set),
            };
            let notes = guest.notes.clone().into_iter().map(|note| view! { <li>{note}</li> });
            view! {
                <section class="message note guest" data-testid="guest">
                    <h2>{format!("Ranked for {}, {}", guest.name, guest.place.words())}</h2>
                    <p>{compared} {promise} " Links do not carry it."</p>
                    {lacking.map(|why| view! { <p class="weak" role="status">{why}</p> })}
                    {guest.assumed.clone().map(|assumed| view! { <p class="weak">{assumed}</p> })}
                    {(!guest.notes.is_empty())
                        .then(|| view! { <ul class="hint">{notes.collect_view()}</ul> })}
                    <button
                        type="button"
                        class="quiet"
                        data-testid="guest-close"
                        on:click=move |_| {
                            store.dismiss_guest();
                            platform::focus("answer-head");
                        }
                    >
                        "Back to the zoo's tasks"
                    </button>
                </section>
            }
        })
    }
}
