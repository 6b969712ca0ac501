//! What the page knows of the server, and what it asks of it.

use super::answers::{other_version, refused, silent};
use super::watched::{Frames, Watched};
use crate::failure::{Failure, Trouble};
use crate::platform::server::{self, Body};
use crate::platform::{self, Cancel};
use leptos::prelude::*;
use leptos::task::spawn_local;
use tupate_api::{Info, Offers, Run, RunState, Runs, Scope, TokenInfo, ZooFile};

const TOKEN: &str = "tupate-token";
/// Between two looks at the list of runs, in milliseconds.
const LOOK: i32 = 5000;
/// Before a stream of events that broke off is asked for again, in milliseconds.
const AGAIN: i32 = 2000;

/// Whether a server that tunes is behind the page.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Not known yet.
    Looking,
    /// There is none.
    Nothing,
    /// There is one, and it wants a token for reading.
    Closed,
    /// There is one.
    Here,
    /// It should be there, and does not answer as it should.
    Broken(Failure),
}

/// The page's state. Copies are the same state.
#[derive(Clone, Copy)]
pub struct Desk {
    pub found: RwSignal<Found>,
    pub offers: RwSignal<Offers>,
    pub zoos: RwSignal<Vec<ZooFile>>,
    pub runs: RwSignal<Vec<Run>>,
    /// The run that is shown, where it is too old for the list.
    alone: RwSignal<Option<Run>>,
    /// Where the list of runs goes on.
    pub more: RwSignal<Option<String>>,
    /// The run that is shown; else a new one is put together.
    pub chosen: RwSignal<Option<String>>,
    pub watched: RwSignal<Watched>,
    /// Whether the stream of events is open.
    pub live: RwSignal<bool>,
    pub token: RwSignal<Option<String>>,
    /// Whose token it is.
    pub who: RwSignal<Option<TokenInfo>>,
    pub failure: RwSignal<Option<Failure>>,
    /// What is being asked for.
    pub busy: RwSignal<Option<&'static str>>,
    /// Zoos that were published from here, by run.
    pub published: RwSignal<Option<(String, ZooFile)>>,
    listening: StoredValue<Option<Cancel>, LocalStorage>,
    gone: StoredValue<bool>,
}

impl Desk {
    pub fn new() -> Self {
        let desk = Self {
            found: RwSignal::new(Found::Looking),
            offers: RwSignal::new(Offers {
                tasks: Vec::new(),
                methods: Vec::new(),
                encoders: Vec::new(),
                similarities: Vec::new(),
                upload_bytes: 0,
            }),
            zoos: RwSignal::new(Vec::new()),
            runs: RwSignal::new(Vec::new()),
            alone: RwSignal::new(None),
            more: RwSignal::new(None),
            chosen: RwSignal::new(chosen_in(&platform::query())),
            watched: RwSignal::new(Watched::default()),
            live: RwSignal::new(false),
            token: RwSignal::new(server::of_session(TOKEN)),
            who: RwSignal::new(None),
            failure: RwSignal::new(None),
            busy: RwSignal::new(None),
            published: RwSignal::new(None),
            listening: StoredValue::new_local(None),
            gone: StoredValue::new(false),
        };
        let back = window_event_listener(leptos::ev::popstate, move |_| {
            let id = chosen_in(&platform::query());
            if desk.chosen.with_untracked(|chosen| *chosen != id) {
                desk.show(id);
            }
        });
        on_cleanup(move || {
            desk.gone.set_value(true);
            desk.stop_listening();
            back.remove();
        });
        spawn_local(async move {
            desk.look().await;
            while !desk.is_gone() {
                platform::sleep(LOOK).await;
                desk.look_at_runs().await;
            }
        });
        desk
    }

    /// Whether the visitor has turned to another page.
    pub(super) fn is_gone(self) -> bool {
        self.gone.try_get_value().unwrap_or(true)
    }

    /// Asks, and reads the answer; `what` is said where that fails.
    pub(super) async fn ask(
        self,
        what: &str,
        method: &str,
        path: &str,
        body: Body<'_>,
    ) -> Result<Vec<u8>, Failure> {
        let token = self.token.try_get_untracked().flatten();
        match server::ask(method, path, token.as_deref(), body).await {
            Ok(reply) if (200..300).contains(&reply.status) => Ok(reply.body),
            Ok(reply) => {
                let problem = serde_json::from_slice(&reply.body).ok();
                Err(refused(what, reply.status, problem.as_ref()))
            }
            Err(trouble) => Err(Failure::transport(path, "the server", &trouble)),
        }
    }

