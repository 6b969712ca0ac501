//! The hub's data sets against a stand-in on loopback.

use super::*;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use futures::StreamExt;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use tupate_tuner::data::{self, Input, Request};

const MAIN: &str = "1111111111111111111111111111111111111111";
const NEWER: &str = "2222222222222222222222222222222222222222";
const CONVERSION: &str = "3333333333333333333333333333333333333333";

const HUB: Hub =
    Hub { repository: ("owner", "name"), config: "conf", train: "train", dev: "validation" };

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 100,000 bytes, others for every `seed`.
fn noise(seed: u32) -> Vec<u8> {
    (0..100_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 24) as u8)
        .collect()
}

/// A repository by commit and path, what is asked of it, and how it fails.
struct Stand {
    commits: BTreeMap<&'static str, BTreeMap<&'static str, Vec<u8>>>,
    /// By branch, the empty one being the newest commit.
    branches: Mutex<BTreeMap<&'static str, &'static str>>,
    /// Requests for content: path and range.
    requests: Mutex<Vec<String>>,
    /// Break off the next answers after so many bytes.
    cut_after: Mutex<Vec<usize>>,
    /// Small files have no sha256 on the hub.
    sums: bool,
    /// Send other bytes than those that the sum is of.
    wrong: bool,
}

impl Stand {
    fn new() -> Self {
        let main = BTreeMap::from([
            ("README.md", b"# Read me".to_vec()),
            ("conf/train-00001-of-00002.parquet", noise(2)),
            ("conf/train-00000-of-00002.parquet", noise(1)),
            ("conf/validation-00000-of-00001.parquet", noise(3)),
            ("conf/test-00000-of-00001.parquet", noise(4)),
            ("other/train-00000-of-00001.parquet", noise(5)),
        ]);
        let newer = main.iter().map(|(path, bytes)| (*path, bytes.iter().rev().copied().collect()));
        Self {
            commits: BTreeMap::from([(NEWER, newer.collect()), (MAIN, main)]),
            branches: Mutex::new(BTreeMap::from([("", MAIN)])),
            requests: Mutex::default(),
            cut_after: Mutex::default(),
            sums: true,
            wrong: false,
        }
    }

    /// A repository of scripts, whose Parquet the hub made itself.
    fn converted() -> Self {
        let script = BTreeMap::from([("name.py", b"import datasets".to_vec())]);
        let conversion = BTreeMap::from([
            ("conf/train/0000.parquet", noise(1)),
            ("conf/validation/0000.parquet", noise(2)),
            ("conf/partial-train/0000.parquet", noise(3)),
        ]);
        let branches = BTreeMap::from([("", MAIN), (CONVERTED, CONVERSION)]);
        Self {
            commits: BTreeMap::from([(MAIN, script), (CONVERSION, conversion)]),
            branches: Mutex::new(branches),
            ..Self::new()
        }
    }
}

fn json(value: &serde_json::Value) -> Response {
    let response = Response::builder().header(header::CONTENT_TYPE, "application/json");
    response.body(Body::from(value.to_string())).unwrap()
}

fn missing(code: &'static str) -> Response {
    let response = Response::builder().status(StatusCode::NOT_FOUND).header("x-error-code", code);
    response.body(Body::empty()).unwrap()
}

