//! What nobody needs any more goes away: once the server is up, and every now and then.

use super::{Inner, off_thread};
use crate::artefacts::Referred;
use crate::ids::UploadId;
use crate::problem::Failure;
use crate::store::{Owner, StoreError, now};
use std::sync::Arc;
use tokio::time::timeout;
use tupate_api::{Data, RunState};

/// Tidies up until the server stops.
pub(super) async fn now_and_then(runs: Arc<Inner>) {
    let mut stopping = runs.stopping.subscribe();
    while !*stopping.borrow_and_update() {
        if let Err(error) = runs.tidy().await {
            tracing::warn!(%error, "what nobody needs stays for now");
        }
        let _ = timeout(runs.limits.tidy, stopping.changed()).await;
    }
}

impl Inner {
    /// Removes uploads that were not used for long, and files that nobody refers to: what
    /// a crash left behind, and what could not be removed when its owner wanted it gone.
    async fn tidy(&self) -> Result<(), StoreError> {
        // Whatever is made has its files first and is referred to a moment later: nothing
        // of that kind is under way while these are held.
        let _uploading = self.uploading.lock().await;
        let _queue = self.queue.lock().await;
        let _publishing = self.publishing.lock().await;
        let life = u64::try_from(self.limits.upload_life.as_millis()).unwrap_or(u64::MAX);
        let uploads = self.store.forget_uploads(now().saturating_sub(life)).await?;
        let runs = self.store.run_ids().await?;
        let zoos = self.store.zoos().await?;
        let keep = Referred {
            runs: runs.iter().map(ToString::to_string).collect(),
            uploads: uploads.into_iter().collect(),
            zoos: zoos.into_iter().map(|zoo| zoo.summary.sha256).collect(),
        };
        let artefacts = Arc::clone(&self.artefacts);
        off_thread(move || artefacts.sweep(&keep))
            .await
            .map_err(|e| StoreError::Failed(format!("files of runs cannot be tidied up: {e}")))
    }

    /// Removes an owner's upload, unless a run of theirs is yet to be tuned on it.
    pub async fn remove_upload(&self, id: &UploadId, owner: &Owner) -> Result<(), Failure> {
        use RunState::{Cancelling, Queued, Running};
        let _uploading = self.uploading.lock().await;
        let _queue = self.queue.lock().await;
        let text = id.to_string();
        let busy = self.store.in_states(&[Queued, Running, Cancelling]).await?;
        let uses = |data: &Data| matches!(data, Data::Upload(upload) if *upload == text);
        let mut theirs = busy.into_iter().filter(|busy| busy.owner == owner.id);
        if let Some(user) = theirs.find(|busy| uses(&busy.run.spec.data)) {
            return Err(Failure::UploadInUse(user.run.id));
        }
        if !self.store.remove_upload(id, owner).await? {
            return Err(Failure::UnknownUpload(text));
        }
        // Others may have sent the same.
        if self.store.upload(id, None).await?.is_none() {
            let (artefacts, id) = (Arc::clone(&self.artefacts), id.clone());
            if let Err(error) = off_thread(move || artefacts.remove_upload(&id)).await {
                tracing::warn!(%error, "the file of a removed upload stays for now");
            }
        }
        Ok(())
    }
}
