//! `/api/v1/uploads`: data on its way in, however it comes.

use crate::scripted::{Scripted, expected};
use crate::support::{Tuning, problem, run_limits, token, whole_problem};
use futures::StreamExt;
use reqwest::{Body, Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tupate_api::{Run, RunState, Scope, Upload, UploadFormat, Uploads};
use tupate_server::{Digest, LocalFolder, RunLimits, RunParts, Runs, SqliteStore};

const CSV: &str = "text,label\ngood,1\nbad,0\n";

async fn send(
    tuning: &Tuning,
    kind: &str,
    query: &str,
    body: impl Into<Body>,
) -> reqwest::Response {
    let url = tuning.server.url(&format!("/api/v1/uploads{query}"));
    let request = tuning.server.client.post(url).bearer_auth(&tuning.token);
    request.header("content-type", kind).body(body).send().await.unwrap()
}

fn form(file_name: &str, content: &str) -> String {
    format!(
        "--x\r\ncontent-disposition: form-data; name=\"note\"\r\n\r\nhi\r\n--x\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
         content-type: text/plain\r\n\r\n{content}\r\n--x--\r\n"
    )
}

#[tokio::test]
async fn a_file_is_sent_and_tuned_on() {
    let tuning = Tuning::start().await;
    let response = send(&tuning, "text/csv; charset=utf-8", "?name=my%20tickets.csv", CSV).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let upload: Upload = response.json().await.unwrap();
    assert_eq!(upload.id, format!("{}.csv", Digest::of(CSV.as_bytes()).as_str()));
    assert_eq!((upload.name.as_str(), upload.bytes), ("my-tickets", CSV.len() as u64));
    let kind = "multipart/form-data; boundary=x";
    let again: Upload =
        send(&tuning, kind, "", form("a/b/tickets.csv", CSV)).await.json().await.unwrap();
    assert_eq!(again.id, upload.id);
    let spec = json!({ "data": { "upload": upload.id }, "seed": 7 });
    let run: Run = tuning.post("/api/v1/runs", &spec).await.json().await.unwrap();
    // What was sent is as it was sent, by the run's own name.
    let kept = tuning.dir.path().join("runs").join(&run.id).join("data.csv");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), CSV);
    let done = tuning.until(&run.id, &[RunState::Done]).await;
    assert_eq!(done.result.unwrap().embedding_sha256, expected(7, 3));
}

