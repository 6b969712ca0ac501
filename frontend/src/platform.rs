//! The browser: the only file that calls its interfaces.
//!
//! Everything here is thin. What can be decided without a browser is decided
//! elsewhere, where it can be tested natively.

use crate::failure::{Address, LARGEST_FILE, Trouble};
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, AbortSignal, File, FileList, HtmlInputElement, ReadableStream,
    ReadableStreamDefaultReader, ReferrerPolicy, RequestInit, RequestMode, Response,
    ScrollIntoViewOptions, ScrollLogicalPosition, Storage, Url, Window,
};

/// The most that is read of an answer that explains an error, or of a list.
const SMALL: u64 = 1 << 20;

fn window() -> Window {
    web_sys::window().expect("the page runs in a browser's window")
}

fn root() -> Option<web_sys::Element> {
    window().document()?.document_element()
}

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

    fn signal(&self) -> AbortSignal {
        self.0.signal()
    }
}

/// A file that the visitor chose or dropped.
#[derive(Clone)]
pub struct LocalFile(File);

impl LocalFile {
    /// Its name, without its folder.
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.0.size() as u64
    }

    /// The first file chosen in an input, which is emptied so that choosing
    /// the same file again is noticed.
    pub fn chosen(event: &web_sys::Event) -> Option<Self> {
        let input: HtmlInputElement = event.target()?.dyn_into().ok()?;
        let file = first(input.files());
        input.set_value("");
        file
    }

    /// The first file dropped.
    pub fn dropped(event: &web_sys::DragEvent) -> Option<Self> {
        first(event.data_transfer()?.files())
    }

    /// Its bytes; `progress` is told how many there are so far.
    ///
    /// # Errors
    /// When it is too large, cannot be read, or reading was called off.
    pub async fn read(&self, cancel: &Cancel, progress: impl Fn(u64)) -> Result<Vec<u8>, Trouble> {
        if self.size() > LARGEST_FILE {
            return Err(Trouble::TooLarge { size: Some(self.size()) });
        }
        read(self.0.stream(), Some(self.size()), LARGEST_FILE, &cancel.signal(), progress)
            .await
            .map_err(|trouble| match trouble {
                Trouble::Broken { received } => {
                    Trouble::Unreadable(format!("reading stopped after {received} bytes."))
                }
                other => other,
            })
    }
}

fn first(files: Option<FileList>) -> Option<LocalFile> {
    files?.get(0).map(LocalFile)
}

/// Whether something dragged over the page holds files.
pub fn drags_files(event: &web_sys::DragEvent) -> bool {
    event.data_transfer().is_some_and(|data| data.types().includes(&JsValue::from_str("Files"), 0))
}

/// Whether the pointer left the page, and not only one element of it.
pub fn left_page(event: &web_sys::DragEvent) -> bool {
    event.related_target().is_none()
}

/// Takes an address apart; relative ones are the page's own.
pub fn address(text: &str) -> Option<Address> {
    let base = window().location().href().ok()?;
    let url = Url::new_with_base(text.trim(), &base).ok()?;
    let own = window().location().origin().is_ok_and(|origin| origin == url.origin());
    Some(Address { href: url.href(), scheme: url.protocol(), host: url.hostname(), own })
}

/// The bytes behind an address; `progress` is told how many there are so far,
/// and how many to expect where the host says so.
///
/// # Errors
/// When they do not all arrive.
pub async fn fetch(
    address: &Address,
    cancel: &Cancel,
    progress: impl Fn(u64, Option<u64>),
) -> Result<Vec<u8>, Trouble> {
    let signal = cancel.signal();
    let request = RequestInit::new();
    request.set_signal(Some(&signal));
    // The address of this page says what its visitor looks at: no one else's
    // business.
    request.set_referrer_policy(ReferrerPolicy::NoReferrer);
    let answer = JsFuture::from(window().fetch_with_str_and_init(&address.href, &request)).await;
    let response: Response = match answer {
        Ok(response) => response.unchecked_into(),
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
    if let Some(size) = length.filter(|size| *size > LARGEST_FILE) {
        cancel.call_off();
        return Err(Trouble::TooLarge { size: Some(size) });
    }
    // The length of a compressed answer says nothing about that of the file.
    let length = length.filter(|_| header("content-encoding").is_none());
    let progress = |received| progress(received, length.filter(|length| *length >= received));
    read(body?, length, LARGEST_FILE, &signal, progress).await
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
    request.set_referrer_policy(ReferrerPolicy::NoReferrer);
    match JsFuture::from(window().fetch_with_str_and_init(&address.href, &request)).await {
        Ok(_) => Trouble::Forbidden,
        Err(_) => Trouble::Unreachable,
    }
}

async fn read(
    stream: ReadableStream,
    expected: Option<u64>,
    limit: u64,
    signal: &AbortSignal,
    progress: impl Fn(u64),
) -> Result<Vec<u8>, Trouble> {
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut bytes = Vec::new();
    // A promise, not a fact: trusted for no more than a typical zoo.
    bytes.reserve(expected.unwrap_or(0).min(64 << 20) as usize);
    loop {
        let received = bytes.len() as u64;
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
            return if done { Ok(bytes) } else { Err(Trouble::Broken { received }) };
        };
        let total = received + u64::from(chunk.length());
        if total > limit {
            give_up(&reader).await;
            return Err(Trouble::TooLarge { size: None });
        }
        bytes.resize(total as usize, 0);
        chunk.copy_to(&mut bytes[received as usize..]);
        progress(total);
    }
}

