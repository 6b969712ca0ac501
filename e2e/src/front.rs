//! A host before the program, behind which the page is replaced by a newer one.

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, Response, StatusCode, header};
use reqwest::{Client, Url};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a newer page has in the names of its files.
const NEWER: &str = "newer-";

/// What of an answer is passed on.
const PASSED: [HeaderName; 3] =
    [header::CONTENT_TYPE, header::CONTENT_SECURITY_POLICY, header::CACHE_CONTROL];

/// Passes requests on to the program, and once told so pretends that the program has a
/// newer page: the same one, whose script has another name. Dropping it stops it.
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
        let behind = Arc::new(Behind { base, client, newer: AtomicBool::new(false) });
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
    let newer = behind.newer.load(Ordering::Relaxed);
    let url = behind.base.join(&path.replace(NEWER, ""))?;
    let answer = behind.client.get(url).send().await?;
    let status = answer.status();
    let headers =
        PASSED.iter().filter_map(|name| Some((name.clone(), answer.headers().get(name)?.clone())));
    let headers = headers.collect();
    let mut body = answer.bytes().await?.to_vec();
    if newer && path.split('?').next() == Some("/") {
        let page = String::from_utf8(body).context("the page is not text")?;
        // The script, wherever the page names it, and nothing else.
        let script = script(&page).context("the page names no script")?;
        body = page.replace(&script, &format!("{NEWER}{script}")).into_bytes();
    }
    Ok((status, headers, body))
}

/// The name of the script that the page loads first.
fn script(page: &str) -> Option<String> {
    let link = page.split("<link").find(|link| link.contains("modulepreload"))?;
    let (_, href) = link.split_once("href=\"")?;
    let name = href.split('"').next()?;
    Some(name.rsplit('/').next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::script;

    #[test]
    fn the_script_is_the_one_that_is_loaded_first() {
        let page = "<link rel=\"icon\" href=\"a.svg\">\n<link rel=\"modulepreload\" \
                    href=\"./page-0a1b.js\" crossorigin>";
        assert_eq!(script(page).as_deref(), Some("page-0a1b.js"));
        assert_eq!(script("<link rel=\"icon\" href=\"a.svg\">"), None);
    }
}
