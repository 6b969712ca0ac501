//! What the browser keeps for the page: files, and a text on each.
//!
//! Two object stores with the same keys, so that the texts can be listed without
//! reading the files. They are made and opened by `kept.js`, which is part of the document
//! and runs before this program is there.

use super::{Bytes, window};
use js_sys::{Array, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{IdbDatabase, IdbRequest, IdbTransaction, IdbTransactionMode};

const FACTS: &str = "facts";
const FILES: &str = "files";

/// The page's database in this browser.
#[derive(Clone)]
pub struct Database(IdbDatabase);

/// The database, and what was read from it before the program was there.
pub struct Opened {
    /// The database.
    pub database: Database,
    /// What there is to say of every file.
    pub facts: Vec<String>,
    /// The key and the bytes of a file that will likely be asked for.
    pub file: Option<(String, Bytes)>,
}

impl Database {
    /// The database that `kept.js` has opened; `None` where the browser keeps nothing, as in
    /// some private windows.
    pub async fn opened() -> Option<Opened> {
        let place = JsValue::from_str("kept");
        let opened: Promise = Reflect::get(&window(), &place).ok()?.dyn_into().ok()?;
        let opened: Array = JsFuture::from(opened).await.ok()?.dyn_into().ok()?;
        // The file is held once.
        let _ = Reflect::delete_property(&window(), &place);
        let key = opened.get(2).as_string();
        Some(Opened {
            database: Self(opened.get(0).dyn_into().ok()?),
            facts: texts(opened.get(1)),
            file: key.and_then(|key| Some((key, Bytes::of_value(opened.get(3))?))),
        })
    }

    /// Keeps a file and what there is to say of it, or nothing of either.
    ///
    /// # Errors
    /// The browser's reason, such as a full disk.
    pub async fn put(&self, key: &str, facts: &str, file: Bytes) -> Result<(), String> {
        let value = file.into_value().await;
        let file = value.map_err(|_| "there is no memory for it".to_owned())?;
        let change = async || {
            let (transaction, key) = (self.transaction(true)?, JsValue::from_str(key));
            transaction.object_store(FACTS)?.put_with_key(&JsValue::from_str(facts), &key)?;
            transaction.object_store(FILES)?.put_with_key(&file, &key)?;
            complete(&transaction).await
        };
        change().await.map_err(|why| reason(&why))
    }

    /// Changes what there is to say of a file, and whether it is there at all: another
    /// tab may have removed it.
    ///
    /// # Errors
    /// The browser's reason.
    pub async fn put_facts(&self, key: &str, facts: &str) -> Result<bool, String> {
        let change = async || {
            let (transaction, key) = (self.transaction(true)?, JsValue::from_str(key));
            let there = answer(&transaction.object_store(FILES)?.count_with_key(&key)?).await?;
            if there.as_f64() == Some(0.0) {
                return Ok(false);
            }
            transaction.object_store(FACTS)?.put_with_key(&JsValue::from_str(facts), &key)?;
            complete(&transaction).await.map(|()| true)
        };
        change().await.map_err(|why: JsValue| reason(&why))
    }

    /// Keeps a file no longer.
    ///
    /// # Errors
    /// The browser's reason.
    pub async fn remove(&self, key: &str) -> Result<(), String> {
        let change = async || {
            let (transaction, key) = (self.transaction(true)?, JsValue::from_str(key));
            transaction.object_store(FACTS)?.delete(&key)?;
            transaction.object_store(FILES)?.delete(&key)?;
            complete(&transaction).await
        };
        change().await.map_err(|why| reason(&why))
    }

    /// What there is to say of every file.
    pub async fn facts(&self) -> Vec<String> {
        let read = async || {
            let request = self.transaction(false)?.object_store(FACTS)?.get_all()?;
            answer(&request).await
        };
        texts(read().await.unwrap_or(JsValue::NULL))
    }

    /// A file's bytes, if it is kept.
    pub async fn file(&self, key: &str) -> Option<Bytes> {
        let read = async || {
            let store = self.transaction(false)?.object_store(FILES)?;
            answer(&store.get(&JsValue::from_str(key))?).await
        };
        Bytes::of_value(read().await.ok()?)
    }

    fn transaction(&self, write: bool) -> Result<IdbTransaction, JsValue> {
        let mode = if write { IdbTransactionMode::Readwrite } else { IdbTransactionMode::Readonly };
        let stores = Array::of2(&JsValue::from_str(FACTS), &JsValue::from_str(FILES));
        self.0.transaction_with_str_sequence_and_mode(&stores, mode)
    }
}

fn texts(array: JsValue) -> Vec<String> {
    let array: Array = array.dyn_into().unwrap_or_default();
    array.iter().filter_map(|text| text.as_string()).collect()
}

async fn answer(request: &IdbRequest) -> Result<JsValue, JsValue> {
    let promise = Promise::new(&mut |resolve, reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
    });
    match JsFuture::from(promise).await {
        Ok(_) => request.result(),
        Err(_) => Err(request.error()?.map_or(JsValue::NULL, JsValue::from)),
    }
}

async fn complete(transaction: &IdbTransaction) -> Result<(), JsValue> {
    let promise = Promise::new(&mut |resolve, reject| {
        transaction.set_oncomplete(Some(&resolve));
        transaction.set_onabort(Some(&reject));
    });
    match JsFuture::from(promise).await {
        Ok(_) => Ok(()),
        Err(_) => Err(transaction.error().map_or(JsValue::NULL, JsValue::from)),
    }
}

/// What the browser says of an error.
fn reason(error: &JsValue) -> String {
    let said = Reflect::get(error, &JsValue::from_str("name")).ok();
    said.and_then(|name| name.as_string()).unwrap_or_else(|| "the browser does not say why".into())
}
