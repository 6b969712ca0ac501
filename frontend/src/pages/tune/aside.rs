//! Beside the instrument: the runs there are, and the token.

use super::desk::{Desk, state_word};
use super::form::method_label;
use crate::words;
use leptos::prelude::*;
use tupate_api::Run;

/// Every run, newest first.
#[component]
pub fn RunsCard(desk: Desk) -> impl IntoView {
    let none = Memo::new(move |_| desk.runs.with(Vec::is_empty));
    let fresh = Memo::new(move |_| desk.chosen.with(Option::is_none));
    view! {
        <section class="card" aria-labelledby="runs-head">
            <h2 id="runs-head">"Runs"</h2>
            <ul class="zoos runs" data-testid="runs">
                <li>
                    <button
                        type="button"
                        aria-current=move || fresh.get().then_some("true")
                        on:click=move |_| desk.choose(None)
                    >
                        <span>"New run"</span>
                        <small>"Choose data, and how to tune on it"</small>
                    </button>
                </li>
                <For each=move || desk.runs.get() key=|run| run.id.clone() let:run>
                    <Row desk id=run.id />
                </For>
            </ul>
            <Show when=move || none.get()>
                <p class="hint">"There are none yet."</p>
            </Show>
            <Show when=move || desk.more.with(Option::is_some)>
                <button type="button" class="quiet" on:click=move |_| desk.more_runs()>
                    "Show older ones"
                </button>
            </Show>
        </section>
    }
}

#[component]
fn Row(desk: Desk, id: String) -> impl IntoView {
    let run = {
        let id = id.clone();
        Memo::new(move |_| desk.runs.with(|runs| runs.iter().find(|run| run.id == id).cloned()))
    };
    let current = {
        let id = id.clone();
        move || desk.chosen.with(|chosen| chosen.as_ref() == Some(&id)).then_some("true")
    };
    let of = move |tell: fn(&Run) -> String| {
        move || run.with(|run| run.as_ref().map_or_else(String::new, tell))
    };
    view! {
        <li>
            <button
                type="button"
                aria-current=current
                data-testid="run"
                data-state=of(|run| run.state.name().to_owned())
                on:click=move |_| desk.choose(Some(id.clone()))
            >
                <span>{of(name)}</span>
                <small>{of(line)}</small>
            </button>
        </li>
    }
}

/// What a run is called.
pub fn name(run: &Run) -> String {
    use tupate_api::Data;
    let name = match (&run.spec.name, &run.spec.data) {
        (Some(name), _) => name,
        (None, Data::Task(id) | Data::Upload(id)) => id,
    };
    words::clipped(name, 60)
}

fn line(run: &Run) -> String {
    let mut line = state_word(run.state).to_owned();
    match (&run.result, &run.progress) {
        (Some(result), _) => {
            line.push_str(&format!(" · {} {}", result.metric, words::number(result.score, 3)));
        }
        (None, Some(progress)) if progress.steps > 0 => {
            let part = 100.0 * progress.step as f64 / progress.steps as f64;
            line.push_str(&format!(" · {part:.0} %"));
        }
        _ => {}
    }
    if let Some(method) = &run.spec.method {
        line.push_str(&format!(" · {}", method_label(method)));
    }
    line.push_str(&format!(" · {}", words::clipped(&run.owner, 30)));
    line
}

/// The token: typed once, and kept for as long as the tab is open.
#[component]
pub fn TokenCard(desk: Desk) -> impl IntoView {
    let typed = RwSignal::new(String::new());
    let has = Memo::new(move |_| desk.token.with(Option::is_some));
    let whose = move || {
        desk.who.with(|who| {
            who.as_ref().map(|who| {
                let scopes: Vec<_> = who.scopes.iter().map(|scope| scope.name()).collect();
                view! {
                    <p>
                        "Yours is “" {words::clipped(&who.name, 60)} "”: " {scopes.join(", ")} "."
                    </p>
                }
            })
        })
    };
    let given = move || {
        view! {
            {whose}
            <p class="hint">"Kept in this tab only, until it is closed."</p>
            <button type="button" class="quiet" on:click=move |_| desk.use_token(None)>
                "Forget it"
            </button>
        }
    };
    let asked = move || {
        view! {
            <p class="hint">
                "Tuning needs one. “tupate token create” prints it on the server’s machine."
            </p>
            <form on:submit=move |event| {
                event.prevent_default();
                let token = typed.get_untracked().trim().to_owned();
                if !token.is_empty() {
                    typed.set(String::new());
                    desk.use_token(Some(token));
                }
            }>
                <label class="field" for="token">
                    "Token"
                </label>
                <div class="joined">
                    <input
                        id="token"
                        data-testid="token"
                        type="password"
                        autocomplete="off"
                        spellcheck="false"
                        placeholder="tupate_…"
                        prop:value=typed
                        on:input=move |event| typed.set(event_target_value(&event))
                    />
                    <button type="submit" data-testid="token-use">
                        "Use"
                    </button>
                </div>
            </form>
        }
    };
    view! {
        <section class="card token" aria-labelledby="token-head" data-testid="token-card">
            <h2 id="token-head">"Token"</h2>
            {move || if has.get() { given().into_any() } else { asked().into_any() }}
        </section>
    }
}