#[tokio::test]
async fn the_form_decides_how_it_is_read() {
    let tuning = Tuning::start().await;
    for (kind, format) in [
        ("text/csv", UploadFormat::Csv),
        ("text/tab-separated-values", UploadFormat::Tsv),
        ("application/jsonl", UploadFormat::Jsonl),
        ("application/x-ndjson", UploadFormat::Jsonl),
    ] {
        let upload: Upload = send(&tuning, kind, "", "text").await.json().await.unwrap();
        assert_eq!(upload.format, format);
    }
    for kind in ["", "text/plain", "application/zip", "application/x-python-pickle"] {
        problem(send(&tuning, kind, "", CSV).await, StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
    }
    for name in ["x.parquet", "x.pkl", "x", "x.csv.exe", ""] {
        let response = send(&tuning, "multipart/form-data; boundary=x", "", form(name, CSV)).await;
        problem(response, StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
    }
    for body in ["", "--x", "--x\r\n\r\n", "nonsense"] {
        let response = send(&tuning, "multipart/form-data; boundary=x", "", body).await;
        assert!(response.status().is_client_error(), "{body}");
    }
    let response = send(&tuning, "multipart/form-data", "", CSV).await;
    problem(response, StatusCode::BAD_REQUEST).await;
    // The data is read before anything waits for it.
    let bad: Upload = send(&tuning, "text/csv", "", "a,b\n1,2\n").await.json().await.unwrap();
    let spec = json!({ "data": { "upload": bad.id } });
    let response = tuning.post("/api/v1/runs", &spec).await;
    let problem = whole_problem(response, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(problem.errors[0].field, "data.upload");
    assert!(problem.errors[0].detail.contains("line 1"), "{problem:?}");
}

#[tokio::test]
async fn too_much_and_too_slow_leave_nothing() {
    let limits = RunLimits { upload: 1000, ..run_limits() };
    let tuning = Tuning::with(limits, |config| {
        config.limits.pace.patience = Duration::from_millis(300);
    })
    .await;
    // Said before, or found out on the way.
    let large = "x".repeat(200_000);
    problem(send(&tuning, "text/csv", "", large).await, StatusCode::PAYLOAD_TOO_LARGE).await;
    let parts = futures::stream::iter((0..11).map(|_| Ok::<_, std::io::Error>("x".repeat(100))));
    let response = send(&tuning, "text/csv", "", Body::wrap_stream(parts)).await;
    let detail = problem(response, StatusCode::PAYLOAD_TOO_LARGE).await;
    assert!(detail.contains("1000 bytes"), "{detail}");
    let form = form("a.csv", &"x".repeat(1001));
    let response = send(&tuning, "multipart/form-data; boundary=x", "", form).await;
    problem(response, StatusCode::PAYLOAD_TOO_LARGE).await;
    for path in ["uploads", "runs", "zoos"] {
        let token = &tuning.token;
        let kind = if path == "uploads" { "text/csv" } else { "application/json" };
        let head = format!(
            "POST /api/v1/{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             content-type: {kind}\r\ncontent-length: 500\r\n\r\n{{"
        );
        let answer = tuning.server.raw(head).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{path}: {answer}");
    }
    let left: Vec<_> = ["uploads", "incoming"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(tuning.dir.path().join(folder)).unwrap())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

async fn list(tuning: &Tuning, token: &str, query: &str) -> Uploads {
    let url = tuning.server.url(&format!("/api/v1/uploads{query}"));
    let response = tuning.server.client.get(url).bearer_auth(token).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.unwrap()
}

async fn delete(tuning: &Tuning, token: &str, id: &str) -> reqwest::Response {
    let url = tuning.server.url(&format!("/api/v1/uploads/{id}"));
    tuning.server.client.delete(url).bearer_auth(token).send().await.unwrap()
}

#[tokio::test]
async fn ones_own_uploads_are_listed_and_removed() {
    let tuning = Tuning::start().await;
    let mut ids = Vec::new();
    for i in 0..5 {
        let csv = format!("{CSV}{i},1\n");
        let upload: Upload = send(&tuning, "text/csv", "", csv).await.json().await.unwrap();
        ids.push(upload.id);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    ids.reverse();
    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = list(&tuning, &tuning.token, &query).await;
        seen.extend(page.uploads.into_iter().map(|upload| upload.id));
        let Some(next) = page.next else { break };
        query = format!("?limit=2&before={next}");
    }
    assert_eq!(seen, ids);
    for query in ["?limit=0", "?limit=201", "?before=..", "?x=1"] {
        let response = tuning.send(Method::GET, &format!("/api/v1/uploads{query}"), None).await;
        assert!(response.status().is_client_error(), "{query}");
    }
    // Of two who sent the same, each has it; the file stays until both have removed it.
    let other = token(&tuning.store, "other", &[Scope::Tune]).await;
    let (same, csv) = (&ids[0], format!("{CSV}4,1\n"));
    problem(delete(&tuning, &other, same).await, StatusCode::NOT_FOUND).await;
    let url = tuning.server.url("/api/v1/uploads?name=theirs");
    let request = tuning.server.client.post(url).bearer_auth(&other).body(csv);
    request.header("content-type", "text/csv").send().await.unwrap();
    let theirs = list(&tuning, &other, "").await.uploads;
    assert_eq!((theirs.len(), &theirs[0].id, theirs[0].name.as_str()), (1, same, "theirs"));
    let file = tuning.dir.path().join("uploads").join(same);
    assert_eq!(delete(&tuning, &tuning.token, same).await.status(), StatusCode::NO_CONTENT);
    assert!(file.exists());
    problem(delete(&tuning, &tuning.token, same).await, StatusCode::NOT_FOUND).await;
    assert_eq!(delete(&tuning, &other, same).await.status(), StatusCode::NO_CONTENT);
    assert!(!file.exists());
    let reader = token(&tuning.store, "reader", &[Scope::Read]).await;
    problem(delete(&tuning, &reader, &ids[1]).await, StatusCode::FORBIDDEN).await;
    for id in ["..%2f..%2fetc%2fpasswd", "x", "..", &"0".repeat(64)] {
        assert!(delete(&tuning, &tuning.token, id).await.status().is_client_error(), "{id}");
    }
}

#[tokio::test]
async fn an_upload_stays_while_a_run_is_yet_to_be_tuned_on_it() {
    let tuning = Tuning::in_folder(TempDir::new().unwrap(), run_limits(), 0, |_| {}).await;
    let upload: Upload = send(&tuning, "text/csv", "", CSV).await.json().await.unwrap();
    let spec = json!({ "data": { "upload": upload.id } });
    let run: Run = tuning.post("/api/v1/runs", &spec).await.json().await.unwrap();
    let detail =
        problem(delete(&tuning, &tuning.token, &upload.id).await, StatusCode::CONFLICT).await;
    assert!(detail.contains(&run.id), "{detail}");
    tuning.act(&run.id, "cancel").await;
    let gone = delete(&tuning, &tuning.token, &upload.id).await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    // The run has its own name for the data.
    tuning.act(&run.id, "resume").await;
    let dir = tuning.stop().await;
    let tuning = Tuning::in_folder(dir, run_limits(), 1, |_| {}).await;
    tuning.until(&run.id, &[RunState::Done]).await;
    problem(tuning.post("/api/v1/runs", &spec).await, StatusCode::UNPROCESSABLE_ENTITY).await;
}

#[tokio::test]
async fn what_nobody_needs_goes_away_while_the_server_is_up() {
    let limits = RunLimits {
        tidy: Duration::from_millis(20),
        upload_life: Duration::from_millis(300),
        ..run_limits()
    };
    let tuning = Tuning::with(limits, |_| {}).await;
    let run = tuning.create("quick", 1).await;
    tuning.until(&run.id, &[RunState::Done]).await;
    let zoo = json!({ "name": "kept", "runs": [run.id] });
    assert_eq!(tuning.post("/api/v1/zoos", &zoo).await.status(), StatusCode::CREATED);
    let upload: Upload = send(&tuning, "text/csv", "", CSV).await.json().await.unwrap();
    let names = |folder: &str| {
        let entries = std::fs::read_dir(tuning.dir.path().join(folder)).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let hex = |digits: usize| "7".repeat(digits);
    std::fs::create_dir(tuning.dir.path().join("runs").join(hex(32))).unwrap();
    std::fs::write(tuning.dir.path().join(format!("zoos/{}.safetensors", hex(64))), "x").unwrap();
    std::fs::write(tuning.dir.path().join(format!("uploads/{}.tsv", hex(64))), "x").unwrap();
    assert!(names("uploads").contains(&upload.id));
    let tidied = async {
        while !names("uploads").is_empty() || names("runs").len() + names("zoos").len() > 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), tidied).await.expect("it goes away");
    assert_eq!(names("runs"), [run.id.as_str()]);
    assert_eq!(tuning.server.get("/zoos/kept.safetensors").await.status(), StatusCode::OK);
    let path = format!("/api/v1/uploads/{}", upload.id);
    problem(tuning.send(Method::GET, &path, None).await, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn what_is_no_servers_stays_and_nothing_goes_before_the_server_is_up() {
    let limits = RunLimits { tidy: Duration::from_millis(20), ..run_limits() };
    let dir = TempDir::new().unwrap();
    let hex = "7".repeat(64);
    let foreign = [
        "runs/tickets/late/adapter_model.safetensors".to_owned(),
        "runs/notes.txt".to_owned(),
        format!("runs/{}", &hex[..32]),
        "uploads/mine.csv".to_owned(),
        format!("uploads/{hex}.parquet"),
        format!("uploads/{hex}.csv/train.csv"),
        "zoos/best.safetensors".to_owned(),
        "incoming/notes.txt".to_owned(),
    ];
    let left = [format!("runs/{}/data.csv", "8".repeat(32)), "incoming/7".to_owned()];
    for path in foreign.iter().chain(&left) {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
    }
    assert!(LocalFolder::occupied(dir.path()).unwrap().is_some());
    assert_eq!(LocalFolder::occupied(&dir.path().join("state")).unwrap(), None);
    // As a start that ends when the address cannot be had.
    let runs = Runs::open(RunParts {
        store: Arc::new(SqliteStore::open(&dir.path().join("tupate.sqlite")).unwrap()),
        artefacts: Arc::new(LocalFolder::open(dir.path(), 1 << 30).unwrap()),
        service: Arc::new(Scripted),
        workers: Vec::new(),
        limits,
    });
    drop(runs.await.unwrap());
    for path in foreign.iter().chain(&left) {
        assert!(dir.path().join(path).exists(), "{path}");
    }
    let tuning = Tuning::in_folder(dir, limits, 0, |_| {}).await;
    let gone = async {
        while left.iter().any(|path| tuning.dir.path().join(path).exists()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it goes away");
    // Looked at again and again, with one on its way in.
    let parts = futures::stream::iter(0..10).then(async |_| {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok::<_, std::io::Error>("text,label\n")
    });
    let response = send(&tuning, "text/csv", "", Body::wrap_stream(parts)).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    for path in foreign {
        assert!(tuning.dir.path().join(&path).exists(), "{path}");
    }
}

#[tokio::test]
async fn an_upload_is_its_owners() {
    let tuning = Tuning::in_folder(TempDir::new().unwrap(), run_limits(), 0, |_| {}).await;
    let upload: Upload = send(&tuning, "text/csv", "?name=mine", CSV).await.json().await.unwrap();
    let other = token(&tuning.store, "other", &[Scope::Tune]).await;
    let admin = token(&tuning.store, "admin", &[Scope::Admin]).await;
    let reader = token(&tuning.store, "reader", &[Scope::Read]).await;
    let path = format!("/api/v1/uploads/{}", upload.id);
    let ask = async |method: Method, path: &str, token: &str, body: Option<&Value>| {
        let request = tuning.server.client.request(method, tuning.server.url(path));
        let request = request.bearer_auth(token);
        let request = body.into_iter().fold(request, |request, body| request.json(body));
        request.send().await.unwrap()
    };
    for (token, status) in [
        (tuning.token.as_str(), StatusCode::OK),
        (&other, StatusCode::NOT_FOUND),
        (&admin, StatusCode::OK),
        (&reader, StatusCode::FORBIDDEN),
    ] {
        assert_eq!(ask(Method::GET, &path, token, None).await.status(), status);
    }
    problem(tuning.server.get(&path).await, StatusCode::UNAUTHORIZED).await;
    // Neither tuned on nor looked into by others, be they admins.
    let spec = json!({ "data": { "upload": upload.id }, "columns": "class=text" });
    for token in [&other, &admin] {
        let response = ask(Method::POST, "/api/v1/runs", token, Some(&spec)).await;
        let problem = whole_problem(response, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert!(problem.errors[0].detail.contains("there is no upload"), "{problem:?}");
    }
    // Both have it where both have sent it, and one is not kept from removing it by the other.
    let request = tuning.server.client.post(tuning.server.url("/api/v1/uploads?name=theirs"));
    let request = request.bearer_auth(&other).header("content-type", "text/csv").body(CSV);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::CREATED);
    for (token, name) in [(&other, "theirs"), (&tuning.token, "mine")] {
        let response = ask(Method::POST, "/api/v1/runs", token, Some(&spec)).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let run: Run = response.json().await.unwrap();
        assert_eq!(run.spec.name.as_deref(), Some(name));
        if *token == other {
            let gone = delete(&tuning, &tuning.token, &upload.id).await;
            assert_eq!(gone.status(), StatusCode::NO_CONTENT);
            let sent = send(&tuning, "text/csv", "?name=mine", CSV).await;
            assert_eq!(sent.status(), StatusCode::CREATED);
        }
        problem(delete(&tuning, token, &upload.id).await, StatusCode::CONFLICT).await;
    }
}

#[tokio::test]
async fn uploads_are_read_one_at_a_time_and_only_where_there_is_place() {
    let limits = RunLimits { of_one: 8, ..run_limits() };
    let tuning = Tuning::in_folder(TempDir::new().unwrap(), limits, 0, |_| {}).await;
    let upload: Upload = send(&tuning, "text/csv", "", CSV).await.json().await.unwrap();
    let bad: Upload = send(&tuning, "text/csv", "", "a,b\n1,2\n").await.json().await.unwrap();
    // The service fails where it is asked to look at two.
    let spec = json!({ "data": { "upload": upload.id } });
    let asked = (0..8).map(|_| tuning.post("/api/v1/runs", &spec));
    for response in futures::future::join_all(asked).await {
        assert_eq!(response.status(), StatusCode::CREATED);
    }
    let spec = json!({ "data": { "upload": bad.id } });
    problem(tuning.post("/api/v1/runs", &spec).await, StatusCode::TOO_MANY_REQUESTS).await;
}

#[tokio::test]
async fn nobody_waits_for_a_check_that_nobody_waits_for() {
    let tuning = Tuning::start().await;
    let long: Upload = send(&tuning, "text/csv", "", "text: long").await.json().await.unwrap();
    let upload: Upload = send(&tuning, "text/csv", "", CSV).await.json().await.unwrap();
    let long = json!({ "data": { "upload": long.id } });
    let patience = Duration::from_millis(200);
    // The client goes away, and the next one has its turn.
    assert!(tokio::time::timeout(patience, tuning.post("/api/v1/runs", &long)).await.is_err());
    let next = json!({ "data": { "upload": upload.id } });
    let next = tokio::time::timeout(Duration::from_secs(20), tuning.post("/api/v1/runs", &next));
    assert_eq!(next.await.expect("its turn comes").status(), StatusCode::CREATED);
    // The server stops.
    let request = tuning.server.client.post(tuning.server.url("/api/v1/runs"));
    let request = request.bearer_auth(&tuning.token).json(&long);
    let asked = tokio::spawn(request.send());
    tokio::time::sleep(patience).await;
    let stopped = tokio::time::timeout(Duration::from_secs(20), tuning.stop()).await;
    stopped.expect("the server does not wait");
    problem(asked.await.unwrap().unwrap(), StatusCode::SERVICE_UNAVAILABLE).await;
}

#[tokio::test]
async fn what_stands_around_a_file_is_within_bounds_too() {
    const HEAD: &str = "--x\r\ncontent-disposition: form-data; name=\"note\"\r\n";
    let limits = RunLimits { upload: 1000, ..run_limits() };
    let tuning = Tuning::with(limits, |config| {
        config.limits.pace.patience = Duration::from_millis(400);
        config.limits.pace.rate = 100_000;
    })
    .await;
    let kind = "multipart/form-data; boundary=x";
    // A part, and its head, without an end.
    for front in [format!("{HEAD}\r\n"), HEAD.to_owned()] {
        let more = futures::stream::repeat("x-more: abc\r\n".repeat(100)).take(60);
        let parts = futures::stream::iter([front]).chain(more).map(Ok::<_, std::io::Error>);
        let response = send(&tuning, kind, "", Body::wrap_stream(parts)).await;
        let detail = problem(response, StatusCode::PAYLOAD_TOO_LARGE).await;
        assert!(detail.contains("1000 bytes"), "{detail}");
    }
    // Part by part, each in time, and all of it not.
    let parts = futures::stream::iter(0..100).then(async |_| {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok::<_, std::io::Error>(format!("{HEAD}\r\nx\r\n"))
    });
    let began = std::time::Instant::now();
    let response = send(&tuning, kind, "", Body::wrap_stream(parts)).await;
    problem(response, StatusCode::REQUEST_TIMEOUT).await;
    assert!(began.elapsed() < Duration::from_secs(4));
    let form = form("a.csv", &"x".repeat(1000));
    assert_eq!(send(&tuning, kind, "", form).await.status(), StatusCode::CREATED);
}