async fn answer(
    State(stand): State<Arc<Stand>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let path = uri.path().replace("%2F", "/");
    if let Some(rest) = path.strip_prefix("/api/datasets/owner/name") {
        if let Some(commit) = rest.strip_prefix("/tree/") {
            let files = &stand.commits[commit];
            let entry = |(path, bytes): (&&str, &Vec<u8>)| serde_json::json!({ "type": "file", "oid": "0", "size": bytes.len(), "path": path });
            let folder = serde_json::json!({ "type": "directory", "oid": "0", "path": "conf" });
            return json(&files.iter().map(entry).chain([folder]).collect());
        }
        let branches = stand.branches.lock().unwrap();
        let commit = branches.get(rest.strip_prefix("/revision/").unwrap_or(rest)).copied();
        return match commit {
            Some(sha) => json(&serde_json::json!({ "id": "owner/name", "sha": sha })),
            None => missing("RevisionNotFound"),
        };
    }
    let found = path.strip_prefix("/datasets/owner/name/resolve/").and_then(|rest| {
        let (commit, path) = rest.split_once('/')?;
        stand.commits.get(commit)?.get(path).map(|bytes| (commit.to_owned(), bytes.clone()))
    });
    let Some((commit, content)) = found else { return missing("EntryNotFound") };
    let etag = if stand.sums { sha256(&content) } else { "abc".to_owned() };
    let range = headers.get(header::RANGE).and_then(|r| r.to_str().ok()).unwrap_or("").to_owned();
    if method == Method::GET {
        let name = path.rsplit('/').next().unwrap();
        stand.requests.lock().unwrap().push(format!("{name} {range}").trim_end().to_owned());
    }
    let start: usize = match range.strip_prefix("bytes=").and_then(|r| r.split('-').next()) {
        Some(start) => start.parse().unwrap(),
        None => 0,
    };
    let body = if stand.wrong { vec![0; content.len()] } else { content[start..].to_vec() };
    let response = Response::builder()
        .status(if start > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK })
        .header("x-repo-commit", commit)
        .header("x-linked-etag", format!("\"{etag}\""))
        .header(header::ETAG, "\"of the host\"")
        .header(header::CONTENT_LENGTH, body.len());
    let cut = (method == Method::GET).then(|| stand.cut_after.lock().unwrap().pop()).flatten();
    match cut {
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

async fn pull_from(
    stand: &Arc<Stand>,
    revision: Option<&str>,
    data: &Path,
) -> Result<Record, Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer).with_state(Arc::clone(stand));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let client = HFClient::builder()
        .endpoint(format!("http://{address}"))
        .retry_max_attempts(0)
        .build()
        .unwrap();
    let outcome = pull_with(&client, "task", &HUB, revision, data, &mut Silent).await;
    server.abort();
    outcome
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn both_splits_arrive_with_their_revision() {
    let dir = tempfile::tempdir().unwrap();
    let stand = Arc::new(Stand::new());
    let record = pull_from(&stand, None, dir.path()).await.unwrap();
    assert_eq!((record.revision.as_str(), record.repository.as_str()), (MAIN, "owner/name"));
    let folder = dir.path().join("task");
    assert_eq!(names(dir.path()), ["task"]);
    assert_eq!(
        names(&folder),
        [
            "hub.json",
            "train-00000-of-00002.parquet",
            "train-00001-of-00002.parquet",
            "validation-00000-of-00001.parquet"
        ]
    );
    for (name, seed) in
        [("train-00000-of-00002", 1), ("train-00001-of-00002", 2), ("validation-00000-of-00001", 3)]
    {
        assert_eq!(std::fs::read(folder.join(format!("{name}.parquet"))).unwrap(), noise(seed));
    }
    assert_eq!(stand.requests.lock().unwrap().len(), 3, "nothing but what is needed");
    assert!(record.files.iter().all(|file| file.sha256.is_some() && file.size == 100_000));
    // What is here is known by its record.
    assert_eq!(here("task", None, dir.path()).unwrap(), Some(record.clone()));
    assert_eq!(here("task", Some(MAIN), dir.path()).unwrap(), Some(record));
    let error = here("task", Some(NEWER), dir.path()).unwrap_err().to_string();
    assert!(
        error.ends_with(&format!("holds revision {MAIN} already; remove it to get {NEWER}")),
        "{error}"
    );
}

#[tokio::test]
async fn a_pull_that_was_cut_off_goes_on_at_the_same_commit() {
    let dir = tempfile::tempdir().unwrap();
    let stand = Arc::new(Stand::new());
    *stand.cut_after.lock().unwrap() = vec![60_000];
    let error = pull_from(&stand, None, dir.path()).await.unwrap_err().to_string();
    assert!(error.contains("cannot get owner/name from the Hugging Face hub"), "{error}");
    assert_eq!(names(dir.path()), [".task.partial"], "nothing that a loader could take for whole");
    // Meanwhile there is a newer commit.
    stand.branches.lock().unwrap().insert("", NEWER);
    let record = pull_from(&stand, None, dir.path()).await.unwrap();
    assert_eq!(record.revision, MAIN);
    let first = std::fs::read(dir.path().join("task/train-00000-of-00002.parquet")).unwrap();
    assert_eq!(first, noise(1));
    let requests = stand.requests.lock().unwrap().clone();
    assert!(
        requests.contains(&"train-00000-of-00002.parquet bytes=60000-99999".to_owned()),
        "{requests:?}"
    );
}

#[tokio::test]
async fn another_revision_leaves_no_file_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let stand = Arc::new(Stand::new());
    *stand.cut_after.lock().unwrap() = vec![10];
    // The second file breaks off.
    stand.cut_after.lock().unwrap().push(100_000);
    pull_from(&stand, None, dir.path()).await.unwrap_err();
    stand.branches.lock().unwrap().insert("next", NEWER);
    stand.cut_after.lock().unwrap().clear();
    let record = pull_from(&stand, Some("next"), dir.path()).await.unwrap();
    assert_eq!((record.revision.as_str(), record.asked.as_deref()), (NEWER, Some("next")));
    let first = std::fs::read(dir.path().join("task/train-00000-of-00002.parquet")).unwrap();
    assert_eq!(sha256(&first), record.files[0].sha256.clone().unwrap());
    assert_ne!(first, noise(1));
}

#[tokio::test]
async fn the_hub_s_conversion_stands_in_for_scripts() {
    let dir = tempfile::tempdir().unwrap();
    let record = pull_from(&Arc::new(Stand::converted()), None, dir.path()).await.unwrap();
    assert_eq!(record.revision, CONVERSION);
    let paths: Vec<_> = record.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["conf/train/0000.parquet", "conf/validation/0000.parquet"]);
    assert_eq!(
        names(&dir.path().join("task"))[1..],
        ["train-00000-of-00001.parquet", "validation-00000-of-00001.parquet"]
    );
}

