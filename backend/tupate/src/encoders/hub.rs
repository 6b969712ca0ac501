//! Encoders from the Hugging Face hub, at their pinned revisions.

use super::Known;
use crate::failure::Failure;
use crate::hub::{connect, fetch_file, is_complete};
use crate::progress::Watch;
use hf_hub::HFClient;
use std::path::Path;

/// Gets every file of `known` into `folder`. A file that was cut off is
/// continued; one that is there and sound is not fetched again.
pub fn fetch(known: &Known, folder: &Path, watch: &mut dyn Watch) -> Result<(), Failure> {
    let (runtime, client) = connect()?;
    runtime.block_on(fetch_with(&client, known, folder, watch))
}

async fn fetch_with(
    client: &HFClient,
    known: &Known,
    folder: &Path,
    watch: &mut dyn Watch,
) -> Result<(), Failure> {
    let (owner, name) = known.repository;
    let repository = client.model(owner, name);
    for file in known.files {
        let path = folder.join(file.path);
        if !is_complete(&path, file.sha256)? {
            let (revision, sha256) = (known.revision, file.sha256);
            fetch_file(&repository, revision, file.path, sha256, &path, watch).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
