//! Requests.

use super::window;
use crate::failure::{Address, LARGEST_FILE, Trouble};
use crate::source;
use js_sys::{Array, Reflect, Uint8Array};
use std::ops::Range;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, AbortSignal, Blob, Headers, ReadableStream, ReadableStreamDefaultReader,
    ReferrerPolicy, RequestCache, RequestInit, RequestMode, Response, Url,
};

/// The most that is read of an answer that explains an error, or of a list.
const SMALL: u64 = 1 << 20;
/// The status of an answer that is a part of a file.
const PARTIAL: u16 = 206;

/// Calls off what was begun with it.
#[derive(Clone)]
pub struct Cancel(AbortController);

impl Cancel {
    /// A fresh one; `None` where the browser has none to give.
    pub fn new() -> Option<Self> {
        AbortController::new().ok().map(Self)
    }

    /// Calls off.
    pub fn call_off(&self) {
        self.0.abort();
    }

    pub(super) fn signal(&self) -> AbortSignal {
        self.0.signal()
    }
}

/// Takes an address apart; relative ones are the page's own. Servers list their paths as they
/// have them themselves, and the page may lie behind a prefix.
pub fn address(text: &str) -> Option<Address> {
    based(source::within(text.trim()), &window().location().href().ok()?)
}

/// The address of a file in the folder of another one.
pub fn beside(address: &Address, file: &str) -> Option<Address> {
    based(file, &address.href)
}

fn based(text: &str, base: &str) -> Option<Address> {
    let url = Url::new_with_base(text, base).ok()?;
    let own = window().location().origin().is_ok_and(|origin| origin == url.origin());
    Some(Address { href: url.href(), scheme: url.protocol(), host: url.hostname(), own })
}

/// What a host answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The file, or the part of it that was asked for.
    pub bytes: Vec<u8>,
    /// Whether it is that part only. Hosts may ignore what part was asked for.
    pub part: bool,
    /// When the file was last changed, as the host says it.
    pub modified: Option<String>,
}

/// What is wanted of an address.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Bytes of the file; all of them if nothing is said.
    pub part: Option<Range<u64>>,
    /// Most bytes that are taken.
    pub most: u64,
}

impl Wanted {
    /// The whole file, if it has no more bytes.
    pub fn whole(most: u64) -> Self {
        Self { part: None, most }
    }

    /// These bytes, or else the whole file.
    pub fn part(part: Range<u64>) -> Self {
        Self { part: Some(part), most: LARGEST_FILE }
    }
}

async fn ask(address: &Address, request: &RequestInit) -> Result<Response, JsValue> {
    // The address of this page says what its visitor looks at: no one else's
    // business.
    request.set_referrer_policy(ReferrerPolicy::NoReferrer);
    let answer = window().fetch_with_str_and_init(&address.href, request);
    JsFuture::from(answer).await.map(JsCast::unchecked_into)
}

/// What a host began to answer.
struct Begun {
    response: Response,
    body: ReadableStream,
    /// Bytes to expect, where the host says so.
    length: Option<u64>,
}

/// Asks, and refuses what is no file or a larger one than is wanted.
async fn begin(address: &Address, wanted: &Wanted, cancel: &Cancel) -> Result<Begun, Trouble> {
    let signal = cancel.signal();
    let request = RequestInit::new();
    request.set_signal(Some(&signal));
    // A copy of the browser's own is asked for whether it is still right: what a host lists
    // and what it hands out must be of one time.
    request.set_cache(RequestCache::NoCache);
    if let (Some(part), Ok(headers)) = (&wanted.part, Headers::new()) {
        let bytes = format!("bytes={}-{}", part.start, part.end.saturating_sub(1));
        let _ = headers.set("Range", &bytes);
        request.set_headers(&headers);
    }
    let response = match ask(address, &request).await {
        Ok(response) => response,
        Err(_) if signal.aborted() => return Err(Trouble::Cancelled),
        Err(_) => return Err(why_no_answer(address).await),
    };
    let header = |name| response.headers().get(name).ok().flatten();
    let body = response.body().ok_or(Trouble::Broken { received: 0 });
    if !response.ok() {
        let problem = header("content-type").is_some_and(|kind| kind.contains("problem+json"));
        let detail = match (problem, body) {
            (true, Ok(body)) => read(body, None, SMALL, &signal, |_| ()).await.ok(),
            _ => None,
        };
        let detail = detail
            .and_then(|bytes| serde_json::from_slice::<tupate_api::Problem>(&bytes).ok())
            .map(|problem| problem.detail);
        return Err(Trouble::Status { status: response.status(), detail });
    }
    let length: Option<u64> = header("content-length").and_then(|length| length.parse().ok());
    // The length of a compressed answer says nothing about that of the file.
    let length = length.filter(|_| header("content-encoding").is_none());
    let body = body?;
    if let Some(size) = length.filter(|size| *size > wanted.most) {
        // A refusal to stop is no trouble of ours.
        let _ = JsFuture::from(body.cancel()).await;
        return Err(Trouble::TooLarge { size: Some(size) });
    }
    Ok(Begun { response, body, length })
}