/// Tells a stream that no more of it is wanted. Waited for, because a stream
/// that has failed refuses, and a refusal that nobody hears is logged as an error.
async fn give_up(reader: &ReadableStreamDefaultReader) {
    let _ = JsFuture::from(reader.cancel()).await;
}

/// The fragment of the page's address.
pub fn fragment() -> String {
    window().location().hash().unwrap_or_default()
}

/// The query of the page's address.
pub fn query() -> String {
    window().location().search().unwrap_or_default()
}

/// The page's address with another fragment.
pub fn link(fragment: &str) -> String {
    let href = window().location().href().unwrap_or_default();
    let page = href.split('#').next().unwrap_or_default();
    if fragment.is_empty() { page.to_owned() } else { format!("{page}#{fragment}") }
}

/// Changes the page's address without loading anything; with `push` the
/// browser's back button leads to the address before.
pub fn set_address(address: &str, push: bool) {
    let Ok(history) = window().history() else { return };
    // Browsers refuse when this happens too often. The page works without.
    let _ = if push {
        history.push_state_with_url(&JsValue::NULL, "", Some(address))
    } else {
        history.replace_state_with_url(&JsValue::NULL, "", Some(address))
    };
}

/// Puts a text on the clipboard; false where the browser does not allow it.
pub async fn copy(text: &str) -> bool {
    let navigator = window().navigator();
    // Absent on pages that came over plain http from another machine.
    let there = Reflect::get(&navigator, &JsValue::from_str("clipboard"));
    if !there.is_ok_and(|clipboard| clipboard.is_object()) {
        return false;
    }
    JsFuture::from(navigator.clipboard().write_text(text)).await.is_ok()
}

fn storage() -> Option<Storage> {
    window().local_storage().ok().flatten()
}

/// A setting kept from an earlier visit.
pub fn kept(key: &str) -> Option<String> {
    storage()?.get_item(key).ok().flatten()
}

/// Keeps a setting for later visits, where the browser lets us.
pub fn keep(key: &str, value: &str) {
    if let Some(storage) = storage() {
        let _ = storage.set_item(key, value);
    }
}

/// Sets or takes away an attribute of the whole document.
pub fn mark_document(attribute: &str, value: Option<&str>) {
    if let Some(root) = root() {
        let _ = match value {
            Some(value) => root.set_attribute(attribute, value),
            None => root.remove_attribute(attribute),
        };
    }
}

/// The title of the tab.
pub fn set_title(title: &str) {
    if let Some(document) = window().document() {
        document.set_title(title);
    }
}

fn element(id: &str) -> Option<web_sys::Element> {
    window().document()?.get_element_by_id(id)
}

/// The element that the page is mounted in, emptied of what stood there while
/// the page was loading.
pub fn mount_point() -> Option<web_sys::HtmlElement> {
    let place = element("app")?;
    place.set_inner_html("");
    place.dyn_into().ok()
}

/// Moves the keyboard's focus to an element.
pub fn focus(id: &str) {
    if let Some(Ok(element)) = element(id).map(JsCast::dyn_into::<web_sys::HtmlElement>) {
        let _ = element.focus();
    }
}

/// Scrolls an element of a list into view, as little as possible.
pub fn reveal(id: &str) {
    if let Some(element) = element(id) {
        let options = ScrollIntoViewOptions::new();
        options.set_block(ScrollLogicalPosition::Nearest);
        element.scroll_into_view_with_scroll_into_view_options(&options);
    }
}

/// Selects the text of the input that an event is about, so that typing
/// replaces it.
pub fn select_text(event: &web_sys::Event) {
    if let Some(Ok(input)) = event.target().map(JsCast::dyn_into::<HtmlInputElement>) {
        input.select();
    }
}

/// Waits. With 0 the browser gets time to paint.
pub async fn sleep(milliseconds: i32) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        let _ =
            window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds);
    });
    let _ = JsFuture::from(promise).await;
}

/// Says on the page that it has stopped, should the program ever panic: a page
/// that looks alive and is not is worse.
pub fn show_panics() {
    std::panic::set_hook(Box::new(|info| {
        web_sys::console::error_1(&JsValue::from_str(&info.to_string()));
        let Some(document) = window().document() else { return };
        let (Some(body), Ok(message)) = (document.body(), document.create_element("p")) else {
            return;
        };
        let _ = message.set_attribute("role", "alert");
        let _ = message.set_attribute("class", "stopped");
        message.set_text_content(Some(
            "The page has stopped because of an error in its program. Reload it to go on; \
             the browser's console says what happened.",
        ));
        let _ = body.prepend_with_node_1(&message);
    }));
}
