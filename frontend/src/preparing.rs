//! Rankings of a heavy zoo, computed before they are shown.

use crate::answer::{Loaded, asked};
use crate::guest::{self, Guest};
use crate::later::Coming;
use crate::state::Store;
use std::sync::Arc;
use tupate_embedding::TaskEmbedding;
use tupate_zoo::link::View;
use tupate_zoo::rank_in_pieces;

/// What prepares rankings, as [`prepare`] does.
pub type Prepare = fn(Store, Arc<Loaded>, View, Option<Arc<Guest>>, u64) -> Coming<()>;

/// [`rank`] for the page, while its turn is the one given.
pub fn prepare(
    store: Store,
    loaded: Arc<Loaded>,
    view: View,
    guest: Option<Arc<Guest>>,
    turn: u64,
) -> Coming<()> {
    Box::pin(async move {
        let breather = store.breather(turn);
        let guest = guest.as_ref().map(|guest| &*guest.embeddings);
        rank(&loaded, &view, guest, &async || breather.pause().await).await;
        Some(())
    })
}

/// Has the rankings at hand that are shown of a view, and of an adapter if there is one:
/// computed in pieces of a few milliseconds, with a `pause` between them.
pub async fn rank(
    loaded: &Loaded,
    view: &View,
    guest: Option<&[TaskEmbedding]>,
    pause: &impl AsyncFn(),
) {
    let of_view = asked(loaded, view, None);
    let beside = match (guest, view.compare.first()) {
        (Some(guest), _) => guest::asked(loaded, view, guest).ok(),
        (None, Some(other)) => asked(loaded, view, Some(other)).ok(),
        (None, None) => None,
    };
    // Why there is no ranking, is said to those who ask for it.
    for asked in of_view.into_iter().chain(beside) {
        let query = asked.query();
        if !loaded.recent.knows(&query)
            && let Ok(ranking) = rank_in_pieces(&loaded.zoo, &query, pause).await
        {
            loaded.recent.keep(&query, &ranking);
        }
    }
}
