//! `tupate serve` with the real tuner: what is asked for over HTTP is what the
//! command line makes, over kills and stops.

use crate::support::{command, fails, ok, reviews};
use flate2::{Compression, write::GzEncoder};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;
use tupate_api::{Event, Run, RunState, StoredEvent, Upload};

const SERVE: &str = "serve --listen 127.0.0.1:0 --data state --threads 1 --worker cpu \
                     --encoder @tiny-bert";

/// A new token's secret.
fn token(dir: &Path) -> String {
    ok(dir, "token create --data state --name me").trim().to_owned()
}

struct Server {
    child: Child,
    base: String,
    client: Client,
    token: String,
}

impl Server {
    fn start(dir: &Path, token: &str) -> Self {
        Self::with(dir, token, SERVE)
    }

    fn with(dir: &Path, token: &str, serve: &str) -> Self {
        let mut child = command(dir, serve).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let base = lines.next().unwrap().unwrap().trim_end_matches('/').to_owned();
        Self { child, base, client: Client::new(), token: token.to_owned() }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        request = request.bearer_auth(&self.token);
        if let Some(body) = body {
            let text = body.to_string();
            request = request.header("content-type", "application/json").body(text);
        }
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn run(&self, id: &str) -> Run {
        let (_, run) = self.send(Method::GET, &format!("/api/v1/runs/{id}"), None).await;
        serde_json::from_value(run).unwrap()
    }

    async fn until(&self, id: &str, reached: impl Fn(&Run) -> bool) -> Run {
        let waiting = async {
            loop {
                let run = self.run(id).await;
                if reached(&run) {
                    return run;
                }
                assert!(run.state != RunState::Failed, "{run:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), waiting).await.expect("it comes to that")
    }

    async fn events(&self, id: &str) -> Vec<Event> {
        let url = format!("{}/api/v1/runs/{id}/events", self.base);
        let text = self.client.get(url).send().await.unwrap().text().await.unwrap();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|line| serde_json::from_str::<StoredEvent>(line).unwrap().event).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL: its children must notice by themselves.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The embedding that the command line makes of the same data and settings.
fn by_the_command_line(dir: &Path) -> String {
    std::fs::write(dir.join("reviews.csv"), reviews(120)).unwrap();
    ok(
        dir,
        "tune reviews.csv --encoder @tiny-bert --epochs 60 --lr 5e-3 --batch-size 8 --threads 1 \
         --out run",
    );
    ok(dir, "zoo pack run --out reference.safetensors");
    ok(dir, "embed run --out run.json");
    let text = std::fs::read_to_string(dir.join("run.json")).unwrap();
    let embedding: Value = serde_json::from_str(&text).unwrap();
    let mut hash = Sha256::new();
    for value in embedding["values"].as_array().unwrap() {
        hash.update((value.as_f64().unwrap() as f32).to_le_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_run_over_http_is_that_of_the_command_line_whatever_happens_to_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let expected = by_the_command_line(dir);
    let token = token(dir);
    // A zoo in the folder is served, as ever.
    std::fs::copy(dir.join("reference.safetensors"), dir.join("state/reference.safetensors"))
        .unwrap();
    // Of further folders, those that hold a task are offered by their names.
    for (file, content) in [
        ("tickets/train.csv", reviews(24)),
        ("sst2/readme.txt", String::new()),
        ("notes/readme.txt", String::new()),
        ("two/train.csv", reviews(8)),
        ("two/train.tsv", reviews(8)),
        ("no plain name/train.csv", reviews(8)),
        (".hidden/train.csv", reviews(8)),
    ] {
        let path = dir.join("state/datasets").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let server = Server::start(dir, &token);
    fails(dir, "serve --listen 127.0.0.1:0 --data state", 2, &["another server"]);

    let (_, offers) = server.send(Method::GET, "/api/v1/offers", None).await;
    assert_eq!(offers["encoders"], json!(["tiny-bert"]));
    let own = offers["tasks"].as_array().unwrap().iter().filter(|t| t["id"] == t["name"]);
    assert_eq!(own.map(|task| &task["id"]).collect::<Vec<_>>(), ["tickets"]);
    let url = format!("{}/api/v1/uploads?name=mine.csv", server.base);
    let request = server.client.post(url).bearer_auth(&token).header("content-type", "text/csv");
    let text = request.body(reviews(120)).send().await.unwrap().text().await.unwrap();
    let upload: Upload = serde_json::from_str(&text).unwrap();
    let spec = json!({
        "data": { "upload": upload.id }, "epochs": 60, "learning_rates": [5e-3], "batch_size": 8,
        "ranking": { "zoo": "reference.safetensors", "top": 1 },
    });
    let (status, run) = server.send(Method::POST, "/api/v1/runs", Some(&spec)).await;
    assert_eq!(status, StatusCode::CREATED, "{run}");
    let id = run["id"].as_str().unwrap().to_owned();
    assert_eq!(run["spec"]["name"], "mine");
    let begun = |run: &Run| run.progress.as_ref().is_some_and(|p| p.epoch >= 2);
    server.until(&id, begun).await;
    // Killed; stopped as by a service manager; stopped and resumed by its owner.
    drop(server);
    let mut server = Server::start(dir, &token);
    server.until(&id, |run| run.starts == 2 && run.state == RunState::Running).await;
    ok(dir, "help");
    let term = rustix::process::Pid::from_child(&server.child);
    rustix::process::kill_process(term, rustix::process::Signal::TERM).unwrap();
    assert!(server.child.wait().unwrap().success());
    let server = Server::start(dir, &token);
    let cancel = format!("/api/v1/runs/{id}/cancel");
    let (status, run) = server.send(Method::POST, &cancel, None).await;
    if status == StatusCode::OK {
        server.until(&id, |run| run.state == RunState::Cancelled).await;
        let resume = format!("/api/v1/runs/{id}/resume");
        let (status, run) = server.send(Method::POST, &resume, None).await;
        assert_eq!(status, StatusCode::OK, "{run}");
    } else {
        // It was quicker.
        assert_eq!(run["status"], 409);
    }
    let run = server.until(&id, |run| run.state == RunState::Done).await;
    let result = run.result.unwrap();
    assert_eq!(result.embedding_sha256, expected);
    assert_eq!((result.task.as_str(), result.metric.as_str()), ("mine", "accuracy"));
    let progress = run.progress.unwrap();
    assert_eq!(progress.step, progress.steps);
    assert!(progress.memory_bytes.is_some_and(|bytes| bytes > 1 << 20));

    let events = server.events(&id).await;
    let rankings: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Ranking { epoch, sources, .. } => Some((*epoch, sources)),
            _ => None,
        })
        .collect();
    let (epoch, sources) = rankings.last().unwrap();
    // The same parameters are in the zoo that it is ranked against.
    assert_eq!((*epoch, sources[0].task.as_str()), (60, "reviews"));
    assert!(sources[0].score > 0.999_9, "{sources:?}");
    let mut epochs: Vec<_> = rankings.iter().map(|(epoch, _)| *epoch).collect();
    epochs.dedup();
    // An epoch that was kept is not told again: each of three interruptions may have come
    // between the two.
    assert!(epochs.len() >= 57 && epochs.is_sorted(), "{epochs:?}");
    // What was kept and not told before an interruption is told after it.
    let mut epochs: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Epoch { epoch, .. } => Some(*epoch),
            _ => None,
        })
        .collect();
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs, Vec::from_iter(1..=60));

    let zoo = json!({ "name": "mine", "runs": [id] });
    let (status, zoo) = server.send(Method::POST, "/api/v1/zoos", Some(&zoo)).await;
    assert_eq!(status, StatusCode::CREATED, "{zoo}");
    let url = format!("{}{}", server.base, zoo["url"].as_str().unwrap());
    assert_eq!(zoo["tasks"], 1);
    ok(dir, &["zoo", "verify", &url]);
}

/// Finishes a run early, kills the server, and compares with a run of so many epochs.
#[tokio::test]
async fn a_run_finished_early_is_one_of_so_many_epochs_whatever_happens_to_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let token = token(dir);
    std::fs::create_dir_all(dir.join("state/datasets/tickets")).unwrap();
    std::fs::write(dir.join("state/datasets/tickets/train.csv"), reviews(240)).unwrap();
    let server = Server::start(dir, &token);
    let spec = json!({
        "data": { "task": "tickets" }, "epochs": 1000, "learning_rates": [5e-3, 1e-3],
        "batch_size": 8,
    });
    let (status, run) = server.send(Method::POST, "/api/v1/runs", Some(&spec)).await;
    assert_eq!(status, StatusCode::CREATED, "{run}");
    let id = run["id"].as_str().unwrap().to_owned();
    server.until(&id, |run| run.progress.as_ref().is_some_and(|p| p.epoch >= 3)).await;
    let (status, run) = server.send(Method::POST, &format!("/api/v1/runs/{id}/finish"), None).await;
    assert_eq!((status, &run["finishing"]), (StatusCode::OK, &json!(true)));
    drop(server);
    let server = Server::start(dir, &token);
    let run = server.until(&id, |run| run.state == RunState::Done).await;
    let (result, progress) = (run.result.unwrap(), run.progress.unwrap());
    assert!((3..1000).contains(&result.epochs), "{result:?}");
    assert_eq!((progress.step, progress.epoch), (progress.steps, result.epochs));
    ok(
        dir,
        &format!(
            "tune tickets --data state/datasets --encoder @tiny-bert --epochs {} --lr 5e-3 \
             --batch-size 8 --threads 1 --out short",
            result.epochs
        ),
    );
    for checkpoint in ["early", "late"] {
        let file = format!("{checkpoint}/adapter_model.safetensors");
        let finished = dir.join("state/runs").join(&id).join("out").join(&file);
        let same = std::fs::read(finished).unwrap()
            == std::fs::read(dir.join("short").join(&file)).unwrap();
        assert!(same, "{checkpoint}");
    }
    let zoo = json!({ "name": "short", "runs": [id] });
    let (status, zoo) = server.send(Method::POST, "/api/v1/zoos", Some(&zoo)).await;
    assert_eq!(status, StatusCode::CREATED, "{zoo}");
}

#[tokio::test]
async fn what_the_tuner_cannot_use_is_named_before_anything_waits() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let token = token(dir);
    std::fs::create_dir_all(dir.join("state/datasets/own")).unwrap();
    std::fs::write(dir.join("state/datasets/own/train.csv"), reviews(8)).unwrap();
    let server = Server::start(dir, &token);
    let url = format!("{}/api/v1/uploads", server.base);
    let request = server.client.post(url).bearer_auth(&token).header("content-type", "text/csv");
    let bad = request.body("text,label\nonly one,a\n\u{0},\n").send().await.unwrap();
    let upload: Upload = serde_json::from_str(&bad.text().await.unwrap()).unwrap();
    for (spec, field) in [
        (json!({ "data": { "task": "sst2" } }), "data.task"),
        (json!({ "data": { "task": "../../etc" } }), "data.task"),
        (json!({ "data": { "task": dir.join("state/datasets/own") } }), "data.task"),
        (json!({ "data": { "task": "own/train.csv" } }), "data.task"),
        (json!({ "data": { "task": "." } }), "data.task"),
        (json!({ "data": { "upload": upload.id } }), "data.upload"),
        (json!({ "data": { "upload": upload.id }, "columns": "nonsense" }), "columns"),
        (json!({ "data": { "task": "sample_topic" }, "encoder": "/etc" }), "encoder"),
        (json!({ "data": { "task": "sample_topic" }, "method": "magic" }), "method"),
        (json!({ "data": { "task": "sample_topic" }, "epochs": 0 }), "epochs"),
        (json!({ "data": { "task": "sample_topic" }, "learning_rates": [] }), "learning_rates"),
    ] {
        let (status, problem) = server.send(Method::POST, "/api/v1/runs", Some(&spec)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{spec}");
        let errors = problem["errors"].as_array().unwrap();
        let named = errors.iter().find(|error| error["field"] == field);
        let detail = named.unwrap_or_else(|| panic!("{spec}: {problem}"))["detail"].to_string();
        assert!(!detail.contains("uploads/"), "{detail}");
    }
    let (_, runs) = server.send(Method::GET, "/api/v1/runs", None).await;
    assert_eq!(runs["runs"], json!([]));
}

#[tokio::test]
async fn what_takes_too_much_to_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let token = token(dir);
    let server = Server::with(dir, &token, &format!("{SERVE} --max-upload 1"));
    let rows = "a,1\nb,0\n".repeat(1_000_000);
    for (text, part) in [
        ("a".repeat(9 << 20), "more than 8388608 bytes of text"),
        (format!("text,label\n{rows}"), "more than 576 MiB of memory"),
    ] {
        let mut archive = GzEncoder::new(Vec::new(), Compression::best());
        archive.write_all(text.as_bytes()).unwrap();
        let url = format!("{}/api/v1/uploads?name=mine", server.base);
        let request = server.client.post(url).bearer_auth(&token);
        let request = request.header("content-type", "text/csv").body(archive.finish().unwrap());
        let sent = request.send().await.unwrap().text().await.unwrap();
        let upload: Upload = serde_json::from_str(&sent).unwrap();
        let spec = json!({ "data": { "upload": upload.id } });
        let (status, problem) = server.send(Method::POST, "/api/v1/runs", Some(&spec)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        let error = &problem["errors"][0];
        assert_eq!(error["field"], "data.upload");
        assert!(error["detail"].as_str().unwrap().contains(part), "{error}");
    }
}

#[test]
fn a_folder_that_was_no_servers_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let file = dir.join("runs/tickets/run.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "{}").unwrap();
    for command in ["serve --listen 127.0.0.1:0 --data .", "token create --data . --name me"] {
        fails(dir, command, 2, &["runs/tickets", "name another folder"]);
    }
    assert!(file.exists() && !dir.join("tupate.sqlite").exists());
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fails(dir, "token list --data state", 2, &["token create"]);
    assert!(!dir.join("state").exists());
    let create = "token create --data state --name ci --scope tune";
    let secret = ok(dir, &format!("{create} --days 90"));
    let secret = secret.trim();
    assert!(secret.starts_with("tupate_") && !secret.contains('\n'));
    fails(dir, create, 2, &["already"]);
    let list = ok(dir, "token list --data state");
    assert!(list.contains("ci") && list.contains("tune") && list.contains("89 days"), "{list}");
    assert!(!list.contains(secret));
    let json: Value = serde_json::from_str(&ok(dir, "token list --data state --json")).unwrap();
    assert_eq!((&json[0]["name"], &json[0]["scopes"]), (&json!("ci"), &json!(["tune"])));
    ok(dir, "token revoke ci --data state");
    assert_eq!(ok(dir, "token list --data state"), "");
    fails(dir, "token revoke ci --data state", 2, &["no token ci"]);
    let scope = "token create --data state --name x --scope everything";
    fails(dir, scope, 2, &["read, tune, publish, admin"]);
    fails(dir, "serve --listen 0.0.0.0:0 --data state", 1, &["--listen-without-token"]);
}
