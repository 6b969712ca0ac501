//! The browser: nothing outside of this folder calls its interfaces.
//!
//! Everything here is thin. What can be decided without a browser is decided
//! elsewhere, where it can be tested natively.

mod breather;
mod bytes;
mod database;
mod engine;
mod export;
mod fetch;
mod files;
pub mod pictures;
pub mod server;
mod shell;
mod streams;

pub use breather::Breather;
pub use bytes::{Blob, Bytes};
pub use database::{Database, Opened};
pub use engine::{Engine, workers};
pub use export::download;
pub use fetch::{Answer, Cancel, Wanted, address, beside, fetch, fetch_blob, freshness};
pub use files::{Dropped, LocalFile, drags_files, left_page};
pub use shell::{is_outdated, keep_shell, reload};
pub use streams::{deflate, inflate};

use js_sys::Reflect;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlInputElement, ScrollIntoViewOptions, ScrollLogicalPosition, Storage, Window};

fn window() -> Window {
    web_sys::window().expect("the page runs in a browser's window")
}

fn root() -> Option<web_sys::Element> {
    window().document()?.document_element()
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

/// Shows the beginning of the page.
pub fn to_top() {
    window().scroll_to_with_x_and_y(0.0, 0.0);
}

/// Shows the beginning of the page, from where the keyboard goes on.
pub fn begin() {
    // The focus scrolls to where it is, which is below the page's head.
    focus("main");
    to_top();
}

/// Scrolls an element of a list into view, as little as possible.
pub fn reveal(id: &str) {
    if let Some(element) = element(id) {
        let options = ScrollIntoViewOptions::new();
        options.set_block(ScrollLogicalPosition::Nearest);
        element.scroll_into_view_with_scroll_into_view_options(&options);
    }
}

/// Whether the `<details>` that an event is about is unfolded.
pub fn is_open(event: &web_sys::Event) -> bool {
    let element = event.target().and_then(|it| it.dyn_into::<web_sys::Element>().ok());
    element.is_some_and(|element| element.has_attribute("open"))
}

/// Selects the text of the input that an event is about, so that typing
/// replaces it.
pub fn select_text(event: &web_sys::Event) {
    if let Some(Ok(input)) = event.target().map(JsCast::dyn_into::<HtmlInputElement>) {
        input.select();
    }
}

/// Milliseconds since 1970.
pub fn now() -> f64 {
    js_sys::Date::now()
}

/// A moment in milliseconds since 1970 as a day, `2026-03-01`, where the visitor is.
pub fn date(moment: f64) -> String {
    let date = js_sys::Date::new(&JsValue::from_f64(moment));
    format!("{}-{:02}-{:02}", date.get_full_year(), date.get_month() + 1, date.get_date())
}

/// After so many milliseconds the browser has painted what was due.
pub const PAINTED: i32 = 30;

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
