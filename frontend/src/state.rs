//! What the page knows, and how it comes to know it.

use crate::answer::{Answer, FILE_SCHEME, Loaded, Origin, answer, complete, same_file};
use crate::failure::Failure;
use crate::platform::{self, Cancel, LocalFile};
use crate::source::{self, Source};
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;
use tupate_api::{Info, ZooFile};
use tupate_zoo::link::View;
use tupate_zoo::{Zoo, sha256_hex};

/// After this many milliseconds, waiting is shown with figures.
const SLOW: i32 = 300;
/// Files kept for the browser's back button: how many, and how large at most.
const KEPT_FILES: usize = 4;
const KEPT_BYTES: u64 = 32 << 20;

/// A zoo on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its address or name.
    pub what: String,
    /// Bytes that have arrived.
    pub received: u64,
    /// Bytes to expect, if known.
    pub total: Option<u64>,
    /// All is there and is being checked.
    pub checking: bool,
    /// It takes long enough to show figures.
    pub slow: bool,
}

/// A file that is not the one that a link was made from.
#[derive(Clone)]
pub struct Doubt {
    /// The file that is there.
    pub loaded: Arc<Loaded>,
    /// sha256 of the file that the link was made from.
    pub expected: String,
    wish: View,
    entry: Entry,
}

/// What becomes of the page's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A new one, to go back from.
    Push,
    /// Changed in place.
    Replace,
}

/// The page's state. Copied freely: it holds handles only.
#[derive(Clone, Copy)]
pub struct Store {
    /// The server that the page comes from, if it is Tupate's.
    pub server: RwSignal<Option<Info>>,
    /// Whether the start is over.
    pub started: RwSignal<bool>,
    /// The zoo on its way.
    pub pending: RwSignal<Option<Pending>>,
    /// The zoo that is shown.
    pub loaded: RwSignal<Option<Arc<Loaded>>>,
    /// A zoo that waits for the visitor's word.
    pub doubt: RwSignal<Option<Doubt>>,
    /// A link's zoo that is a file on somebody's device, waiting to be opened.
    pub elsewhere: RwSignal<Option<View>>,
    /// What went wrong while opening.
    pub failure: RwSignal<Option<Failure>>,
    /// What the link says.
    pub view: RwSignal<View>,
    /// The ranking, or why there is none.
    pub answer: Memo<Option<Result<Answer, Failure>>>,
    turn: StoredValue<u64>,
    cancel: StoredValue<Option<Cancel>, LocalStorage>,
    kept: StoredValue<Vec<Arc<Loaded>>>,
}

impl Store {
    /// Nothing known yet.
    pub fn new() -> Self {
        let loaded = RwSignal::new(None::<Arc<Loaded>>);
        let view = RwSignal::new(View::default());
        Self {
            server: RwSignal::new(None),
            started: RwSignal::new(false),
            pending: RwSignal::new(None),
            loaded,
            doubt: RwSignal::new(None),
            elsewhere: RwSignal::new(None),
            failure: RwSignal::new(None),
            view,
            answer: Memo::new(move |_| {
                loaded.with(|l| l.as_ref().map(|l| view.with(|v| answer(&l.zoo, v))))
            }),
            turn: StoredValue::new(0),
            cancel: StoredValue::new_local(None),
            kept: StoredValue::new(Vec::new()),
        }
    }

    /// Asks the server what it has, and opens what the address asks for.
    pub fn start(self) {
        spawn_local(async move {
            match source::ask_server().await {
                Ok(info) => self.server.set(info),
                Err(failure) => {
                    // Asked again below, this would be taken away.
                    self.started.set(true);
                    return self.failure.set(Some(failure));
                }
            }
            self.go(View::from_fragment(&platform::fragment()), Entry::Replace);
            self.started.set(true);
        });
        window_event_listener(leptos::ev::hashchange, move |_| {
            self.go(View::from_fragment(&platform::fragment()), Entry::Replace);
        });
    }

