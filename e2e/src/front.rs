//! A host before the program, behind which the page is replaced by a newer one, or files
//! are lost.

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, Response, StatusCode, header};
use reqwest::{Client, Url};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The number that a newer page has in the names of its program's files.
const NEWER: &str = "0123456789abcdef";

/// What of an answer is passed on.
const PASSED: [HeaderName; 3] =
    [header::CONTENT_TYPE, header::CONTENT_SECURITY_POLICY, header::CACHE_CONTROL];

/// Passes requests on to the program, and once told so pretends that the program has a
/// newer page: the same one, whose program's files have other names. Dropping it stops it.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    behind: Arc<Behind>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Behind {
    base: Url,
    client: Client,
    newer: AtomicBool,
    /// The number in the names of the program's files.
    number: OnceLock<String>,
    lost: Mutex<Option<&'static str>>,
    held: Mutex<Option<&'static str>>,
}

impl Front {
    /// A host before the program at `base`.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(base: &str) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("no free port for the host before the program")?;
        let address = listener.local_addr().context("the host has no address")?;
        let base = base.parse().with_context(|| format!("{base} is no address"))?;
        let client = Client::builder().no_proxy().build().context("no client")?;
        let behind = Arc::new(Behind {
            base,
            client,
            newer: AtomicBool::new(false),
            number: OnceLock::new(),
            lost: Mutex::new(None),
            held: Mutex::new(None),
        });
        let router = Router::new().fallback(pass).with_state(behind.clone());
        let server = tokio::spawn(async move {
            // Ends only with the test, which then has what it wants.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, behind, server })
    }

    /// The page's address, with a slash at its end.
    pub fn base(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The host and its port, as the browser's console names it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// From now on files whose path contains this are not to be had; `None` for none.
    pub fn lose(&self, path: Option<&'static str>) {
        *self.behind.lost.lock().unwrap_or_else(PoisonError::into_inner) = path;
    }

    /// From now on requests whose path contains this get no answer, and no refusal either;
    /// `None` for none.
    pub fn hold(&self, path: Option<&'static str>) {
        *self.behind.held.lock().unwrap_or_else(PoisonError::into_inner) = path;
    }

    /// From now on there is a newer page.
    pub fn update(&self) {
        self.behind.newer.store(true, Ordering::Relaxed);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pass(State(behind): State<Arc<Behind>>, request: Request) -> Response<Body> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let (status, headers, body) = match asked(&behind, path).await {
        Ok(answer) => answer,
        Err(error) => (StatusCode::BAD_GATEWAY, Vec::new(), format!("{error:#}").into()),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().extend(headers);
    response
}

type Answer = (StatusCode, Vec<(HeaderName, header::HeaderValue)>, Vec<u8>);

async fn asked(behind: &Behind, path: &str) -> Result<Answer> {
    let lost = *behind.lost.lock().unwrap_or_else(PoisonError::into_inner);
    if lost.is_some_and(|lost| path.contains(lost)) {
        return Ok((StatusCode::NOT_FOUND, Vec::new(), Vec::new()));
    }
    let held = *behind.held.lock().unwrap_or_else(PoisonError::into_inner);
    if held.is_some_and(|held| path.contains(held)) {
        std::future::pending::<()>().await;
    }
    let newer = behind.newer.load(Ordering::Relaxed);
    let number = behind.number.get().map_or(NEWER, String::as_str);
    let url = behind.base.join(&path.replace(NEWER, number))?;
    let answer = behind.client.get(url).send().await?;
    let status = answer.status();
    // The policy knows the scripts in the page by their hashes, and they will be others.
    let passed = PASSED.iter().filter(|name| !newer || **name != header::CONTENT_SECURITY_POLICY);
    let headers =
        passed.filter_map(|name| Some((name.clone(), answer.headers().get(name)?.clone())));
    let headers = headers.collect();
    let mut body = answer.bytes().await?.to_vec();
    let page = path.split('?').next() == Some("/");
    if page || path.contains(".js") {
        let text = String::from_utf8(body).context("the page is not text")?;
        if page {
            let number = number_of(&text).context("the page names no program")?;
            behind.number.get_or_init(|| number.to_owned());
        }
        // The program's files, wherever the page and they themselves name them.
        body = match behind.number.get() {
            Some(number) if newer => unsealed(&text.replace(number, NEWER)).into_bytes(),
            _ => text.into_bytes(),
        };
    }
    Ok((status, headers, body))
}

/// The number in the name of the script that the page loads first.
fn number_of(page: &str) -> Option<&str> {
    let link = page.split("<link").find(|link| link.contains("modulepreload"))?;
    let (_, href) = link.split_once("href=\"")?;
    let (name, _) = href.split('"').next()?.split_once(".js")?;
    Some(name.rsplit_once('-')?.1)
}

/// A page that does not say what its files must hold, because they are others now.
fn unsealed(page: &str) -> String {
    let mut parts = page.split(" integrity=\"");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |page, part| page + part.split_once('"').map_or("", |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::{number_of, unsealed};

    #[test]
    fn the_number_is_that_of_the_script_that_is_loaded_first() {
        let page = "<link rel=\"icon\" href=\"a-1.svg\">\n<link rel=\"modulepreload\" \
                    href=\"./the-page-0a1b.js\" crossorigin>";
        assert_eq!(number_of(page), Some("0a1b"));
        assert_eq!(number_of("<link rel=\"icon\" href=\"a.svg\">"), None);
    }

    #[test]
    fn seals_are_taken_away_and_nothing_else() {
        let page = "<link href=\"a\" integrity=\"x\" as=\"b\"><link integrity=\"y\">";
        assert_eq!(unsealed(page), "<link href=\"a\" as=\"b\"><link>");
        assert_eq!(unsealed("<p>"), "<p>");
    }
}
