//! Workers with the engine in them, each of which holds shards of a zoo.

use super::window;
use futures::channel::oneshot::{self, Sender};
use js_sys::{Array, Object, Reflect, Uint8Array};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, MessageEvent, Worker, WorkerOptions, WorkerType};

/// More workers than this are of no use: memory sets the pace.
const MOST: usize = 8;

/// Who waits for which answer; nothing once the worker has failed.
type Waiting = Rc<RefCell<Option<BTreeMap<u32, Sender<Result<JsValue, String>>>>>>;

/// Why a worker that has failed gives no answer.
const FAILED: &str = "a worker of this page cannot be started, or has stopped";

/// A worker. Dropped, it ends, with all that it holds.
pub struct Engine {
    worker: Worker,
    waiting: Waiting,
    next: RefCell<u32>,
    _heard: Closure<dyn FnMut(MessageEvent)>,
    _failed: Closure<dyn FnMut(JsValue)>,
}

/// How many workers this device has a use for.
pub fn workers() -> usize {
    let cores = window().navigator().hardware_concurrency();
    (cores as usize).clamp(1, MOST)
}

impl Engine {
    /// A new worker; `None` where the browser has none to give.
    pub fn start() -> Option<Self> {
        let place = super::element("engine")?.text_content()?;
        let script: String = serde_json::from_slice(place.as_bytes()).ok()?;
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(&script, &options).ok()?;
        let waiting = Waiting::new(RefCell::new(Some(BTreeMap::new())));
        let heard = {
            let waiting = waiting.clone();
            Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
                let data = event.data();
                let field = |name: &str| Reflect::get(&data, &JsValue::from_str(name));
                let id = field("id").ok().and_then(|id| id.as_f64()).map(|id| id as u32);
                let waits = id.and_then(|id| waiting.borrow_mut().as_mut()?.remove(&id));
                let error = field("error").ok().and_then(|error| error.as_string());
                if let Some(waits) = waits {
                    let value = field("value").unwrap_or(JsValue::UNDEFINED);
                    // Whoever asked may have gone.
                    let _ = waits.send(error.map_or(Ok(value), Err));
                }
            })
        };
        let failed = {
            let waiting = waiting.clone();
            Closure::<dyn FnMut(JsValue)>::new(move |_| {
                for (_, waits) in waiting.borrow_mut().take().into_iter().flatten() {
                    let _ = waits.send(Err(FAILED.into()));
                }
            })
        };
        worker.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        worker.set_onerror(Some(failed.as_ref().unchecked_ref()));
        let next = RefCell::new(0);
        Some(Self { worker, waiting, next, _heard: heard, _failed: failed })
    }

    /// Hands over the zoo's index.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn index(&self, index: &[u8]) -> Result<(), String> {
        let index = Uint8Array::from(index);
        self.call("start", &[index.buffer().into()]).await.map(drop)
    }

    /// Hands over a file that is the only shard of its zoo; returns the zoo's index, or
    /// `None` where the engine has no use for such a zoo.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn only(&self, file: &Blob) -> Result<Option<Vec<u8>>, String> {
        let reply = self.call("only", &[file.into()]).await?;
        Ok(reply.dyn_into::<Uint8Array>().ok().map(|bytes| bytes.to_vec()))
    }

    /// Hands over a shard's file.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn open(&self, name: &str, file: &Blob) -> Result<(), String> {
        self.call("open", &[JsValue::from_str(name), file.into()]).await.map(drop)
    }

    /// Puts a question, in JSON as its answer.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn ask(&self, question: &str) -> Result<String, String> {
        let reply = self.call("ask", &[JsValue::from_str(question)]).await?;
        reply.as_string().ok_or_else(|| "a worker's answer is no text".to_owned())
    }

    /// A zoo file of those tasks of a list in JSON that it has.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn gather(&self, tasks: &str) -> Result<Option<Vec<u8>>, String> {
        let reply = self.call("gather", &[JsValue::from_str(tasks)]).await?;
        Ok(reply.dyn_into::<Uint8Array>().ok().map(|bytes| bytes.to_vec()))
    }

    async fn call(&self, call: &str, values: &[JsValue]) -> Result<JsValue, String> {
        let gone = || FAILED.to_owned();
        let id = self.next.replace_with(|next| next.wrapping_add(1));
        let (waits, answer) = oneshot::channel();
        self.waiting.borrow_mut().as_mut().ok_or_else(gone)?.insert(id, waits);
        let message = Object::new();
        let with = values.iter().collect::<Array>();
        for (name, value) in
            [("id", id.into()), ("call", JsValue::from_str(call)), ("with", with.into())]
        {
            Reflect::set(&message, &JsValue::from_str(name), &value).map_err(|_| gone())?;
        }
        self.worker.post_message(&message).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}
