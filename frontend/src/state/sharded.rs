//! Zoos in workers, in shards or in one large file: what is shown of them is asked for
//! anew with every choice.

use super::{Entry, Store};
use crate::answer::complete;
use crate::failure::{Failure, LARGEST_FILE};
use crate::guest::Guest;
use crate::platform::{self, Bytes, Cancel};
use crate::shards::{self, LargeFile, Opened};
use crate::source::Source;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::rc::Rc;
use std::sync::Arc;
use tupate_zoo::TaskEntry;
use tupate_zoo::link::View;
use tupate_zoo::outline;
use tupate_zoo::shards::Index;

impl Store {
    /// Has workers open an index or a large file, and shows what a link asks for; gives the
    /// bytes of a file back that has to be read here: with measured transfer in it, damaged,
    /// no zoo at all, or without a worker.
    pub(crate) async fn open_in_workers(
        self,
        file: LargeFile,
        wish: View,
        cancel: Cancel,
        turn: u64,
    ) -> Result<Opened, Failure> {
        let LargeFile { source, bytes, modified } = file;
        let failed = |trouble| Failure::transport(&source.name(), &source.host(), &trouble);
        let told = move |received, total: Option<u64>| {
            self.report(turn, |pending| {
                (pending.received, pending.total) = (received, total.or(pending.total));
                pending.checking = pending.total == Some(received);
            });
        };
        let (bytes, modified) = match (bytes, source.address()) {
            (Some(bytes), _) => (bytes, modified),
            (None, Some(address)) => {
                let fetched = platform::fetch_blob(&address, LARGEST_FILE, &cancel, &told).await;
                match fetched {
                    Ok((file, modified)) => (Bytes::Browser(file), modified),
                    // What there is, is better than nothing.
                    Err(trouble) => {
                        self.copy_instead(&source, &trouble).await.ok_or_else(|| failed(trouble))?
                    }
                }
            }
            (None, None) => return Err(Failure::no_address(&source.name())),
        };
        let (shards, file) = match bytes {
            Bytes::Here(index) if Index::is_begun_by(&index) => {
                (Rc::new(shards::open(&source, &index, &cancel, told).await?), None)
            }
            bytes => {
                self.report(turn, |pending| pending.checking = true);
                let head = bytes.head(outline::FIRST as u64).await.map_err(failed)?;
                // A file that is too large is refused as it is read.
                if !outline::is_large(&head) || bytes.len() > LARGEST_FILE {
                    let read = match &source {
                        Source::File(file) => file.read(&cancel, |there| told(there, None)).await,
                        // Many bytes of few tasks are kept as those of many are.
                        _ => bytes.here().await,
                    };
                    return Ok(Opened::Bytes(read.map_err(failed)?, modified));
                }
                let file = bytes.blob().await.map_err(failed)?;
                match shards::only(&file, self.origin_of(&source), modified.clone()).await {
                    Some(shards) => (Rc::new(shards), Some(Bytes::Browser(file))),
                    None => {
                        let bytes = Bytes::Browser(file).here().await.map_err(failed)?;
                        return Ok(Opened::Bytes(bytes, modified));
                    }
                }
            }
        };
        let loaded = shards.ask(&wish, None).await?;
        // Opened something else meanwhile: the workers end here.
        if self.turn.get_value() == turn {
            if let Some(file) = file {
                self.take_fresh(&source, &loaded.sha256, file)?;
            }
            self.shards.set_value(Some(shards));
        }
        Ok(Opened::Workers(Box::new(loaded)))
    }

    /// Asks the shards for what a view wishes, and shows it.
    pub(super) fn ask_shards(self, wish: View, guest: Option<Arc<Guest>>, entry: Entry) {
        let Some(shards) = self.shards.get_value() else { return };
        let turn = self.turn.get_value();
        self.wanted.set_value(Some(wish.clone()));
        spawn_local(async move {
            let loaded = match (self.later.shards)().await {
                Some(handling) => (handling.ask)(shards, wish.clone(), guest.clone()).await,
                None => Err(Failure::no_part("Ranking")),
            };
            // Asked for something else meanwhile, which will be answered next.
            let now = self.wanted.with_value(|wanted| wanted.as_ref() == Some(&wish));
            if self.turn.get_value() != turn || !now {
                return;
            }
            self.wanted.set_value(None);
            match loaded {
                Ok(loaded) => {
                    let loaded = Arc::new(loaded);
                    // An adapter has no place in a link: the view keeps its own target.
                    let view = guest.is_none().then(|| complete(&loaded, &wish));
                    self.guest.set(guest);
                    self.loaded.set(Some(loaded));
                    match view {
                        Some(view) => self.show(view, entry),
                        None => {
                            self.view.set(wish);
                            platform::focus("answer-head");
                        }
                    }
                }
                Err(failure) => self.failure.set(Some(failure)),
            }
        });
    }

    /// Tasks of the shards whose names hold a text; `None` where the zoo is one file.
    pub async fn search(self, text: String) -> Option<Vec<TaskEntry>> {
        let shards = self.shards.get_value()?;
        let handling = (self.later.shards)().await?;
        Some((handling.search)(shards, self.view.get_untracked(), text).await)
    }
}
