//! How a zoo comes to be shown.

use super::reading::Read;
use super::{Doubt, Entry, Pending, Store};
use crate::answer::{Loaded, Origin, complete, same_file};
use crate::failure::Failure;
use crate::guest;
use crate::library::Kept;
use crate::platform::{self, Cancel, Database, LocalFile};
use crate::source::{self, Source};
use futures::future::join;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;
use std::task::{Context, Waker};
use tupate_api::ZooFile;
use tupate_zoo::link::{self, View};

/// After this many milliseconds, waiting is shown with figures.
const SLOW: i32 = 300;
/// Files kept for the browser's back button: how many, and how large at most.
const KEPT_FILES: usize = 4;
const KEPT_BYTES: u64 = 32 << 20;

impl Store {
    /// Asks the browser and the server what they have, and opens what the address asks
    /// for.
    pub fn start(self) {
        let mut starting = Box::pin(async move {
            let wish = View::from_fragment(&platform::fragment());
            let kept = async {
                if let Some(opened) = Database::opened().await {
                    self.take_library(opened);
                }
                self.open_at_once(&wish)
            };
            // Neither waits for the other.
            let (at_once, info) = join(kept, source::ask_server()).await;
            match info {
                Ok(info) => self.server.set(info),
                Err(failure) => {
                    // Asked again below, this would be taken away.
                    self.started.set(true);
                    return self.failure.set(Some(failure));
                }
            }
            self.started.set(true);
            match at_once {
                // The visitor has turned to something else meanwhile.
                Some((_, turn)) if self.turn.get_value() != turn => {}
                Some((kept, turn)) if wish.sha256.is_some() || !self.is_displaced(&kept) => {
                    // What is not read yet asks when it is.
                    if self.pending.with_untracked(Option::is_none) {
                        self.ask_for_newer(&kept, turn).await;
                    }
                }
                _ => self.find(wish, Entry::Replace),
            }
        });
        // Both are asked now, and answer while the page is drawn.
        if starting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            spawn_local(starting);
        }
        window_event_listener(leptos::ev::hashchange, move |_| {
            self.go(View::from_fragment(&platform::fragment()), Entry::Replace);
        });
    }

    /// Opens what needs no word of the server's: a copy of the very file that is asked for,
    /// or of the server's own. The latter may turn out to be an old one.
    fn open_at_once(self, wish: &View) -> Option<(Kept, u64)> {
        let kept = self.library.with_untracked(|library| {
            let is_own = |kept: &&Kept| matches!(kept.origin, Origin::Server { first: true, .. });
            match (&wish.sha256, wish.source()) {
                (_, link::Source::Inline(_)) => None,
                (Some(sha256), source) => library.iter().find(|kept| {
                    // Whether a server has what was once opened as a file, it must say first.
                    let local = matches!(kept.origin, Origin::File(_));
                    kept.sha256 == *sha256 && local == matches!(source, link::Source::File(_))
                }),
                (None, link::Source::Own) => library.iter().find(is_own),
                (None, _) => None,
            }
            .cloned()
        })?;
        self.open(Source::Copy(kept.clone()), wish.clone(), Entry::Replace);
        Some((kept, self.turn.get_value()))
    }

    /// Whether the server shows another zoo than this copy of its own, not only a newer
    /// file of the same.
    fn is_displaced(self, kept: &Kept) -> bool {
        let Origin::Server { url, first: true } = &kept.origin else { return false };
        self.server.with_untracked(|server| {
            let first = server.as_ref().and_then(|server| server.zoos.first());
            first.is_some_and(|first| first.url != *url && first.sha256 != kept.sha256)
        })
    }

    /// Shows what a link asks for.
    pub fn go(self, wish: View, entry: Entry) {
        self.stop();
        self.elsewhere.set(None);
        self.guest.set(None);
        let shown = self.loaded.with_untracked(Option::is_some);
        if shown && same_file(&self.view.get_untracked(), &wish) {
            let Some(loaded) = self.loaded.get_untracked() else { return };
            return match loaded.sharded {
                Some(_) => self.ask_shards(wish, None, entry),
                None => self.when_ranked(loaded, wish, entry, Self::adopt),
            };
        }
        let kept = self.kept.with_value(|kept| {
            let same = |l: &&Arc<Loaded>| {
                wish.sha256.as_ref() == Some(&l.sha256) && wish.zoo == l.origin.in_link()
            };
            kept.iter().find(same).cloned()
        });
        if let Some(kept) = kept {
            return self.when_ranked(kept, wish, entry, Self::adopt);
        }
        self.find(wish, entry);
    }

    fn find(self, wish: View, entry: Entry) {
        match self.source_of(&wish) {
            Ok(Some(source)) => self.open(source, wish, entry),
            Ok(None) => {
                self.loaded.set(None);
                match wish.source() {
                    link::Source::File(_) => self.elsewhere.set(Some(wish)),
                    _ => self.view.set(wish),
                }
            }
            Err(failure) => {
                self.loaded.set(None);
                self.failure.set(Some(failure));
            }
        }
    }

    /// Where to get what a link asks for: a copy that this browser keeps of the very
    /// file, or where the link says.
    fn source_of(self, wish: &View) -> Result<Option<Source>, Failure> {
        let zoos =
            self.server.with_untracked(|s| s.as_ref().map_or(Vec::new(), |s| s.zoos.clone()));
        let copy = |sha256: &str| {
            let same = |kept: &&Kept| kept.sha256 == sha256;
            let mut kept = self.library.with_untracked(|l| l.iter().find(same).cloned())?;
            // It may have been opened as a file before: links are to lead to the server's.
            if let Some(zoo) = zoos.iter().find(|zoo| zoo.sha256 == sha256) {
                kept.origin = self.origin_of(&Source::Server(zoo.clone()));
            }
            Some(kept)
        };
        if let link::Source::Inline(data) = wish.source() {
            return Ok(Some(Source::Link(data.to_owned())));
        }
        if let Some(kept) = wish.sha256.as_deref().and_then(copy) {
            return Ok(Some(Source::Copy(kept)));
        }
        let listed = |zoo: &ZooFile| match copy(&zoo.sha256) {
            Some(kept) => Source::Copy(kept),
            None => Source::Server(zoo.clone()),
        };
        match wish.source() {
            link::Source::Own => {
                let same = |zoo: &&ZooFile| wish.sha256.as_ref() == Some(&zoo.sha256);
                let own = zoos.iter().find(same).or(zoos.first()).map(listed);
                // Without a server, the zoo that it showed last.
                Ok(own.or_else(|| {
                    let last = |kept: &&Kept| kept.origin.in_link().is_none();
                    self.library.with_untracked(|l| l.iter().find(last).cloned()).map(Source::Copy)
                }))
            }
            link::Source::Url(url) => match zoos.iter().find(|zoo| zoo.url == url) {
                Some(zoo) => Ok(Some(listed(zoo))),
                None => source::checked_address(url).map(Source::Url).map(Some),
            },
            link::Source::File(_) | link::Source::Inline(_) => Ok(None),
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

    /// Opens a zoo that this browser keeps.
    pub fn open_kept(self, kept: Kept) {
        self.open(Source::Copy(kept), View::default(), Entry::Push);
    }

    /// Opens files of this device: a zoo, or the files of an adapter, which lie in
    /// `folder`.
    pub fn open_files(self, folder: Option<String>, files: Vec<LocalFile>) {
        let names: Vec<String> = files.iter().map(LocalFile::name).collect();
        if guest::is_adapter(names.iter().map(String::as_str)) {
            return self.open_adapter(folder, files);
        }
        let zoo = files.iter().find(|file| file.name().ends_with(".safetensors"));
        let Some(file) = zoo.or(files.first()).cloned() else { return };
        // Where a link waits for a file, it decides what is shown of it.
        let wish = self.elsewhere.get_untracked().unwrap_or_default();
        self.open(Source::File(file), wish, Entry::Push);
    }

    fn open_adapter(self, folder: Option<String>, files: Vec<LocalFile>) {
        self.failure.set(None);
        let turn = self.turn.get_value();
        spawn_local(async move {
            match (self.later.guest)().await {
                Some(adapters) => drop((adapters.open)(self, folder, files, turn).await),
                None => self.failure.set(Some(Failure::no_part("Reading an adapter"))),
            }
        });
    }

    /// Fetches the file behind a copy anew.
    pub fn renew(self, kept: &Kept) {
        let wish = View { sha256: None, ..self.view.get_untracked() };
        let Some(place) = kept.origin.address() else { return };
        // One of the server's stays one of the server's.
        let listed = self.server.with_untracked(|server| {
            server.iter().flat_map(|server| &server.zoos).find(|zoo| zoo.url == place).cloned()
        });
        match listed {
            Some(listed) => self.open(Source::Server(listed), wish, Entry::Push),
            None => match source::checked_address(place) {
                Ok(address) => self.open(Source::Url(address), wish, Entry::Push),
                Err(failure) => self.failure.set(Some(failure)),
            },
        }
    }

    /// Calls off whatever is on its way, and takes messages away.
    pub fn stop(self) {
        if let Some(cancel) = self.cancel.try_update_value(Option::take).flatten() {
            cancel.call_off();
        }
        self.turn.update_value(|turn| *turn += 1);
        self.wanted.set_value(None);
        self.pending.set(None);
        self.doubt.set(None);
        self.failure.set(None);
        self.newer.set(None);
    }

    fn open(self, source: Source, wish: View, entry: Entry) {
        self.stop();
        self.guest.set(None);
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
            let opened = match self.read(&source, &wish, &cancel, turn).await {
                Ok(Read { loaded, rest }) => {
                    let loaded = Arc::new(loaded);
                    self.prepare(&loaded, wish.clone(), None, turn).await;
                    Ok((loaded, rest))
                }
                Err(failure) => Err(failure),
            };
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
                Ok((loaded, rest)) => {
                    self.welcome(loaded.clone(), wish, entry);
                    if entry == Entry::Push {
                        // Where zoos are opened is far below what is shown of them.
                        platform::begin();
                    }
                    if let Some(rest) = rest {
                        self.complete_later(&source, &loaded, rest, &cancel, turn).await;
                    }
                    // Before the start is over, who lists the file has not answered yet.
                    if let Source::Copy(kept) = &source
                        && self.started.get_untracked()
                    {
                        self.ask_for_newer(kept, turn).await;
                    }
                }
            }
        });
    }

    /// Shows a zoo, unless a link promised another.
    pub(super) fn welcome(self, loaded: Arc<Loaded>, wish: View, entry: Entry) {
        match &wish.sha256 {
            Some(expected) if *expected != loaded.sha256 => {
                // What is shown must be what the address says: nothing, until
                // the visitor has decided.
                self.loaded.set(None);
                self.doubt.set(Some(Doubt { loaded, expected: expected.clone(), wish, entry }));
            }
            _ => self.adopt(&loaded, &wish, entry),
        }
    }

    /// The visitor wants the file that is there.
    pub fn use_anyway(self) {
        if let Some(doubt) = self.doubt.get_untracked() {
            self.stop();
            self.adopt(&doubt.loaded, &doubt.wish, doubt.entry);
        }
    }

    fn adopt(self, loaded: &Arc<Loaded>, wish: &View, entry: Entry) {
        self.elsewhere.set(None);
        if loaded.sharded.is_none() {
            self.shards.set_value(None);
        }
        let view = complete(loaded, wish);
        self.kept.update_value(|kept| {
            kept.retain(|other| other.sha256 != loaded.sha256 || other.origin != loaded.origin);
            if loaded.whole && loaded.sharded.is_none() && loaded.bytes <= KEPT_BYTES {
                kept.push(loaded.clone());
                let extra = kept.len().saturating_sub(KEPT_FILES);
                kept.drain(..extra);
            }
        });
        self.loaded.set(Some(loaded.clone()));
        self.show(view, entry);
    }
}
