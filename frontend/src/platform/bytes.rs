//! A file's bytes, in the program's memory or the browser's.

use crate::failure::Trouble;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

pub use web_sys::Blob;

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

    /// In the browser's hands.
    ///
    /// # Errors
    /// When the browser has no memory for them.
    pub fn blob(self) -> Result<Blob, Trouble> {
        match self {
            Self::Browser(blob) => Ok(blob),
            Self::Here(bytes) => {
                let parts = Array::of1(&Uint8Array::from(&*bytes));
                Blob::new_with_u8_array_sequence(&parts).map_err(|_| no_room())
            }
        }
    }

    /// In this program's memory.
    ///
    /// # Errors
    /// When the browser cannot read them.
    pub async fn here(self) -> Result<Vec<u8>, Trouble> {
        match self {
            Self::Here(bytes) => Ok(bytes),
            Self::Browser(blob) => {
                let buffer = JsFuture::from(blob.array_buffer()).await.map_err(|_| no_room())?;
                Ok(Uint8Array::new(&buffer).to_vec())
            }
        }
    }

    /// As the browser's database keeps them.
    pub(super) fn to_value(&self) -> JsValue {
        match self {
            Self::Here(bytes) => Uint8Array::from(&**bytes).into(),
            Self::Browser(blob) => blob.into(),
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

fn no_room() -> Trouble {
    Trouble::Unreadable("the browser has no memory for it.".into())
}
