//! The zoos that this browser keeps, for later visits and without a network.

use super::{Newer, Store};
use crate::answer::Loaded;
use crate::failure::Trouble;
use crate::later::Coming;
use crate::library::{self, Kept};
use crate::platform::{self, Bytes, Database, Opened, PAINTED};
use crate::source::Source;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;

/// What keeps a zoo, as [`keep`] does.
pub type Keep = fn(Store, Arc<Loaded>) -> Coming<()>;

/// Keeps a zoo that was opened, or that it was opened again.
pub fn keep(store: Store, loaded: Arc<Loaded>) -> Coming<()> {
    Box::pin(async move {
        store.keep(&loaded).await;
        Some(())
    })
}

impl Store {
    pub(super) fn take_library(self, opened: Opened) {
        self.database.set_value(Some(opened.database));
        self.at_hand.set_value(opened.file);
        self.list_these(&opened.facts);
        // From now on, whatever is shown is kept.
        Effect::new(move |_| {
            if let Some(loaded) = self.loaded.get().filter(|loaded| loaded.whole) {
                spawn_local(async move {
                    platform::sleep(PAINTED).await;
                    // Where it cannot be had, the next visit will keep it.
                    if let Some(keep) = (self.later.keep)().await {
                        keep(self, loaded).await;
                    }
                });
            }
        });
    }

    /// What is kept by now: other tabs keep and remove zoos, too.
    pub async fn list(self) {
        let Some(database) = self.database.get_value() else { return };
        self.list_these(&database.facts().await);
    }

    fn list_these(self, texts: &[String]) {
        let mut kept: Vec<_> = texts.iter().filter_map(|text| Kept::from_text(text)).collect();
        library::sort(&mut kept);
        if self.library.with_untracked(|library| *library != kept) {
            self.library.set(kept);
        }
    }

    /// Whether the zoo that is shown is on its way into the library.
    pub fn is_being_kept(self) -> bool {
        let there = |loaded: &Loaded| {
            self.library.with(|l| l.iter().any(|kept| kept.sha256 == loaded.sha256))
        };
        let whole = self.loaded.with(|l| l.as_ref().is_some_and(|l| l.whole && !there(l)));
        whole && self.not_kept.with(Option::is_none) && self.database.get_value().is_some()
    }

    async fn keep(self, loaded: &Arc<Loaded>) {
        let Some(database) = self.database.get_value() else { return };
        let mut kept = Kept::of(loaded, platform::now());
        let before =
            self.library.with_untracked(|l| l.iter().find(|k| k.sha256 == kept.sha256).cloned());
        let done = match before {
            Some(before) => {
                kept.stays_of(before);
                match database.put_facts(&kept.sha256, &kept.to_text()).await {
                    Ok(true) => Ok(()),
                    // Whoever removed it in another tab does not want it back.
                    Ok(false) => return self.list().await,
                    Err(why) => Err(why),
                }
            }
            None => {
                let Some(file) = self.take_at_hand(&kept.sha256) else { return };
                self.make_room(&database, &kept).await;
                database.put(&kept.sha256, &kept.to_text(), file).await
            }
        };
        self.not_kept.set(done.err());
        if self.not_kept.with_untracked(Option::is_none) {
            self.library.update(|library| {
                library.retain(|other| other.sha256 != kept.sha256);
                library.push(kept);
                library::sort(library);
            });
        }
    }

    async fn make_room(self, database: &Database, kept: &Kept) {
        let gone = self.library.with_untracked(|l| library::room(l, kept.bytes, &kept.sha256));
        for key in gone.into_iter().flatten() {
            if database.remove(&key).await.is_ok() {
                self.library.update(|library| library.retain(|kept| kept.sha256 != key));
            }
        }
    }

    /// The bytes of a zoo that is kept.
    pub(super) async fn copy(self, sha256: &str) -> Option<Bytes> {
        if let Some(file) = self.take_at_hand(sha256) {
            return Some(file);
        }
        self.database.get_value()?.file(sha256).await
    }

    fn take_at_hand(self, sha256: &str) -> Option<Bytes> {
        let taken = self
            .at_hand
            .try_update_value(|file| file.take_if(|file| file.0 == sha256).map(|(_, bytes)| bytes));
        taken.flatten()
    }

    /// The copy that stands in where the host of a file cannot be reached.
    fn copy_of(self, source: &Source, trouble: &Trouble) -> Option<Kept> {
        let away = matches!(
            trouble,
            Trouble::Offline
                | Trouble::Unreachable
                | Trouble::Broken { .. }
                | Trouble::Status { status: 500.., .. }
        );
        let address = source.address().filter(|_| away)?;
        let same = |kept: &&Kept| {
            let own = kept.origin.address().and_then(platform::address);
            own.is_some_and(|own| own.href == address.href)
        };
        self.library.with_untracked(|library| library.iter().find(same).cloned())
    }

    /// The bytes of that copy, and when its file was changed; the page says that it stands in.
    pub(super) async fn copy_instead(
        self,
        source: &Source,
        trouble: &Trouble,
    ) -> Option<(Bytes, Option<String>)> {
        let kept = self.copy_of(source, trouble)?;
        let bytes = self.copy(&kept.sha256).await?;
        let modified = kept.modified.clone();
        self.newer.set(Some(Newer { kept, unknown: true }));
        Some((bytes, modified))
    }

    /// Whether the file behind a copy that is shown has changed.
    pub(super) async fn ask_for_newer(self, kept: &Kept, turn: u64) {
        if self.changed(kept).await == Some(true) && self.turn.get_value() == turn {
            self.newer.set(Some(Newer { kept: kept.clone(), unknown: false }));
        }
    }

    /// Whether the file behind a copy has changed; `None` where nobody says.
    pub async fn changed(self, kept: &Kept) -> Option<bool> {
        let place = kept.origin.address()?;
        let listed = self.server.with_untracked(|server| {
            let zoos = server.iter().flat_map(|server| &server.zoos);
            zoos.filter(|zoo| zoo.url == place).map(|zoo| zoo.sha256 != kept.sha256).next()
        });
        if listed.is_some() {
            return listed;
        }
        let address = platform::address(place)?;
        let (modified, length) = platform::freshness(&address).await?;
        Some(kept.is_older_than(modified.as_deref(), length))
    }

    /// Keeps a zoo no longer.
    pub fn forget(self, sha256: String) {
        spawn_local(async move {
            let Some(database) = self.database.get_value() else { return };
            match database.remove(&sha256).await {
                Ok(()) => self.library.update(|l| l.retain(|kept| kept.sha256 != sha256)),
                Err(why) => self.not_kept.set(Some(why)),
            }
        });
    }
}
