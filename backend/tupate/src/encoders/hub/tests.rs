//! The hub's path against a stand-in on loopback.

use super::super::Remote;
use super::*;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use futures::StreamExt;
use std::io;
use std::sync::{Arc, Mutex};
use tupate_tuner::encoder::WEIGHTS_FILE;

/// 100,000 bytes; the sum is of exactly these.
fn weights() -> Vec<u8> {
    (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}
const WEIGHTS_SHA256: &str = "e24ae9cbcc7500392dfa5d018f63f0bf87232dc30ae5996d8ca6b25c2ae4b665";

static KNOWN: Known = Known {
    name: "stand-in",
    describe: "made up",
    licence: "none",
    repository: ("owner", "name"),
    revision: "0123456789012345678901234567890123456789",
    files: &[
        Remote { path: "1_Pooling/config.json", sha256: None },
        Remote { path: WEIGHTS_FILE, sha256: Some(WEIGHTS_SHA256) },
    ],
    wheel: None,
};

/// What the stand-in was asked for, and how it should fail.
#[derive(Default)]
struct Hub {
    requests: Mutex<Vec<String>>,
    /// Break off the next answers after so many bytes.
    cut_after: Mutex<Vec<usize>>,
    /// Answer a range with the whole file, as some hosts do.
    ignore_ranges: bool,
    /// Send other bytes than those of the pinned sum.
    wrong: bool,
    /// Never answer, or never go on after the first bytes of the weights.
    silent: Option<Silence>,
}

#[derive(PartialEq)]
enum Silence {
    AtOnce,
    OnTheWay,
}

async fn answer(
    State(hub): State<Arc<Hub>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if hub.silent == Some(Silence::AtOnce) {
        std::future::pending::<()>().await;
    }
    let range = headers.get(header::RANGE).and_then(|r| r.to_str().ok()).unwrap_or("").to_owned();
    if method == Method::GET {
        hub.requests.lock().unwrap().push(format!("{} {range}", uri.path()).trim_end().to_owned());
    }
    let root = format!("/owner/name/resolve/{}/", KNOWN.revision);
    let content = match uri.path().strip_prefix(&root) {
        Some("1_Pooling/config.json") => b"{}".to_vec(),
        Some(path) if path == WEIGHTS_FILE && hub.wrong => vec![0; 1000],
        Some(path) if path == WEIGHTS_FILE => weights(),
        _ => return Response::builder().status(StatusCode::NOT_FOUND).body(Body::empty()).unwrap(),
    };
    let start: usize = match range.strip_prefix("bytes=").and_then(|r| r.split('-').next()) {
        Some(start) if !hub.ignore_ranges => start.parse().unwrap(),
        _ => 0,
    };
    let body = content[start..].to_vec();
    let response = Response::builder()
        .status(if start > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK })
        .header("x-repo-commit", KNOWN.revision)
        .header(header::ETAG, "\"abc\"")
        .header(header::CONTENT_LENGTH, body.len());
    if hub.silent == Some(Silence::OnTheWay) && body.len() > 10 {
        let first = Bytes::from(body[..100].to_vec());
        let parts = futures::stream::once(async { Ok::<_, io::Error>(first) });
        return response.body(Body::from_stream(parts.chain(futures::stream::pending()))).unwrap();
    }
    let cut =
        (method == Method::GET && body.len() > 10).then(|| hub.cut_after.lock().unwrap().pop());
    match cut.flatten() {
        Some(cut) => {
            let first = Bytes::from(body[..cut].to_vec());
            let parts =
                futures::stream::once(async { Ok(first) }).chain(futures::stream::once(async {
                    // Time for the first part to leave; an error at once takes it along.
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                    Err(io::Error::other("cut"))
                }));
            response.body(Body::from_stream(parts)).unwrap()
        }
        None => response.body(Body::from(body)).unwrap(),
    }
}

#[derive(Default)]
struct Silent;
impl Watch for Silent {
    fn note(&mut self, _: &str) {}
    fn download(&mut self, _: &str, _: u64, _: Option<u64>) {}
}

/// Runs `attempts` fetches into `folder` and gives the last outcome.
async fn fetch_from(hub: Arc<Hub>, folder: &Path, attempts: usize) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer).with_state(hub);
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let client = HFClient::builder()
        .endpoint(format!("http://{address}"))
        .retry_max_attempts(0)
        .build()
        .unwrap();
    let mut outcome = Ok(());
    for _ in 0..attempts {
        outcome = fetch_with(&client, &KNOWN, folder, &mut Silent).await;
    }
    server.abort();
    outcome
}

fn weights_requests(hub: &Hub) -> Vec<String> {
    let requests = hub.requests.lock().unwrap();
    let of_weights = requests.iter().filter(|r| r.contains(WEIGHTS_FILE));
    of_weights.map(|r| r.rsplit('/').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn whole_files_arrive_and_are_not_fetched_twice() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Arc::new(Hub::default());
    fetch_from(Arc::clone(&hub), dir.path(), 2).await.unwrap();
    assert_eq!(std::fs::read(dir.path().join(WEIGHTS_FILE)).unwrap(), weights());
    assert_eq!(std::fs::read(dir.path().join("1_Pooling/config.json")).unwrap(), b"{}");
    assert_eq!(hub.requests.lock().unwrap().len(), 2, "one request a file");
}

#[tokio::test]
async fn a_download_that_was_cut_off_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Arc::new(Hub { cut_after: Mutex::new(vec![60_000]), ..Hub::default() });
    let error = fetch_from(Arc::clone(&hub), dir.path(), 1).await.unwrap_err();
    assert!(error.to_string().contains("owner/name"), "{error}");
    assert!(!dir.path().join(WEIGHTS_FILE).exists(), "half a file has no final name");
    fetch_from(Arc::clone(&hub), dir.path(), 1).await.unwrap();
    assert_eq!(std::fs::read(dir.path().join(WEIGHTS_FILE)).unwrap(), weights());
    let last = weights_requests(&hub).pop().unwrap();
    assert_eq!(last, format!("{WEIGHTS_FILE} bytes=60000-99999"));
}

#[tokio::test]
async fn a_host_that_ignores_ranges_costs_time_but_no_byte() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub { cut_after: Mutex::new(vec![60_000]), ignore_ranges: true, ..Hub::default() };
    let hub = Arc::new(hub);
    fetch_from(Arc::clone(&hub), dir.path(), 2).await.unwrap();
    assert_eq!(std::fs::read(dir.path().join(WEIGHTS_FILE)).unwrap(), weights());
}

#[tokio::test]
async fn wrong_bytes_are_refused_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Arc::new(Hub { wrong: true, ..Hub::default() });
    let error = fetch_from(hub, dir.path(), 1).await.unwrap_err().to_string();
    assert!(error.contains("it was removed, pull again"), "{error}");
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        1,
        "only the pooling folder is left"
    );
}

#[tokio::test]
async fn a_hub_that_keeps_silent_is_not_waited_for() {
    for silent in [Silence::AtOnce, Silence::OnTheWay] {
        let dir = tempfile::tempdir().unwrap();
        let hub = Arc::new(Hub { silent: Some(silent), ..Hub::default() });
        let error = fetch_from(hub, dir.path(), 1).await.unwrap_err().to_string();
        assert!(error.contains("owner/name") && error.contains("has said nothing for"), "{error}");
    }
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let client =
        HFClient::builder().endpoint("http://127.0.0.1:9").retry_max_attempts(0).build().unwrap();
    let error = fetch_with(&client, &KNOWN, dir.path(), &mut Silent).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot get owner/name from the Hugging Face hub"), "{error}");
}
