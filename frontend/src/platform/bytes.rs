//! A file's bytes, in the program's memory or the browser's.

use super::sleep;
use crate::failure::Trouble;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

pub use web_sys::Blob;

/// Bytes that pass between the program and the browser at once: some two milliseconds.
const PIECE: usize = 4 << 20;

/// A file's bytes.
#[derive(Clone)]
pub enum Bytes {
    /// In the memory of this program, which never gives any back.
    Here(Vec<u8>),
    /// In the browser's hands, who may keep them on a disk.
    Browser(Blob),
}

impl Bytes {
    /// How many there are.
    pub fn len(&self) -> u64 {
        match self {
            Self::Here(bytes) => bytes.len() as u64,
            Self::Browser(blob) => blob.size() as u64,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In the browser's hands, handed over in pieces.
    ///
    /// # Errors
    /// When the browser has no memory for them.
    pub async fn blob(self) -> Result<Blob, Trouble> {
        let bytes = match self {
            Self::Browser(blob) => return Ok(blob),
            Self::Here(bytes) => bytes,
        };
        let parts = Array::new();
        for piece in bytes.chunks(PIECE) {
            let piece = Array::of1(&Uint8Array::from(piece));
            let piece = Blob::new_with_u8_array_sequence(&piece).map_err(|_| no_room())?;
            parts.push(&piece);
            sleep(0).await;
        }
        Blob::new_with_blob_sequence(&parts).map_err(|_| no_room())
    }

    /// The first of them, `most` at most.
    ///
    /// # Errors
    /// When the browser cannot read them.
    pub async fn head(&self, most: u64) -> Result<Vec<u8>, Trouble> {
        match self {
            Self::Here(bytes) => Ok(bytes.iter().take(most as usize).copied().collect()),
            Self::Browser(blob) => part(blob, 0, most as usize).await.map(|bytes| bytes.to_vec()),
        }
    }

    /// In this program's memory, read in pieces.
    ///
    /// # Errors
    /// When the browser cannot read them.
    pub async fn here(self) -> Result<Vec<u8>, Trouble> {
        match self {
            Self::Here(bytes) => Ok(bytes),
            Self::Browser(blob) => {
                let mut bytes = vec![0; blob.size() as usize];
                for (i, place) in bytes.chunks_mut(PIECE).enumerate() {
                    let piece = part(&blob, i * PIECE, place.len()).await?;
                    if piece.length() as usize != place.len() {
                        return Err(unreadable());
                    }
                    piece.copy_to(place);
                }
                Ok(bytes)
            }
        }
    }

    /// As the browser's database keeps them: many as a blob, since it copies and packs an
    /// array while the page waits.
    ///
    /// # Errors
    /// As [`Bytes::blob`].
    pub(super) async fn into_value(self) -> Result<JsValue, Trouble> {
        match self {
            Self::Here(bytes) if bytes.len() <= PIECE => Ok(Uint8Array::from(&*bytes).into()),
            bytes => bytes.blob().await.map(JsValue::from),
        }
    }

    /// As they were kept.
    pub(super) fn of_value(value: JsValue) -> Option<Self> {
        match value.dyn_into::<Uint8Array>() {
            Ok(bytes) => Some(Self::Here(bytes.to_vec())),
            Err(other) => other.dyn_into().ok().map(Self::Browser),
        }
    }
}

/// Some bytes of a blob, as many as there are.
async fn part(blob: &Blob, start: usize, length: usize) -> Result<Uint8Array, Trouble> {
    let read = async || {
        let part = blob.slice_with_f64_and_f64(start as f64, (start + length) as f64)?;
        JsFuture::from(part.array_buffer()).await
    };
    let buffer: Result<_, JsValue> = read().await;
    buffer.map(|buffer| Uint8Array::new(&buffer)).map_err(|_| unreadable())
}

fn unreadable() -> Trouble {
    Trouble::Unreadable("the browser cannot read it.".into())
}

fn no_room() -> Trouble {
    Trouble::Unreadable("the browser has no memory for it.".into())
}
