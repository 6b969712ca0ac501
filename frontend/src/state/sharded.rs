//! Zoos in shards: what is shown of them is asked for anew with every choice.

use super::{Entry, Store};
use crate::answer::{Loaded, complete};
use crate::failure::Failure;
use crate::guest::Guest;
use crate::platform::{self, Cancel};
use crate::source::Source;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;
use tupate_zoo::TaskEntry;
use tupate_zoo::link::View;

impl Store {
    /// Fetches the shards of an index, and shows what a link asks for.
    pub(super) async fn open_shards(
        self,
        source: &Source,
        bytes: Vec<u8>,
        wish: &View,
        cancel: &Cancel,
        turn: u64,
    ) -> Result<Loaded, Failure> {
        let missing = || Failure::no_part(&source.name());
        let handling = (self.later.shards)().await.ok_or_else(missing)?;
        let told = move |received, total| {
            self.report(turn, |pending| {
                (pending.received, pending.total) = (received, Some(total));
                pending.checking = received == total;
            });
        };
        let told = Box::new(told);
        let shards = (handling.open)(source.clone(), bytes, cancel.clone(), told).await?;
        let loaded = (handling.ask)(shards.clone(), wish.clone(), None).await?;
        // Opened something else meanwhile: these workers end here.
        if self.turn.get_value() == turn {
            self.shards.set_value(Some(shards));
        }
        Ok(loaded)
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
