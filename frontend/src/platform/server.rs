//! Requests to the server behind the page, and what is kept for as long as the tab is open.

use super::{Cancel, LocalFile, window};
use crate::failure::Trouble;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Headers, ReadableStreamDefaultReader, ReferrerPolicy, RequestCache, RequestInit, Response,
    Storage,
};

/// What the server answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// What is sent along.
pub enum Body<'a> {
    /// Nothing.
    None,
    /// A JSON document.
    Json(String),
    /// A file of this media type.
    File(&'a LocalFile, &'a str),
}

fn no_answer() -> Trouble {
    match window().navigator().on_line() {
        true => Trouble::Unreachable,
        false => Trouble::Offline,
    }
}

fn request(method: &str, token: Option<&str>, body: &Body<'_>) -> Option<(RequestInit, Headers)> {
    let (request, headers) = (RequestInit::new(), Headers::new().ok()?);
    request.set_method(method);
    request.set_cache(RequestCache::NoStore);
    request.set_referrer_policy(ReferrerPolicy::NoReferrer);
    if let Some(token) = token {
        headers.set("authorization", &format!("Bearer {token}")).ok()?;
    }
    match body {
        Body::None => {}
        Body::Json(text) => {
            headers.set("content-type", "application/json").ok()?;
            request.set_body(&JsValue::from_str(text));
        }
        Body::File(file, kind) => {
            headers.set("content-type", kind).ok()?;
            request.set_body(&file.0);
        }
    }
    Some((request, headers))
}

async fn answer(path: &str, request: &RequestInit) -> Result<Response, Trouble> {
    let answer = JsFuture::from(window().fetch_with_str_and_init(path, request)).await;
    answer.map(JsCast::unchecked_into).map_err(|_| no_answer())
}

/// Asks the server.
///
/// # Errors
/// When there is no answer. An answer that refuses is none of these.
pub async fn ask(
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Body<'_>,
) -> Result<Reply, Trouble> {
    let (request, headers) = request(method, token, &body).ok_or(Trouble::Unreachable)?;
    request.set_headers(&headers);
    let response = answer(path, &request).await?;
    let body = response.array_buffer().map_err(|_| Trouble::Broken { received: 0 })?;
    let body = JsFuture::from(body).await.map_err(|_| Trouble::Broken { received: 0 })?;
    Ok(Reply { status: response.status(), body: Uint8Array::new(&body).to_vec() })
}

/// Listens to a stream of events after the one with the id `last`; `hear` gets bytes as
/// they come. Gives the status once the stream has ended.
///
/// # Errors
/// When there is no answer, it breaks off, or listening was called off.
pub async fn listen(
    path: &str,
    token: Option<&str>,
    last: u64,
    cancel: &Cancel,
    mut hear: impl FnMut(&[u8]),
) -> Result<u16, Trouble> {
    let (request, headers) = request("GET", token, &Body::None).ok_or(Trouble::Unreachable)?;
    if headers.set("last-event-id", &last.to_string()).is_err() {
        return Err(Trouble::Unreachable);
    }
    request.set_headers(&headers);
    let signal = cancel.signal();
    request.set_signal(Some(&signal));
    let response = answer(path, &request).await;
    if signal.aborted() {
        return Err(Trouble::Cancelled);
    }
    let response = response?;
    let status = response.status();
    let Some(stream) = response.body().filter(|_| status == 200) else { return Ok(status) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    loop {
        let step = JsFuture::from(reader.read()).await;
        if signal.aborted() {
            return Err(Trouble::Cancelled);
        }
        let step = step.map_err(|_| Trouble::Broken { received: 0 })?;
        let value = Reflect::get(&step, &JsValue::from_str("value"));
        match value.map(JsCast::dyn_into::<Uint8Array>) {
            Ok(Ok(bytes)) => hear(&bytes.to_vec()),
            // Without a value the stream is done.
            _ => return Ok(status),
        }
    }
}

/// A text as it stands in a query.
pub fn escaped(text: &str) -> String {
    js_sys::encode_uri_component(text).into()
}

fn session() -> Option<Storage> {
    window().session_storage().ok().flatten()
}

/// What is kept until the tab is closed.
pub fn of_session(key: &str) -> Option<String> {
    session()?.get_item(key).ok().flatten()
}

/// Keeps something until the tab is closed, or forgets it.
pub fn keep_for_session(key: &str, value: Option<&str>) {
    if let Some(session) = session() {
        let _ = match value {
            Some(value) => session.set_item(key, value),
            None => session.remove_item(key),
        };
    }
}