    /// Looks who is there.
    pub async fn look(self) {
        let Some(token) = self.token.try_get_untracked() else { return };
        let info = server::ask("GET", "api/v1/info", token.as_deref(), Body::None).await;
        let found = match info {
            Ok(reply) if reply.status == 401 || reply.status == 403 => Found::Closed,
            // Of a server that is down, what stands before it says so.
            Ok(reply) if reply.status >= 500 => Found::Broken(silent()),
            Ok(reply) => match serde_json::from_slice::<Info>(&reply.body) {
                Ok(info) if info.runs => {
                    let _ = self.zoos.try_set(info.zoos);
                    Found::Here
                }
                // A file host, or a server that only reads.
                _ => Found::Nothing,
            },
            Err(Trouble::Offline) => {
                Found::Broken(Failure::transport("api/v1/info", "the server", &Trouble::Offline))
            }
            Err(_) => Found::Broken(silent()),
        };
        if found != Found::Here {
            let _ = self.found.try_set(found);
            return;
        }
        if token.is_some() {
            self.look_at_token().await;
        }
        let offers = self.ask("No offers", "GET", "api/v1/offers", Body::None).await;
        match offers.map(|text| serde_json::from_slice(&text)) {
            Ok(Ok(offers)) => {
                let _ = self.offers.try_set(offers);
                self.look_at_runs().await;
                let _ = self.found.try_set(Found::Here);
                if let Some(Some(id)) = self.chosen.try_get_untracked() {
                    self.listen(id);
                }
            }
            Ok(Err(error)) => {
                let _ = self.found.try_set(Found::Broken(other_version(&error.to_string())));
            }
            Err(failure) => {
                let _ = self.found.try_set(Found::Broken(failure));
            }
        }
    }

    async fn look_at_token(self) {
        let who = self.ask("", "GET", "api/v1/token", Body::None).await;
        let who = who.ok().and_then(|text| serde_json::from_slice(&text).ok());
        let _ = self.who.try_set(who);
    }

    async fn look_at_run(self, id: &str) {
        let there = |runs: &Vec<Run>| runs.iter().any(|run| run.id == *id);
        if self.runs.try_with_untracked(there).unwrap_or(true) {
            return;
        }
        let path = format!("api/v1/runs/{id}");
        match self.ask("There is no such run", "GET", &path, Body::None).await {
            Ok(text) => {
                let _ = self.alone.try_set(serde_json::from_slice(&text).ok());
            }
            Err(failure) => {
                let _ = self.failure.try_set(Some(failure));
            }
        }
    }

    /// The newest runs, in place of those known.
    pub async fn look_at_runs(self) {
        let Ok(text) = self.ask("", "GET", "api/v1/runs?limit=50", Body::None).await else {
            return;
        };
        let Ok(page) = serde_json::from_slice::<Runs>(&text) else { return };
        // Those that were asked for beyond the first page stay.
        let oldest = page.runs.last().map_or(0, |run| run.created);
        let known = self.runs.try_get_untracked().unwrap_or_default();
        let (mut runs, longer) = (page.runs, known.len() > 50);
        if longer {
            runs.extend(known.into_iter().filter(|run| run.created < oldest));
        } else {
            let _ = self.more.try_set(page.next);
        }
        if self.runs.try_with_untracked(|known| *known != runs) == Some(true) {
            let _ = self.runs.try_set(runs);
        }
    }

    /// Runs that are older than those known.
    pub fn more_runs(self) {
        let Some(before) = self.more.get_untracked() else { return };
        spawn_local(async move {
            let path = format!("api/v1/runs?limit=50&before={before}");
            let page = self.ask("No further runs", "GET", &path, Body::None).await;
            match page.map(|text| serde_json::from_slice::<Runs>(&text)) {
                Ok(Ok(page)) => {
                    let _ = self.runs.try_update(|runs| runs.extend(page.runs));
                    let _ = self.more.try_set(page.next);
                }
                Ok(Err(error)) => {
                    let _ = self.failure.try_set(Some(other_version(&error.to_string())));
                }
                Err(failure) => {
                    let _ = self.failure.try_set(Some(failure));
                }
            }
        });
    }

