//! How what a visitor has tuned comes to be shown.

use super::{Entry, Store};
use crate::answer::Loaded;
use crate::failure::Failure;
use crate::guest::{self, Guest};
use crate::later::Coming;
use crate::platform::{self, Cancel, LocalFile};
use leptos::prelude::*;
use std::sync::Arc;
use tupate_embedding::folder;

/// What shows the sources of things from outside of the zoo.
#[derive(Debug)]
pub struct Adapters {
    /// Opens the files of an adapter; see [`open`].
    pub open: fn(Store, Option<String>, Vec<LocalFile>, u64) -> Coming<()>,
    /// Ranks runs; see [`rank_runs`].
    pub rank_runs: fn(Store, Vec<Vec<u8>>) -> Coming<Ranked>,
}

/// Whether there is a ranking to look at now, or why there is none.
pub type Ranked = Result<(), Failure>;

/// All of it.
pub static ADAPTERS: Adapters = Adapters { open, rank_runs };

/// Shows the sources of a task whose runs made these zoos, the one that is looked at first,
/// or tells why it cannot.
pub fn rank_runs(store: Store, runs: Vec<Vec<u8>>) -> Coming<Ranked> {
    Box::pin(async move { Some(store.rank_zoos_of_runs(&runs).await) })
}

/// Shows the sources of an adapter, whose files lie in `folder`, or why it cannot; nothing
/// when it is another's turn by then.
pub fn open(store: Store, folder: Option<String>, files: Vec<LocalFile>, turn: u64) -> Coming<()> {
    Box::pin(async move {
        if let Err(failure) = store.open_files_of_adapter(folder.as_deref(), files, turn).await
            && store.turn.get_value() == turn
        {
            store.failure.set(Some(failure));
        }
        Some(())
    })
}

impl Store {
    async fn rank_zoos_of_runs(self, runs: &[Vec<u8>]) -> Ranked {
        let turn = self.turn.get_value();
        let loaded = self.loaded.get_untracked().ok_or_else(Failure::no_zoo_for_adapter)?;
        let wish = self.view.with_untracked(|view| view.method.clone());
        let guest = guest::of_runs(runs, &loaded, wish.as_deref())?;
        self.show_guest(&loaded, guest, turn).await;
        Ok(())
    }

    async fn open_files_of_adapter(
        self,
        folder: Option<&str>,
        files: Vec<LocalFile>,
        turn: u64,
    ) -> Result<(), Failure> {
        let Some(cancel) = Cancel::new() else { return Ok(()) };
        let loaded = self.loaded.get_untracked().ok_or_else(Failure::no_zoo_for_adapter)?;
        let mut all = Vec::new();
        for file in files {
            let name = file.name();
            // Of others only the name matters.
            let bytes = match folder::is_read(&name) {
                true => file
                    .read(&cancel, |_| ())
                    .await
                    .map_err(|trouble| Failure::transport(&name, "this device", &trouble))?,
                false => Vec::new(),
            };
            all.push((name, bytes));
        }
        let wish = self.view.with_untracked(|view| view.method.clone());
        let guest = guest::read(&all, folder, &loaded, wish.as_deref())?;
        let guest = match self.guest.get_untracked() {
            Some(earlier) => guest.with(&earlier),
            None => guest,
        };
        self.show_guest(&loaded, guest, turn).await;
        Ok(())
    }

    /// Shows the sources of a guest; nothing when it is another's turn by then.
    async fn show_guest(self, loaded: &Arc<Loaded>, guest: Guest, turn: u64) {
        let (guest, view) = (Arc::new(guest), self.view.get_untracked());
        if loaded.sharded.is_some() {
            if self.turn.get_value() == turn {
                self.ask_shards(view, Some(guest), Entry::Replace);
            }
            return;
        }
        self.prepare(loaded, view, Some(guest.clone()), turn).await;
        if self.turn.get_value() == turn {
            self.guest.set(Some(guest));
            platform::focus("answer-head");
        }
    }
}
