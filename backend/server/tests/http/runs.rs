//! `/api/v1/runs`: from the request to the result.

use crate::scripted::expected;
use crate::support::{Tuning, problem, run_limits, token, whole_problem};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tupate_api::{Event, Offers, Run, RunState, Runs, Scope};

#[tokio::test]
async fn a_run_is_queued_tuned_and_done() {
    let tuning = Tuning::start().await;
    let created = tuning.create("quick", 3).await;
    assert_eq!((created.state, created.starts, created.last_event), (RunState::Queued, 0, 1));
    let run = tuning.until(&created.id, &[RunState::Done]).await;
    let result = run.result.unwrap();
    assert_eq!((result.task.as_str(), result.score), ("quick", 0.5));
    assert_eq!(result.embedding_sha256, expected(0, 3));
    assert_eq!((run.starts, run.progress.unwrap().step), (1, 15));
    let states: Vec<_> = tuning
        .events(&created.id, 0)
        .await
        .into_iter()
        .filter_map(|event| match event.event {
            Event::State { state, .. } => Some(state),
            _ => None,
        })
        .collect();
    assert_eq!(states, [RunState::Queued, RunState::Running, RunState::Done]);
}

#[tokio::test]
async fn a_failure_says_why_and_can_be_resumed_where_it_was() {
    let tuning = Tuning::start().await;
    let id = tuning.create("flaky", 3).await.id;
    let failed = tuning.until(&id, &[RunState::Failed]).await;
    assert_eq!(failed.reason.as_deref(), Some("the loss is not a number"));
    assert_eq!(tuning.act(&id, "resume").await.status(), StatusCode::OK);
    let done = tuning.until(&id, &[RunState::Done]).await;
    assert_eq!((done.starts, done.result.unwrap().embedding_sha256), (2, expected(0, 3)));
    let broken = tuning.create("broken", 1).await.id;
    let failed = tuning.until(&broken, &[RunState::Failed]).await;
    assert!(failed.reason.unwrap().contains("panicked"));
    // A panic of one run costs no worker.
    let next = tuning.create("quick", 1).await.id;
    tuning.until(&next, &[RunState::Done]).await;
}

#[tokio::test]
async fn runs_are_listed_newest_first_by_pages() {
    let tuning = Tuning::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(tuning.create("quick", 1).await.id);
    }
    ids.reverse();
    let mut seen = Vec::new();
    let mut path = "/api/v1/runs?limit=2".to_owned();
    loop {
        let page: Runs = tuning.server.get(&path).await.json().await.unwrap();
        seen.extend(page.runs.into_iter().map(|run| run.id));
        let Some(next) = page.next else { break };
        path = format!("/api/v1/runs?limit=2&before={next}");
    }
    assert_eq!(seen, ids);
    for query in ["limit=0", "limit=201", "limit=x", "limt=2", "before=", "before=../x"] {
        let response = tuning.server.get(&format!("/api/v1/runs?{query}")).await;
        assert!(response.status().is_client_error(), "{query}");
    }
}