    /// The run that is shown, as the list has it.
    pub fn shown(self) -> Option<Run> {
        let id = self.chosen.get()?;
        let is = |run: &&Run| run.id == id;
        let listed = self.runs.with(|runs| runs.iter().find(is).cloned());
        listed.or_else(|| self.alone.with(|run| run.as_ref().filter(is).cloned()))
    }

    /// Whether the token allows this.
    pub fn may(self, scope: Scope) -> bool {
        self.who.with(|who| {
            who.as_ref().is_some_and(|who| who.scopes.iter().any(|own| own.covers(scope)))
        })
    }

    /// Takes a token for this tab, or forgets it.
    pub fn use_token(self, token: Option<String>) {
        server::keep_for_session(TOKEN, token.as_deref());
        self.token.set(token);
        self.who.set(None);
        self.failure.set(None);
        spawn_local(async move {
            if self.token.with_untracked(Option::is_some) {
                self.look_at_token().await;
                if self.who.try_with_untracked(Option::is_none) == Some(true) {
                    server::keep_for_session(TOKEN, None);
                    self.token.set(None);
                    self.failure.set(Some(Failure {
                        title: "The token is not accepted".into(),
                        detail: "It is not known to this server, has ended, or was revoked.".into(),
                        remedy: "Check that all of it was pasted, or make one with “tupate token create”.".into(),
                    }));
                }
            }
            self.look().await;
        });
    }

    /// Shows a run, or lets a new one be put together, at an address of its own.
    pub fn choose(self, id: Option<String>) {
        // What began on this page may end when another is shown.
        if self.is_gone() {
            return;
        }
        let query = id.as_ref().map_or(String::new(), |id| format!("&run={id}"));
        platform::set_address(&format!("./?page=tune{query}{}", platform::fragment()), true);
        self.show(id);
    }

    fn show(self, id: Option<String>) {
        self.stop_listening();
        self.failure.set(None);
        self.published.set(None);
        self.watched.set(Watched::default());
        self.chosen.set(id.clone());
        if let Some(id) = id {
            self.listen(id);
        }
    }

    fn stop_listening(self) {
        if let Some(Some(cancel)) = self.listening.try_update_value(Option::take) {
            cancel.call_off();
        }
    }

    /// Follows a run's events for as long as it is shown, over whatever breaks off.
    pub(super) fn listen(self, id: String) {
        self.stop_listening();
        let Some(cancel) = Cancel::new() else { return };
        self.listening.set_value(Some(cancel.clone()));
        spawn_local(async move {
            self.look_at_run(&id).await;
            let path = format!("api/v1/runs/{id}/events");
            loop {
                let token = self.token.try_get_untracked().flatten();
                let Some(last) = self.watched.try_with_untracked(|watched| watched.last) else {
                    return;
                };
                let mut frames = Frames::default();
                let heard = server::listen(&path, token.as_deref(), last, &cancel, |bytes| {
                    let events = frames.take(bytes);
                    let _ = self.live.try_set(true);
                    if !events.is_empty() {
                        let _ = self.watched.try_update(|watched| {
                            events.into_iter().for_each(|event| watched.hear(event));
                        });
                    }
                })
                .await;
                let _ = self.live.try_set(false);
                match heard {
                    Err(Trouble::Cancelled) => return,
                    // It is at rest: its end is in the list.
                    Ok(204) => return self.look_at_runs().await,
                    Ok(status) if status != 200 && status != 503 && status != 429 => {
                        let failure = refused("The run cannot be followed", status, None);
                        let _ = self.failure.try_set(Some(failure));
                        return;
                    }
                    _ => {}
                }
                self.look_at_runs().await;
                platform::sleep(AGAIN).await;
            }
        });
    }
}

/// The run that an address's query asks for.
pub fn chosen_in(query: &str) -> Option<String> {
    let query = query.strip_prefix('?').unwrap_or(query);
    let id = query.split('&').find_map(|pair| pair.strip_prefix("run="))?;
    let plain = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| id.to_owned())
}

/// A state in a word.
pub fn state_word(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "waiting",
        RunState::Running => "tuning",
        RunState::Cancelling => "stopping",
        RunState::Cancelled => "stopped",
        RunState::Failed => "failed",
        RunState::Done => "done",
    }
}
