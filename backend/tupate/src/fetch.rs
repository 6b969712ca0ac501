//! Bytes of a file or of an http(s) address.

use crate::failure::Failure;
use futures::StreamExt;
use std::time::Duration;

/// Largest zoo that is read.
const MAX_BYTES: u64 = 512 << 20;

/// Reads a zoo's bytes from a file or a URL.
pub fn bytes(source: &str) -> Result<Vec<u8>, Failure> {
    if source.starts_with("http://") || source.starts_with("https://") {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Failure::Run(format!("no runtime for downloads: {e}")))?;
        return runtime.block_on(download(source));
    }
    let unreadable = |e: std::io::Error| Failure::Input(format!("cannot read {source}: {e}"));
    let size = std::fs::metadata(source).map_err(unreadable)?.len();
    if size > MAX_BYTES {
        return Err(too_large(source, size));
    }
    std::fs::read(source).map_err(unreadable)
}

fn too_large(source: &str, size: u64) -> Failure {
    Failure::Input(format!(
        "{source} has {size} bytes; zoos up to {MAX_BYTES} bytes are read. Is this a zoo?"
    ))
}

async fn download(url: &str) -> Result<Vec<u8>, Failure> {
    let failed = |e: reqwest::Error| Failure::Run(format!("cannot get {url}: {}", chain(&e)));
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(15))
        .read_timeout(Duration::from_secs(30))
        .build()
        .map_err(failed)?;
    let response = client.get(url).send().await.map_err(failed)?;
    let status = response.status();
    if !status.is_success() {
        return Err(Failure::Run(format!("cannot get {url}: the server answered {status}")));
    }
    if let Some(size) = response.content_length().filter(|size| *size > MAX_BYTES) {
        return Err(too_large(url, size));
    }
    let mut bytes = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.map_err(failed)?);
        if bytes.len() as u64 > MAX_BYTES {
            return Err(too_large(url, bytes.len() as u64));
        }
    }
    Ok(bytes)
}

/// An error with all its causes: reqwest keeps the telling one inside.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
