//! Files from the Hugging Face hub, at a pinned revision, resumable.

use super::{Known, Remote, is_complete, make};
use crate::failure::Failure;
use crate::progress::Watch;
use futures::StreamExt;
use hf_hub::{HFClient, HFError};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// Gets every file of `known` into `folder`. A file that was cut off is
/// continued; one that is there and sound is not fetched again. The address of
/// the hub, a token and a proxy come from the usual environment variables
/// (`HF_ENDPOINT`, `HF_TOKEN`, `HTTPS_PROXY`).
pub fn fetch(known: &Known, folder: &Path, watch: &mut dyn Watch) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::Run(format!("no runtime for downloads: {e}")))?;
    let client = HFClient::builder().build().map_err(|e| failed(known, &e))?;
    runtime.block_on(fetch_with(&client, known, folder, watch))
}

async fn fetch_with(
    client: &HFClient,
    known: &Known,
    folder: &Path,
    watch: &mut dyn Watch,
) -> Result<(), Failure> {
    for file in known.files {
        let path = folder.join(file.path);
        if !is_complete(&path, file.sha256)? {
            fetch_file(client, known, file, &path, watch).await?;
        }
    }
    Ok(())
}

fn failed(known: &Known, error: &HFError) -> Failure {
    let (owner, name) = known.repository;
    Failure::Run(format!("cannot get {owner}/{name} from the Hugging Face hub: {error}"))
}

async fn fetch_file(
    client: &HFClient,
    known: &Known,
    file: &Remote,
    path: &Path,
    watch: &mut dyn Watch,
) -> Result<(), Failure> {
    let unwritable = |e: std::io::Error| {
        Failure::Run(format!("cannot write {}: {e}; pull again to continue", path.display()))
    };
    if let Some(parent) = path.parent() {
        make(parent)?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let (owner, name) = known.repository;
    let repository = client.model(owner, name);
    let request = || repository.download_file_stream().filename(file.path).revision(known.revision);

    // A file without a pinned sum cannot be told from another one cut off.
    let have = match (file.sha256, partial.metadata()) {
        (Some(_), Ok(metadata)) => metadata.len(),
        _ => 0,
    };
    let (length, mut stream) = request().send().await.map_err(|e| failed(known, &e))?;
    let mut start = 0;
    if let Some(total) = length.filter(|&total| have > 0 && have < total) {
        drop(stream);
        let (rest, resumed) =
            request().range(have..total).send().await.map_err(|e| failed(known, &e))?;
        stream = resumed;
        // A host that ignores ranges sends everything again.
        if rest.is_none_or(|rest| rest == total - have) {
            start = have;
        }
    }
    let mut out: File = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(partial)
        .map_err(unwritable)?;
    out.set_len(start).map_err(unwritable)?;
    std::io::Seek::seek(&mut out, std::io::SeekFrom::Start(start)).map_err(unwritable)?;
    let mut done = start;
    watch.download(file.path, done, length);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|e| failed(known, &e))?;
        out.write_all(&chunk).map_err(unwritable)?;
        done += chunk.len() as u64;
        watch.download(file.path, done, length);
    }
    out.sync_all().map_err(unwritable)?;
    drop(out);
    if length.is_some_and(|total| total != done) {
        return Err(Failure::Run(format!(
            "{} ended after {done} of {} bytes; pull again to continue",
            file.path,
            length.unwrap_or_default()
        )));
    }
    super::check(partial, file.sha256)?;
    std::fs::rename(partial, path).map_err(unwritable)
}

#[cfg(test)]
mod tests;
