//! The page's own files: kept for later, and asked whether there are newer ones.

use super::window;
use js_sys::Reflect;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{RequestCache, RequestInit, Response};

/// Has the browser keep the page's files, where it can. Says whether it had done so before:
/// then what is shown is a copy, and there may be a newer page.
pub async fn keep_shell() -> bool {
    let navigator = window().navigator();
    let part = |of: &JsValue, name: &str| {
        Reflect::get(of, &JsValue::from_str(name)).ok().filter(JsValue::is_object)
    };
    // Absent on pages that came over plain http from another machine.
    let Some(workers) = part(&navigator, "serviceWorker") else { return false };
    let before = part(&workers, "controller").is_some();
    // Without it the page works as before, only not without a network.
    let _ = JsFuture::from(navigator.service_worker().register("sw.js")).await;
    before
}

/// Whether the server has another version of the page by now; `None` where it does not
/// answer.
pub async fn is_outdated() -> Option<bool> {
    let own = window().document()?.query_selector("link[rel=modulepreload]").ok()??;
    let own = own.get_attribute("href")?;
    let request = RequestInit::new();
    request.set_cache(RequestCache::NoCache);
    let answer = JsFuture::from(window().fetch_with_str_and_init("./", &request)).await.ok()?;
    let answer: Response = answer.unchecked_into();
    let page = JsFuture::from(answer.text().ok()?).await.ok()?.as_string()?;
    // A proxy's error page is not a newer version.
    (answer.ok() && page.contains("modulepreload")).then(|| !page.contains(&own))
}

/// Loads the page anew.
pub fn reload() {
    let _ = window().location().reload();
}
