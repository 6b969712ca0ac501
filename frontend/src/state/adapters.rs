//! How an adapter of the visitor's comes to be shown.

use super::{Entry, Store};
use crate::failure::Failure;
use crate::guest;
use crate::later::Coming;
use crate::platform::{self, Cancel, LocalFile};
use leptos::prelude::*;
use std::sync::Arc;
use tupate_embedding::folder;

/// What opens the files of an adapter, as [`open`] does.
pub type Open = fn(Store, Option<String>, Vec<LocalFile>, u64) -> Coming<()>;

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
        let view = self.view.get_untracked();
        let guest = guest::read(&all, folder, &loaded, view.method.as_deref())?;
        let guest = Arc::new(match self.guest.get_untracked() {
            Some(earlier) => guest.with(&earlier),
            None => guest,
        });
        if loaded.sharded.is_some() {
            if self.turn.get_value() == turn {
                self.ask_shards(view, Some(guest), Entry::Replace);
            }
            return Ok(());
        }
        self.prepare(&loaded, view, Some(guest.clone()), turn).await;
        if self.turn.get_value() == turn {
            self.guest.set(Some(guest));
            platform::focus("answer-head");
        }
        Ok(())
    }
}
