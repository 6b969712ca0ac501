//! The combobox in which the target is chosen: by pointer, or by typing and
//! arrow keys alone.

use crate::filter::{self, Move};
use crate::pages::rank::TARGET;
use crate::platform;
use crate::shards::MATCHES;
use crate::state::Store;
use crate::words;
use leptos::prelude::*;
use std::collections::BTreeSet;
use tupate_zoo::TaskEntry;

/// Entries shown at once; typing finds the others.
const SHOWN: usize = 200;

/// Milliseconds without another letter until very many tasks are searched.
const PATIENCE: i32 = 120;

fn option_id(at: usize) -> String {
    format!("target-option-{at}")
}

/// The target's combobox with the facts of what was chosen.
#[component]
pub fn TargetPicker() -> impl IntoView {
    let store = expect_context::<Store>();
    let open = RwSignal::new(false);
    let query = RwSignal::new(String::new());
    let active = RwSignal::new(None::<usize>);

    let set = Memo::new(move |_| store.view.with(|view| view.method.clone()));
    let tasks = Memo::new(move |_| {
        store.loaded.with(|loaded| {
            loaded.as_ref().map_or(Vec::new(), |loaded| {
                let zoo = &loaded.zoo;
                let set =
                    set.with(|set| crate::answer::choose_method(&loaded.sets, set.as_deref()).ok());
                let there: BTreeSet<&str> =
                    set.iter().flat_map(|(_, set)| set.tasks.iter().map(String::as_str)).collect();
                zoo.tasks()
                    .iter()
                    .filter(|task| there.contains(task.id.as_str()))
                    .cloned()
                    .collect()
            })
        })
    });
    // Of a zoo in shards, those that its workers find.
    let all = Memo::new(move |_| {
        store.loaded.with(|loaded| Some(loaded.as_ref()?.sharded.as_ref()?.tasks))
    });
    let searched = RwSignal::new(None::<Vec<TaskEntry>>);
    Effect::new(move |_| {
        let (typed, sharded) = (query.get(), all.get().is_some());
        if !sharded || typed.trim().is_empty() {
            return searched.set(None);
        }
        leptos::task::spawn_local(async move {
            platform::sleep(PATIENCE).await;
            if query.try_get_untracked().as_ref() != Some(&typed) {
                return;
            }
            let tasks = store.search(typed.clone()).await;
            // Typed on meanwhile, or gone.
            if query.try_get_untracked() == Some(typed) {
                let _ = searched.try_set(tasks);
                let first =
                    searched.try_with_untracked(|s| s.as_ref().is_some_and(|s| !s.is_empty()));
                active.set(first.unwrap_or_default().then_some(0));
            }
        });
    });
    let found = Memo::new(move |_| {
        if let Some(searched) = searched.get() {
            return searched;
        }
        let query = query.get();
        tasks.with(|tasks| {
            filter::find(tasks, &query).into_iter().cloned().collect::<Vec<TaskEntry>>()
        })
    });
    let target = Memo::new(move |_| {
        let id = store.view.with(|view| view.target.clone())?;
        store.loaded.with(|l| l.as_ref().and_then(|l| l.zoo.task(&id).cloned()))
    });
    let name = move || match store.guest.get() {
        Some(guest) => format!("{} ({})", guest.name, guest.place.words()),
        None => target.with(|t| t.as_ref().map_or_else(String::new, |t| t.name.clone())),
    };
    let shown = move || found.with(|found| found.len().min(SHOWN));

    let activate = move |at: Option<usize>| {
        active.set(at);
        if let Some(at) = at {
            leptos::task::spawn_local(async move {
                // The list may only now be drawn.
                platform::sleep(0).await;
                platform::reveal(&option_id(at));
            });
        }
    };
    let show = move || {
        if !open.get_untracked() {
            query.set(String::new());
            open.set(true);
            let id = target.with_untracked(|t| t.as_ref().map(|t| t.id.clone()));
            activate(found.with_untracked(|f| f.iter().position(|t| Some(&t.id) == id.as_ref())));
        }
    };
    let close = move || {
        open.set(false);
        query.set(String::new());
        active.set(None);
    };
    let choose = move |id: String| {
        close();
        store.choose_target(id);
    };
    let on_key = move |event: leptos::ev::KeyboardEvent| {
        let key = event.key();
        if let Some(step) = Move::of_key(&key) {
            event.prevent_default();
            if open.get_untracked() {
                activate(step.from(active.get_untracked(), untrack(shown)));
            } else {
                show();
            }
        } else if key == "Enter" && open.get_untracked() {
            event.prevent_default();
            let id = active.get_untracked().and_then(|at| {
                found.with_untracked(|found| found.get(at).map(|task| task.id.clone()))
            });
            if let Some(id) = id {
                choose(id);
            }
        } else if key == "Escape" && open.get_untracked() {
            event.prevent_default();
            close();
        }
    };
    let on_input = move |event: leptos::ev::Event| {
        let text = event_target_value(&event);
        open.set(true);
        let first = (!text.trim().is_empty()).then_some(0);
        query.set(text);
        activate(first.filter(|_| untrack(shown) > 0));
    };
    let count = move || {
        if let Some(all) = all.get() {
            let all = words::counted(all, "task");
            return match (found.with(Vec::len), searched.with(Option::is_some)) {
                (0, true) => "No task matches".to_owned(),
                (n, true) if n < MATCHES => format!("{n} of {all}"),
                (n, true) => format!("The first {n} that match, of {all}"),
                (_, false) => format!("Type to search {all}"),
            };
        }
        let (n, all) = (found.with(Vec::len), tasks.with(Vec::len));
        match (n, query.with(|query| query.trim().is_empty())) {
            (0, _) => "No task matches".to_owned(),
            (n, true) if n <= SHOWN => words::counted(n as u64, "task"),
            (n, _) if n > SHOWN => {
                format!("The first {SHOWN} of {}: type to find others", words::count(n as u64))
            }
            (n, _) => {
                format!("{} of {}", words::count(n as u64), words::counted(all as u64, "task"))
            }
        }
    };
    let options = move || {
        let chosen = target.with(|t| t.as_ref().map(|t| t.id.clone()));
        let found = found.get();
        let rows = found.into_iter().take(SHOWN).enumerate().map(|(at, task)| {
            let id = task.id.clone();
            let selected = Some(&task.id) == chosen.as_ref();
            view! {
                <li
                    role="option"
                    id=option_id(at)
                    class:active=move || active.get() == Some(at)
                    aria-selected=selected.to_string()
                    data-testid="target-option"
                    data-task=task.id.clone()
                    on:mousemove=move |_| {
                        if active.get_untracked() != Some(at) {
                            active.set(Some(at));
                        }
                    }
                    on:click=move |_| choose(id.clone())
                >
                    <span class="option-name">{task.name.clone()}</span>
                    <span class="option-kind">
                        {task.class.name()} <span class="dot">" · "</span> {task.family.clone()}
                    </span>
                    <span class="option-figures">
                        {(task.train_examples > 0)
                            .then(|| {
                                view! {
                                    {words::count(task.train_examples)}
                                    <span class="unit">" examples"</span>
                                }
                            })}
                    </span>
                    <span class="option-figures" class:weak=words::is_weak(&task)>
                        <span class="unit-narrow">"score "</span>
                        {words::score_of_task(&task)}
                    </span>
                </li>
            }
        });
        rows.collect_view()
    };

    view! {
        <div class="picker">
            <label for="target">{TARGET}</label>
            <div class="combo" class:open=move || open.get()>
                <input
                    id="target"
                    data-testid="target-input"
                    type="text"
                    role="combobox"
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    aria-autocomplete="list"
                    aria-controls="target-list"
                    aria-describedby="target-facts"
                    aria-expanded=move || open.get().to_string()
                    aria-activedescendant=move || {
                        active.get().filter(|_| open.get()).map(option_id)
                    }
                    placeholder=move || {
                        let name = name();
                        if name.is_empty() { "Choose a task".into() } else { name }
                    }
                    prop:value=move || if open.get() { query.get() } else { name() }
                    on:focus=move |event| platform::select_text(&event)
                    on:click=move |_| show()
                    on:blur=move |_| close()
                    on:input=on_input
                    on:keydown=on_key
                />
                <svg class="chevron" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
                    <path d="M4 6l4 4 4-4" fill="none" stroke="currentColor" stroke-width="1.75" />
                </svg>
                // Kept from taking the focus, which would close the list.
                <div
                    class="popup"
                    hidden=move || !open.get()
                    on:mousedown=|event| event.prevent_default()
                >
                    <p class="popup-head">
                        <span role="status">{move || open.get().then(count)}</span>
                        <span class="popup-legend" aria-hidden="true">
                            "trained on"
                        </span>
                        <span class="popup-legend" aria-hidden="true">
                            "score against majority"
                        </span>
                    </p>
                    <ul id="target-list" role="listbox" aria-label="Tasks">
                        <Show when=move || open.get()>{options}</Show>
                    </ul>
                </div>
            </div>
            <p class="hint" id="target-facts">
                {move || match store.guest.get() {
                    Some(guest) if guest.embeddings.len() > 1 => None,
                    Some(guest) => Some(format!("{}.", guest.kind)),
                    None => target.with(|target| target.as_ref().map(facts)),
                }}
            </p>
        </div>
    }
}