    /// Shows what a link asks for.
    fn go(self, wish: View, entry: Entry) {
        self.stop();
        self.elsewhere.set(None);
        let shown = self.loaded.with_untracked(Option::is_some);
        if shown && same_file(&self.view.get_untracked(), &wish) {
            let loaded = self.loaded.get_untracked();
            return loaded.into_iter().for_each(|loaded| self.adopt(loaded, &wish, entry));
        }
        let kept = self.kept.with_value(|kept| {
            let same = |l: &&Arc<Loaded>| {
                wish.sha256.as_ref() == Some(&l.sha256) && wish.zoo == l.origin.in_link()
            };
            kept.iter().find(same).cloned()
        });
        if let Some(kept) = kept {
            return self.adopt(kept, &wish, entry);
        }
        let zoos =
            self.server.with_untracked(|s| s.as_ref().map_or(Vec::new(), |s| s.zoos.clone()));
        let source = match &wish.zoo {
            None => {
                let same = |zoo: &&ZooFile| wish.sha256.as_ref() == Some(&zoo.sha256);
                let zoo = zoos.iter().find(same).or(zoos.first());
                zoo.cloned().map(Source::Server)
            }
            Some(zoo) if zoo.starts_with(FILE_SCHEME) => {
                self.loaded.set(None);
                return self.elsewhere.set(Some(wish));
            }
            Some(zoo) => match zoos.iter().find(|listed| listed.url == *zoo) {
                Some(listed) => Some(Source::Server(listed.clone())),
                None => match source::checked_address(zoo) {
                    Ok(address) => Some(Source::Url(address)),
                    Err(failure) => {
                        self.loaded.set(None);
                        return self.failure.set(Some(failure));
                    }
                },
            },
        };
        match source {
            Some(source) => self.open(source, wish, entry),
            None => {
                self.loaded.set(None);
                self.view.set(wish);
            }
        }
    }

    /// Opens the zoo at an address that somebody typed.
    pub fn open_typed(self, typed: &str) {
        let opened = match typed.trim() {
            "" => Err(Failure::no_address(typed)),
            typed => source::checked_address(typed),
        };
        match opened {
            Ok(address) => self.open(Source::Url(address), View::default(), Entry::Push),
            Err(failure) => self.failure.set(Some(failure)),
        }
    }

    /// Opens one of the server's zoos.
    pub fn open_listed(self, zoo: ZooFile) {
        self.open(Source::Server(zoo), View::default(), Entry::Push);
    }

    /// Opens a file of this device. Where a link waits for one, it decides
    /// what is shown of it.
    pub fn open_file(self, file: LocalFile) {
        let wish = self.elsewhere.get_untracked().unwrap_or_default();
        self.open(Source::File(file), wish, Entry::Push);
    }

    /// Calls off whatever is on its way, and takes messages away.
    pub fn stop(self) {
        if let Some(cancel) = self.cancel.try_update_value(Option::take).flatten() {
            cancel.call_off();
        }
        self.turn.update_value(|turn| *turn += 1);
        self.pending.set(None);
        self.doubt.set(None);
        self.failure.set(None);
    }

    fn open(self, source: Source, wish: View, entry: Entry) {
        self.stop();
        let Some(cancel) = Cancel::new() else { return };
        self.cancel.set_value(Some(cancel.clone()));
        let turn = self.turn.get_value();
        self.pending.set(Some(Pending {
            what: source.name(),
            received: 0,
            total: source.size(),
            checking: false,
            slow: false,
        }));
        spawn_local(async move {
            platform::sleep(SLOW).await;
            self.report(turn, |pending| pending.slow = true);
        });
        spawn_local(async move {
            let opened = self.read(&source, &cancel, turn).await;
            // Opened something else meanwhile: its state is not ours to touch.
            if self.turn.get_value() != turn {
                return;
            }
            self.pending.set(None);
            match opened {
                Err(failure) => {
                    // A link that failed shows nothing; a visitor who typed
                    // an address keeps what was there.
                    if entry == Entry::Replace {
                        self.loaded.set(None);
                    }
                    self.failure.set(Some(failure));
                }
                Ok(loaded) => self.welcome(Arc::new(loaded), wish, entry),
            }
        });
    }

