//! Deflating and inflating (RFC 1951), which browsers do by themselves.

use super::Cancel;
use super::fetch::read;
use crate::failure::Trouble;
use js_sys::{Array, Function, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, ReadableStream, ReadableWritablePair};

/// Deflates; `None` where the browser cannot.
pub async fn deflate(bytes: &[u8]) -> Option<Vec<u8>> {
    run(bytes, &stream("CompressionStream")?, u64::MAX).await.ok()
}

/// Inflates to at most `most` bytes.
///
/// # Errors
/// When there would be more, or the bytes are not deflated ones.
pub async fn inflate(bytes: &[u8], most: u64) -> Result<Vec<u8>, Trouble> {
    let through = stream("DecompressionStream")
        .ok_or_else(|| Trouble::Unreadable("this browser cannot unpack it".into()))?;
    run(bytes, &through, most).await
}

/// One of the browser's streams for this format, by the name of its class.
fn stream(class: &str) -> Option<ReadableWritablePair> {
    let class = Reflect::get(&js_sys::global(), &JsValue::from_str(class)).ok()?;
    let class: Function = class.dyn_into().ok()?;
    let format = Array::of1(&JsValue::from_str("deflate-raw"));
    Reflect::construct(&class, &format).ok().map(JsCast::unchecked_into)
}

async fn run(bytes: &[u8], through: &ReadableWritablePair, most: u64) -> Result<Vec<u8>, Trouble> {
    let cancel = Cancel::new().ok_or(Trouble::Cancelled)?;
    let blob = Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes)));
    let blob = blob.map_err(|_| Trouble::Broken { received: 0 })?;
    let stream: ReadableStream = blob.stream().pipe_through(through);
    read(stream, None, most, &cancel.signal(), |_| ()).await
}