/// The bytes behind an address; `progress` is told how many there are so far,
/// and how many to expect where the host says so.
///
/// # Errors
/// When they do not all arrive.
pub async fn fetch(
    address: &Address,
    wanted: &Wanted,
    cancel: &Cancel,
    progress: impl Fn(u64, Option<u64>),
) -> Result<Answer, Trouble> {
    let Begun { response, body, length } = begin(address, wanted, cancel).await?;
    let progress = |received| progress(received, length.filter(|length| *length >= received));
    Ok(Answer {
        bytes: read(body, length, wanted.most, &cancel.signal(), progress).await?,
        part: wanted.part.is_some() && response.status() == PARTIAL,
        modified: response.headers().get("last-modified").ok().flatten(),
    })
}

/// The whole file behind an address, for somebody else: the program never has its bytes.
/// What a host or an index says of its length is a stranger's word: only what comes takes
/// memory.
///
/// # Errors
/// When they do not all arrive, or there are more than `most`.
pub async fn fetch_blob(
    address: &Address,
    most: u64,
    cancel: &Cancel,
    progress: impl Fn(u64, Option<u64>),
) -> Result<(Blob, Option<String>), Trouble> {
    let Begun { response, body, length } = begin(address, &Wanted::whole(most), cancel).await?;
    let (chunks, mut received) = (Array::new(), 0);
    let take = |chunk: &Uint8Array| {
        chunks.push(chunk);
        received += u64::from(chunk.length());
        progress(received, length);
    };
    pump(body, most, &cancel.signal(), take).await?;
    let no_room = |_| Trouble::Unreadable("the browser has no memory for it.".into());
    let blob = Blob::new_with_u8_array_sequence(&chunks).map_err(no_room)?;
    Ok((blob, response.headers().get("last-modified").ok().flatten()))
}

/// What tells, without fetching it, whether a file is still the one that was
/// fetched: its time of change and its length, where the host says them.
pub async fn freshness(address: &Address) -> Option<(Option<String>, Option<u64>)> {
    let request = RequestInit::new();
    request.set_method("HEAD");
    request.set_cache(RequestCache::NoCache);
    let response = ask(address, &request).await.ok().filter(Response::ok)?;
    let header = |name| response.headers().get(name).ok().flatten();
    let length = header("content-length").filter(|_| header("content-encoding").is_none());
    Some((header("last-modified"), length.and_then(|length| length.parse().ok())))
}

/// A browser hides why a request failed. A second one, whose answer may not be
/// read, tells a silent host from one that keeps its answers from other sites.
async fn why_no_answer(address: &Address) -> Trouble {
    if !window().navigator().on_line() {
        return Trouble::Offline;
    }
    if address.own {
        return Trouble::Unreachable;
    }
    let request = RequestInit::new();
    request.set_method("HEAD");
    request.set_mode(RequestMode::NoCors);
    match ask(address, &request).await {
        Ok(_) => Trouble::Forbidden,
        Err(_) => Trouble::Unreachable,
    }
}

pub(super) async fn read(
    stream: ReadableStream,
    expected: Option<u64>,
    limit: u64,
    signal: &AbortSignal,
    progress: impl Fn(u64),
) -> Result<Vec<u8>, Trouble> {
    // A promise, not a fact: trusted for no more than a typical zoo.
    let mut bytes = Vec::with_capacity(expected.unwrap_or(0).min(64 << 20) as usize);
    let take = |chunk: &Uint8Array| {
        let received = bytes.len();
        bytes.resize(received + chunk.length() as usize, 0);
        chunk.copy_to(&mut bytes[received..]);
        progress(bytes.len() as u64);
    };
    pump(stream, limit, signal, take).await?;
    Ok(bytes)
}

/// Takes a stream's chunks until it is done, or has more bytes than it may.
async fn pump(
    stream: ReadableStream,
    limit: u64,
    signal: &AbortSignal,
    mut take: impl FnMut(&Uint8Array),
) -> Result<(), Trouble> {
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut received = 0;
    loop {
        let step = JsFuture::from(reader.read()).await;
        if signal.aborted() {
            give_up(&reader).await;
            return Err(Trouble::Cancelled);
        }
        let step = step.map_err(|_| Trouble::Broken { received })?;
        let field = |name: &str| Reflect::get(&step, &JsValue::from_str(name));
        let Ok(Ok(chunk)) = field("value").map(JsCast::dyn_into::<Uint8Array>) else {
            // Without a value the stream is done, or not one of bytes.
            let done = field("done").is_ok_and(|done| done.is_truthy());
            return if done { Ok(()) } else { Err(Trouble::Broken { received }) };
        };
        received += u64::from(chunk.length());
        if received > limit {
            give_up(&reader).await;
            return Err(Trouble::TooLarge { size: None });
        }
        take(&chunk);
    }
}

/// Tells a stream that no more of it is wanted. Waited for, because a stream
/// that has failed refuses, and a refusal that nobody hears is logged as an error.
async fn give_up(reader: &ReadableStreamDefaultReader) {
    let _ = JsFuture::from(reader.cancel()).await;
}
