//! The page's engine: shards of a large zoo, held and asked in a worker of the browser.
//!
//! It is compiled twice, for plain SIMD and for relaxed SIMD; `worker.js` takes the one
//! that the browser has and hands over what the page says. All that it can do is
//! [`tupate_zoo::shards`].

use tupate_zoo::Dtype;
use tupate_zoo::shards::{Index, Question, Shards};
use wasm_bindgen::prelude::wasm_bindgen;

/// Some shards of a zoo. Errors are for people to read.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Engine(Shards);

#[wasm_bindgen]
impl Engine {
    /// For the zoo of this index file, without any shard yet.
    ///
    /// # Errors
    /// When it is no index.
    #[wasm_bindgen(constructor)]
    pub fn new(index: &[u8]) -> Result<Engine, String> {
        Index::parse(index).map(|index| Self(Shards::new(index))).map_err(|e| e.to_string())
    }

    /// For a zoo file that is the only shard of its zoo; nothing where it holds measured
    /// transfer.
    ///
    /// # Errors
    /// When it is no zoo.
    pub fn of_file(file: &[u8]) -> Result<Option<Engine>, String> {
        let shards = Shards::of_file(file).map_err(|e| e.to_string())?;
        Ok(shards.map(Self))
    }

    /// The index file of its zoo.
    ///
    /// # Errors
    /// When it would be longer than an index may be.
    pub fn index(&self) -> Result<Vec<u8>, String> {
        self.0.index().to_bytes().map_err(|e| e.to_string())
    }

    /// Takes in the shard of this name.
    ///
    /// # Errors
    /// When it is not what the index says.
    pub fn open(&mut self, file: &str, bytes: &[u8]) -> Result<(), String> {
        self.0.open(file, bytes).map_err(|e| e.to_string())
    }

    /// Answers a [`Question`] from all its shards; both are JSON.
    ///
    /// # Errors
    /// When it is no question, or there is no answer.
    pub fn ask(&mut self, question: &str) -> Result<String, String> {
        let question: Question = serde_json::from_str(question).map_err(|e| e.to_string())?;
        let reply = self.0.answer(&question).map_err(|e| e.to_string())?;
        serde_json::to_string(&reply).map_err(|e| e.to_string())
    }

    /// A zoo file of those tasks of a JSON list that are here; nothing if none is.
    ///
    /// # Errors
    /// When it is no list.
    pub fn gather(&mut self, tasks: &str) -> Result<Option<Vec<u8>>, String> {
        let tasks: Vec<String> = serde_json::from_str(tasks).map_err(|e| e.to_string())?;
        let zoo = self.0.gather(&tasks).map_err(|e| e.to_string())?;
        zoo.map(|zoo| zoo.to_bytes(Dtype::F32)).transpose().map_err(|e| e.to_string())
    }
}
