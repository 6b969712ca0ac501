//! What the page knows, and how it comes to know it.

pub mod adapters;
pub mod keeping;
mod opening;
mod reading;
mod sharded;

use crate::answer::{Answer, Loaded, answer, complete};
use crate::failure::Failure;
use crate::guest::Guest;
use crate::later::Later;
use crate::library::Kept;
use crate::platform::{self, Bytes, Cancel, Database};
use crate::shards::Shards;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::rc::Rc;
use std::sync::Arc;
use tupate_api::Info;
use tupate_zoo::link::View;
use tupate_zoo::narrow;

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

/// A file that has changed since this browser's copy of it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Newer {
    /// The copy.
    pub kept: Kept,
    /// The host could not be asked, and the copy may be old.
    pub unknown: bool,
}

/// What becomes of the page's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A new one, to go back from.
    Push,
    /// Changed in place.
    Replace,
}

/// What is done with a zoo and a view when its rankings are there.
type Then = fn(Store, &Arc<Loaded>, &View, Entry);

/// The page's state. Copied freely: it holds handles only.
#[derive(Clone, Copy)]
pub struct Store {
    /// The parts of the program that come when they are needed.
    pub later: Later,
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
    /// What is shown is a copy, and the file behind it has changed or cannot be asked
    /// for.
    pub newer: RwSignal<Option<Newer>>,
    /// What the link says.
    pub view: RwSignal<View>,
    /// An adapter of this device, whose sources are shown instead of the target's.
    pub guest: RwSignal<Option<Arc<Guest>>>,
    /// The ranking, or why there is none.
    pub answer: Memo<Option<Result<Answer, Failure>>>,
    /// Some of the ranking is not drawn yet.
    pub unfinished: RwSignal<bool>,
    /// The visitor looks at how sources are ranked.
    pub ways: RwSignal<bool>,
    /// The zoos that this browser keeps, those opened last first.
    pub library: RwSignal<Vec<Kept>>,
    /// Why a zoo could not be kept.
    pub not_kept: RwSignal<Option<String>>,
    database: StoredValue<Option<Database>, LocalStorage>,
    /// sha256 and bytes of a file until it is shown or kept: of the one that was opened last,
    /// or at first of a copy.
    at_hand: StoredValue<Option<(String, Bytes)>, LocalStorage>,
    /// The workers with what is shown, if it is in shards or large.
    shards: StoredValue<Option<Rc<Shards>>, LocalStorage>,
    /// What the shards were asked for last, until they answer.
    wanted: StoredValue<Option<View>>,
    turn: StoredValue<u64>,
    cancel: StoredValue<Option<Cancel>, LocalStorage>,
    kept: StoredValue<Vec<Arc<Loaded>>>,
}

impl Store {
    /// Nothing known yet.
    pub fn new(later: Later) -> Self {
        let loaded = RwSignal::new(None::<Arc<Loaded>>);
        let view = RwSignal::new(View::default());
        let guest = RwSignal::new(None::<Arc<Guest>>);
        Self {
            later,
            server: RwSignal::new(None),
            started: RwSignal::new(false),
            pending: RwSignal::new(None),
            loaded,
            doubt: RwSignal::new(None),
            elsewhere: RwSignal::new(None),
            failure: RwSignal::new(None),
            view,
            newer: RwSignal::new(None),
            guest,
            answer: Memo::new(move |_| {
                let loaded = loaded.get()?;
                Some(view.with(|view| match guest.get() {
                    Some(guest) => (guest.answer)(&loaded, view, &guest.embeddings),
                    None => answer(&loaded, view),
                }))
            }),
            unfinished: RwSignal::new(false),
            ways: RwSignal::new(false),
            library: RwSignal::new(Vec::new()),
            not_kept: RwSignal::new(None),
            database: StoredValue::new_local(None),
            at_hand: StoredValue::new_local(None),
            shards: StoredValue::new_local(None),
            wanted: StoredValue::new(None),
            turn: StoredValue::new(0),
            cancel: StoredValue::new_local(None),
            kept: StoredValue::new(Vec::new()),
        }
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
        let mut wish = self.wanted.get_value().unwrap_or_else(|| self.view.get_untracked());
        change(&mut wish);
        if loaded.sharded.is_some() {
            let guest = self.guest.get_untracked();
            return self.ask_shards(wish, guest, entry);
        }
        self.when_ranked(loaded, wish, entry, |store, loaded, wish, entry| {
            store.show(complete(loaded, wish), entry);
        });
    }

    /// Goes on when the rankings of a view are there: at once, but for a zoo that takes its
    /// time.
    fn when_ranked(self, loaded: Arc<Loaded>, wish: View, entry: Entry, then: Then) {
        if !loaded.is_heavy() {
            return then(self, &loaded, &wish, entry);
        }
        self.wanted.set_value(Some(wish.clone()));
        let (guest, turn) = (self.guest.get_untracked(), self.turn.get_value());
        spawn_local(async move {
            self.prepare(&loaded, wish.clone(), guest, turn).await;
            // Asked for something else meanwhile, which will be answered next.
            if self.wanted.with_value(|wanted| wanted.as_ref() == Some(&wish)) {
                self.wanted.set_value(None);
                then(self, &loaded, &wish, entry);
            }
        });
    }

    /// Has the rankings of a view at hand before it is shown, where they take their time.
    async fn prepare(self, loaded: &Arc<Loaded>, view: View, guest: Option<Arc<Guest>>, turn: u64) {
        if loaded.is_heavy()
            // Without it the page stands still meanwhile.
            && let Some(prepare) = (self.later.prepare)().await
        {
            prepare(self, loaded.clone(), view, guest, turn).await;
        }
    }

    /// Another target; the back button leads to the one before.
    pub fn choose_target(self, id: String) {
        self.guest.set(None);
        self.choose(Entry::Push, |view| view.target = Some(id));
    }

    /// The view's own target, in place of an adapter.
    pub fn dismiss_guest(self) {
        self.guest.set(None);
        if self.loaded.with_untracked(|l| l.as_ref().is_some_and(|l| l.sharded.is_some())) {
            self.ask_shards(self.view.get_untracked(), None, Entry::Replace);
        }
    }

    /// Another embedding set or ensemble.
    pub fn choose_method(self, key: String) {
        self.choose(Entry::Replace, |view| view.method = Some(key));
    }

    /// Another method to hold against the first; `None` for none.
    pub fn choose_beside(self, key: Option<String>) {
        self.choose(Entry::Replace, |view| view.compare = key.into_iter().collect());
    }

    /// Narrows the sources by one of the filters of [`narrow`], or no longer.
    pub fn filter(self, name: &str, value: Option<String>) {
        self.choose(Entry::Replace, |view| narrow::set(&mut view.filters, name, value));
    }

    /// Takes every filter away.
    pub fn filter_nothing(self) {
        self.choose(Entry::Replace, |view| view.filters.clear());
    }

    /// Another similarity.
    pub fn choose_similarity(self, name: &str) {
        self.choose(Entry::Replace, |view| view.similarity = Some(name.to_owned()));
    }

    /// Another choice that a link holds; the back button does not lead to the one before.
    pub fn adjust(self, change: impl FnOnce(&mut View)) {
        self.choose(Entry::Replace, change);
    }

    /// Whether there is something to see: a ranking, the empty page, or why
    /// there is none.
    pub fn is_ready(self) -> bool {
        self.started.get() && self.pending.with(Option::is_none) && !self.unfinished.get()
    }
}