#[tokio::test]
async fn what_cannot_be_got_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = Arc::new(Stand { wrong: true, ..Stand::new() });
    let error = pull_from(&wrong, None, dir.path()).await.unwrap_err().to_string();
    assert!(error.ends_with("; it was removed, pull again"), "{error}");
    let none = Stand::converted();
    none.branches.lock().unwrap().remove(CONVERTED);
    let dir = tempfile::tempdir().unwrap();
    let error = pull_from(&Arc::new(none), None, dir.path()).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "owner/name has no Parquet files of the splits train and validation of conf; name another \
         --revision, or get the original files"
    );
    let error = pull_from(&Arc::new(Stand::new()), Some("gone"), dir.path()).await.unwrap_err();
    assert!(error.to_string().contains("gone"), "{error}");
    // Files of somebody else's are not touched.
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("task")).unwrap();
    assert_eq!(here("task", None, dir.path()).unwrap(), None);
    std::fs::write(dir.path().join("task/train.tsv"), b"mine").unwrap();
    let error = here("task", None, dir.path()).unwrap_err().to_string();
    assert!(error.contains("task holds other files already; remove them"), "{error}");
}

#[tokio::test]
async fn files_without_a_sum_are_checked_by_their_size() {
    let dir = tempfile::tempdir().unwrap();
    let stand = Arc::new(Stand { sums: false, ..Stand::new() });
    *stand.cut_after.lock().unwrap() = vec![60_000];
    pull_from(&stand, None, dir.path()).await.unwrap_err();
    let record = pull_from(&stand, None, dir.path()).await.unwrap();
    assert!(record.files.iter().all(|file| file.sha256.is_none()));
    let first = std::fs::read(dir.path().join("task/train-00000-of-00002.parquet")).unwrap();
    assert_eq!(first, noise(1));
    let ranged = stand.requests.lock().unwrap().iter().filter(|r| r.contains("bytes=")).count();
    assert_eq!(ranged, 0, "without a sum nobody knows what the first bytes are of");
}

/// From the hub to examples: the tuner's Parquet of classes, by its table.
#[tokio::test]
async fn what_was_pulled_is_what_is_loaded() {
    let classes = include_bytes!("../../../tuner/src/data/tests/fixtures/classes.parquet").to_vec();
    let commit = BTreeMap::from([
        ("conf/train-00000-of-00001.parquet", classes.clone()),
        ("conf/validation-00000-of-00001.parquet", classes),
    ]);
    let stand = Stand { commits: BTreeMap::from([(MAIN, commit)]), ..Stand::new() };
    let dir = tempfile::tempdir().unwrap();
    pull_from(&Arc::new(stand), None, dir.path()).await.unwrap();
    std::fs::rename(dir.path().join("task"), dir.path().join("snli")).unwrap();
    let dataset = data::load(&Request {
        task: "snli",
        data_dir: Some(dir.path()),
        train_file: None,
        dev_file: None,
        columns: None,
        max_train: None,
        seed: 0,
    })
    .unwrap();
    assert_eq!(dataset.train.len(), 3);
    assert_eq!(dataset.dev[0].input, Input::Pair("Ein Café.".into(), "Ein 😀.".into()));
}

#[test]
fn shards_are_told_from_other_files() {
    for (path, config, split, expected) in [
        ("plain_text/train-00000-of-00001.parquet", "plain_text", "train", true),
        ("data/train-00000-of-00001.parquet", "default", "train", true),
        ("train-00000-of-00001.parquet", "default", "train", true),
        ("conf/train/0000.parquet", "conf", "train", true),
        ("mnli/validation_matched-00000-of-00001.parquet", "mnli", "validation_matched", true),
        ("mnli/validation_matched-00000-of-00001.parquet", "mnli", "validation", false),
        ("data/train-00000-of-00001.parquet", "conf", "train", false),
        ("other/train-00000-of-00001.parquet", "conf", "train", false),
        ("conf/partial-train/0000.parquet", "conf", "train", false),
        ("conf/train-00000-of-00001.json", "conf", "train", false),
        ("conf/a/train-00000-of-00001.parquet", "conf", "train", false),
    ] {
        assert_eq!(is_shard(path, config, split), expected, "{path}");
    }
}

/// Every data set with a place on the hub has one of a form that is looked for.
#[test]
fn places_on_the_hub_are_whole() {
    for known in data::DATASETS {
        match known.hub {
            Ok(hub) => {
                let parts = [hub.repository.0, hub.repository.1, hub.config, hub.train, hub.dev];
                assert!(parts.iter().all(|part| !part.is_empty()), "{}", known.id);
            }
            Err(why) => assert!(why.len() > 10, "{}", known.id),
        }
    }
}