    async fn read(self, source: &Source, cancel: &Cancel, turn: u64) -> Result<Loaded, Failure> {
        let what = source.name();
        let host = source.host();
        let bytes = match source {
            Source::File(file) => {
                file.read(cancel, |received| self.report(turn, |p| p.received = received)).await
            }
            Source::Server(_) | Source::Url(_) => {
                let address = source.address().ok_or_else(|| Failure::no_address(&what))?;
                let progress = |received, total: Option<u64>| {
                    self.report(turn, |p| {
                        p.received = received;
                        p.total = total.or(p.total).filter(|total| *total >= received);
                    });
                };
                platform::fetch(&address, cancel, progress).await
            }
        };
        let bytes = bytes.map_err(|trouble| Failure::transport(&what, &host, &trouble))?;
        self.report(turn, |p| p.checking = true);
        platform::sleep(0).await;
        let zoo = Zoo::parse(&bytes).map_err(|error| Failure::zoo(&what, &bytes, &error))?;
        let sha256 = sha256_hex(&bytes);
        if let Source::Server(listed) = source
            && listed.sha256 != sha256
        {
            return Err(Failure::listed_hash(&listed.name, &listed.sha256, &sha256));
        }
        let origin = match source {
            Source::Server(listed) => {
                let first = self.server.with_untracked(|server| {
                    let zoos = server.as_ref().map(|server| &server.zoos);
                    zoos.and_then(|zoos| zoos.first()).is_some_and(|zoo| zoo.url == listed.url)
                });
                Origin::Server { url: listed.url.clone(), first }
            }
            Source::Url(address) => Origin::Url(address.href.clone()),
            Source::File(file) => Origin::File(file.name()),
        };
        Ok(Loaded { zoo, origin, bytes: bytes.len() as u64, sha256 })
    }

    fn report(self, turn: u64, change: impl FnOnce(&mut Pending)) {
        if self.turn.get_value() == turn {
            self.pending.update(|pending| {
                if let Some(pending) = pending {
                    change(pending);
                }
            });
        }
    }

    /// Shows a zoo, unless a link promised another.
    fn welcome(self, loaded: Arc<Loaded>, wish: View, entry: Entry) {
        match &wish.sha256 {
            Some(expected) if *expected != loaded.sha256 => {
                // What is shown must be what the address says: nothing, until
                // the visitor has decided.
                self.loaded.set(None);
                self.doubt.set(Some(Doubt { loaded, expected: expected.clone(), wish, entry }));
            }
            _ => self.adopt(loaded, &wish, entry),
        }
    }

    /// The visitor wants the file that is there.
    pub fn use_anyway(self) {
        if let Some(doubt) = self.doubt.get_untracked() {
            self.stop();
            self.adopt(doubt.loaded, &doubt.wish, doubt.entry);
        }
    }

    fn adopt(self, loaded: Arc<Loaded>, wish: &View, entry: Entry) {
        self.elsewhere.set(None);
        let view = complete(&loaded, wish);
        self.kept.update_value(|kept| {
            kept.retain(|other| other.sha256 != loaded.sha256 || other.origin != loaded.origin);
            if loaded.bytes <= KEPT_BYTES {
                kept.push(loaded.clone());
                let extra = kept.len().saturating_sub(KEPT_FILES);
                kept.drain(..extra);
            }
        });
        self.loaded.set(Some(loaded));
        self.show(view, entry);
    }

    fn show(self, view: View, entry: Entry) {
        let address = platform::link(&view.to_fragment());
        // The same address again would make the back button do nothing.
        let push = entry == Entry::Push && self.view.with_untracked(|shown| *shown != view);
        platform::set_address(&address, push);
        self.view.set(view);
    }

    fn choose(self, entry: Entry, change: impl FnOnce(&mut View)) {
        let Some(loaded) = self.loaded.get_untracked() else { return };
        let mut wish = self.view.get_untracked();
        change(&mut wish);
        self.show(complete(&loaded, &wish), entry);
    }

    /// Another target; the back button leads to the one before.
    pub fn choose_target(self, id: String) {
        self.choose(Entry::Push, |view| view.target = Some(id));
    }

    /// Another embedding set.
    pub fn choose_set(self, key: String) {
        self.choose(Entry::Replace, |view| view.method = Some(key));
    }

    /// Another similarity.
    pub fn choose_similarity(self, name: &str) {
        self.choose(Entry::Replace, |view| view.similarity = Some(name.to_owned()));
    }

    /// Whether there is something to see: a ranking, the empty page, or why
    /// there is none.
    pub fn is_ready(self) -> bool {
        self.started.get() && self.pending.with(Option::is_none)
    }

    /// The same, without being told of changes.
    pub fn is_ready_untracked(self) -> bool {
        untrack(|| self.is_ready())
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}