/// What is known of the chosen target, in a line.
pub fn facts(task: &TaskEntry) -> String {
    let mut text = format!("{} ({})", sentence_case(words::class(task.class)), task.family);
    // Of imported ones nobody knows.
    if task.train_examples > 0 {
        text.push_str(", ");
        text.push_str(&words::counted(task.train_examples, "training example"));
    }
    if task.score.is_some() {
        text.push_str(&format!("; {} {}", words::metric(task.metric), words::score_of_task(task)));
        if task.majority.is_some() {
            text.push_str(" for always guessing the majority");
        }
        if task.tunings > 1 {
            text.push_str(&format!(", mean of {} tunings", task.tunings));
        }
    }
    text.push('.');
    if words::is_weak(task) {
        text.push_str(" Tuning did no better than guessing: take what follows with doubt.");
    }
    text
}

fn sentence_case(text: &str) -> String {
    words::similarity_label(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known_of_a_target() {
        let text = r#"{"id": "t", "name": "T", "class": "CR", "family": "topic",
            "train_examples": 1200, "metric": "accuracy", "score": 0.75, "majority": 0.5}"#;
        let mut task: TaskEntry = serde_json::from_str(text).unwrap();
        let once = facts(&task);
        let known = "(topic), 1,200 training examples; accuracy 0.750 against 0.500 for always \
                     guessing the majority";
        assert!(once.ends_with(&format!("{known}.")), "{once}");
        task.tunings = 3;
        assert_eq!(facts(&task), format!("{}, mean of 3 tunings.", once.trim_end_matches('.')));
        task.train_examples = 0;
        let unknown = facts(&task);
        assert!(unknown.contains("(topic); accuracy 0.750"), "{unknown}");
        task.score = Some(0.5);
        assert!(facts(&task).ends_with("take what follows with doubt."));
    }
}