#[tokio::test]
async fn the_same_key_is_the_same_run() {
    let tuning = Tuning::start().await;
    let send = async |key: &str, epochs: u64| {
        let body = json!({ "data": { "task": "quick" }, "epochs": epochs });
        let url = tuning.server.url("/api/v1/runs");
        let request = tuning.server.client.post(url).bearer_auth(&tuning.token).json(&body);
        request.header("idempotency-key", key).send().await.unwrap()
    };
    let first = send("a", 1).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let first: Run = first.json().await.unwrap();
    let again = send("a", 1).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(again.json::<Run>().await.unwrap().id, first.id);
    problem(send("a", 2).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(send("b", 1).await.status(), StatusCode::CREATED);
    problem(send("", 1).await, StatusCode::BAD_REQUEST).await;
    let runs: Runs = tuning.server.get("/api/v1/runs").await.json().await.unwrap();
    assert_eq!(runs.runs.len(), 2);
}

#[tokio::test]
async fn what_was_answered_is_answered_again_whatever_has_changed() {
    let tuning = Tuning::start().await;
    let id = tuning.create("quick", 1).await.id;
    tuning.until(&id, &[RunState::Done]).await;
    let zoo = json!({ "name": "short", "runs": [id] });
    assert_eq!(tuning.post("/api/v1/zoos", &zoo).await.status(), StatusCode::CREATED);
    let send = async || {
        let against = json!({ "zoo": "short.safetensors" });
        let body = json!({ "data": { "task": "quick" }, "ranking": against });
        let url = tuning.server.url("/api/v1/runs");
        let request = tuning.server.client.post(url).bearer_auth(&tuning.token).json(&body);
        request.header("idempotency-key", "a").send().await.unwrap()
    };
    let first: Run = send().await.json().await.unwrap();
    let path = "/api/v1/zoos/short.safetensors";
    let gone = tuning.send(Method::DELETE, path, None).await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    let again = send().await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(again.json::<Run>().await.unwrap().id, first.id);
}

#[tokio::test]
async fn a_run_that_was_begun_keeps_the_zoo_that_it_is_ranked_against() {
    let tuning = Tuning::start().await;
    let id = tuning.create("quick", 1).await.id;
    tuning.until(&id, &[RunState::Done]).await;
    let zoo = json!({ "name": "short", "runs": [id] });
    assert_eq!(tuning.post("/api/v1/zoos", &zoo).await.status(), StatusCode::CREATED);
    let against = json!({ "zoo": "short.safetensors" });
    let spec = json!({ "data": { "task": "slow" }, "epochs": 4, "ranking": against });
    let run: Run = tuning.post("/api/v1/runs", &spec).await.json().await.unwrap();
    while tuning.run(&run.id).await.progress.is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let path = "/api/v1/zoos/short.safetensors";
    let gone = tuning.send(Method::DELETE, path, None).await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    let dir = tuning.stop().await;
    let tuning = Tuning::in_folder(dir, run_limits(), 1, |_| {}).await;
    let run = tuning.until(&run.id, &[RunState::Done, RunState::Failed]).await;
    assert_eq!((run.state, run.starts), (RunState::Done, 2), "{run:?}");
}

#[tokio::test]
async fn bad_input_names_the_field() {
    let tuning = Tuning::start().await;
    for (body, field, part) in [
        (json!({}), ".", "missing field `data`"),
        (json!({ "data": { "task": "no" } }), "data.task", "no such task"),
        (json!({ "data": { "upload": "x" } }), "data.upload", "/api/v1/uploads"),
        (json!({ "data": { "upload": format!("{}.csv", "0".repeat(64)) } }), "data.upload", "no"),
        (json!({ "data": { "path": "/etc/passwd" } }), "data", "unknown variant"),
        (json!({ "data": { "task": "quick" }, "epochs": "3" }), "epochs", "invalid type"),
        (json!({ "data": { "task": "quick" }, "epochs": -3 }), "epochs", "invalid value"),
        (json!({ "data": { "task": "quick" }, "epoch": 3 }), "epoch", "unknown field"),
        (json!({ "data": { "task": "quick" }, "name": "../up" }), "name", "letters"),
        (
            json!({ "data": { "task": "quick" }, "columns": "ä".repeat(1001) }),
            "columns",
            "at most 1000",
        ),
        (
            json!({ "data": { "task": "quick" }, "ranking": { "zoo": "no" } }),
            "ranking.zoo",
            "no zoo",
        ),
        (
            json!({ "data": { "task": "quick" },
                    "ranking": { "zoo": "glue.safetensors", "similarity": "no", "top": 0 } }),
            "ranking.top",
            "1 to 100",
        ),
    ] {
        let response = tuning.post("/api/v1/runs", &body).await;
        let problem = whole_problem(response, StatusCode::UNPROCESSABLE_ENTITY).await;
        let named = problem.errors.iter().find(|error| error.field == field);
        let detail = &named.unwrap_or_else(|| panic!("{body}: {problem:?}")).detail;
        assert!(detail.contains(part), "{body}: {detail}");
    }
    let malformed = ["", "{", "[1,", "{}{}", "\u{0}", "{\"data\":}", &"[".repeat(5000)];
    for body in malformed {
        let url = tuning.server.url("/api/v1/runs");
        let request = tuning.server.client.post(url).bearer_auth(&tuning.token);
        let request = request.header("content-type", "application/json").body(body.to_owned());
        let status = request.send().await.unwrap().status();
        let expected = [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY];
        assert!(expected.contains(&status), "{body}: {status}");
    }
    let url = tuning.server.url("/api/v1/runs");
    let text = tuning.server.client.post(url).bearer_auth(&tuning.token).body("{}");
    problem(text.send().await.unwrap(), StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
}

#[tokio::test]
async fn a_full_queue_takes_no_more_and_owners_take_turns() {
    let limits = tupate_server::RunLimits { queued: 4, of_one: 3, ..run_limits() };
    let tuning = Tuning::in_folder(tempfile::TempDir::new().unwrap(), limits, 0, |_| {}).await;
    for _ in 0..3 {
        tuning.create("quick", 1).await;
    }
    let body = json!({ "data": { "task": "quick" } });
    let detail =
        problem(tuning.post("/api/v1/runs", &body).await, StatusCode::TOO_MANY_REQUESTS).await;
    assert!(detail.contains("3 runs of this token"), "{detail}");
    let other = token(&tuning.store, "other", &[Scope::Tune]).await;
    let send = async || {
        let url = tuning.server.url("/api/v1/runs");
        tuning.server.client.post(url).bearer_auth(&other).json(&body).send().await.unwrap()
    };
    assert_eq!(send().await.status(), StatusCode::CREATED);
    let detail = problem(send().await, StatusCode::TOO_MANY_REQUESTS).await;
    assert!(detail.contains("4 runs wait"), "{detail}");
    // One worker serves both in turn.
    let dir = tuning.stop().await;
    let tuning = Tuning::in_folder(dir, run_limits(), 1, |_| {}).await;
    let runs: Runs = tuning.server.get("/api/v1/runs").await.json().await.unwrap();
    let mut order = Vec::new();
    for run in &runs.runs {
        let run = tuning.until(&run.id, &[RunState::Done]).await;
        order.push((run.updated, run.owner));
    }
    order.sort();
    let place = order.iter().position(|(_, owner)| owner == "other").unwrap();
    assert_eq!(place, 1, "{order:?}");
}

#[tokio::test]
async fn two_clients_stop_and_resume_the_same_run_and_one_worker_has_it() {
    let tuning = Tuning::start().await;
    let id = tuning.create("slow", 4).await.id;
    let meddle = async |what: &str| {
        for _ in 0..40 {
            let status = tuning.act(&id, what).await.status();
            assert!([StatusCode::OK, StatusCode::CONFLICT].contains(&status), "{what}: {status}");
        }
    };
    // Two workers on one run would panic in the script, and the run fail.
    tokio::join!(meddle("cancel"), meddle("resume"), meddle("cancel"), meddle("resume"));
    loop {
        let run = tuning
            .until(&id, &[RunState::Cancelled, RunState::Failed, RunState::Done, RunState::Running])
            .await;
        match run.state {
            RunState::Done => break,
            RunState::Failed => panic!("{:?}", run.reason),
            RunState::Cancelled => assert_eq!(tuning.act(&id, "resume").await.status(), 200),
            _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
    let run = tuning.run(&id).await;
    assert_eq!(run.result.unwrap().embedding_sha256, expected(0, 4));
    // Every step that the history shows is one that a run may take.
    let events = tuning.events(&id, 0).await;
    let states: Vec<_> = events
        .iter()
        .filter_map(|event| match event.event {
            Event::State { state, .. } => Some(state),
            _ => None,
        })
        .collect();
    assert!(states.windows(2).all(|pair| pair[0].may_become(pair[1])), "{states:?}");
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, Vec::from_iter(1..=ids.len() as u64));
    for what in ["cancel", "resume"] {
        problem(tuning.act(&id, what).await, StatusCode::CONFLICT).await;
    }
}

#[tokio::test]
async fn a_waiting_run_is_cancelled_at_once_and_removed() {
    let tuning =
        Tuning::in_folder(tempfile::TempDir::new().unwrap(), run_limits(), 0, |_| {}).await;
    let id = tuning.create("quick", 1).await.id;
    let path = format!("/api/v1/runs/{id}");
    let folder = tuning.dir.path().join("runs").join(&id);
    assert!(folder.is_dir());
    problem(tuning.send(Method::DELETE, &path, None).await, StatusCode::CONFLICT).await;
    let run: Run = tuning.act(&id, "cancel").await.json().await.unwrap();
    assert_eq!(run.state, RunState::Cancelled);
    let gone = tuning.send(Method::DELETE, &path, None).await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    assert!(!folder.exists());
    for method in [Method::GET, Method::DELETE] {
        problem(tuning.send(method, &path, None).await, StatusCode::NOT_FOUND).await;
    }
    problem(tuning.act(&id, "resume").await, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn a_server_that_is_stopped_goes_on_at_the_next_start() {
    let tuning = Tuning::start().await;
    let running = tuning.create("slow", 6).await.id;
    loop {
        if tuning.run(&running).await.progress.is_some_and(|p| p.epoch >= 2) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let dir = tuning.stop().await;
    let tuning = Tuning::in_folder(dir, run_limits(), 1, |_| {}).await;
    let run = tuning.until(&running, &[RunState::Done]).await;
    assert_eq!(run.starts, 2);
    assert_eq!(run.result.unwrap().embedding_sha256, expected(0, 6));
    let notes = tuning.events(&running, 0).await;
    assert!(
        notes
            .iter()
            .any(|e| matches!(&e.event, Event::Note { text } if text.contains("going on after")))
    );
}

#[tokio::test]
async fn offers_and_openapi_say_what_can_be_asked() {
    let tuning = Tuning::start().await;
    let offers: Offers = tuning.server.get("/api/v1/offers").await.json().await.unwrap();
    assert_eq!(offers.tasks.len(), crate::scripted::TASKS.len());
    assert_eq!(offers.similarities[0], "cosine");
    let document: Value = tuning.server.get("/api/openapi.json").await.json().await.unwrap();
    let mut ids = std::collections::HashSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let path = path.replace("{id}", "x").replace("{name}", "x");
            let status = tuning.server.request(method.clone(), &path, &[]).await.status();
            assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert!(!status.is_server_error(), "{method} {path}: {status}");
        }
    }
}
