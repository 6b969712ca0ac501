//! Runs that are finished early: as runs of so many epochs, whatever comes between.

use crate::scripted::expected;
use crate::support::{Tuning, problem, run_limits, token};
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::time::Duration;
use tempfile::TempDir;
use tupate_api::{Event, Run, RunState, Scope};

async fn at_epoch(tuning: &Tuning, id: &str, epoch: u64) {
    let reached = async {
        while tuning.run(id).await.progress.is_none_or(|progress| progress.epoch < epoch) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reached).await.expect("it gets there");
}

async fn finish(tuning: &Tuning, id: &str) -> Run {
    let response = tuning.act(id, "finish").await;
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.unwrap()
}

/// The run is done, with as many epochs as it says and fewer than were asked for.
fn check(run: &Run, asked: u64) -> u64 {
    let result = run.result.as_ref().unwrap();
    assert!((1..asked).contains(&result.epochs), "{run:?}");
    assert_eq!(result.embedding_sha256, expected(run.spec.seed, result.epochs));
    assert!(run.finishing);
    result.epochs
}

#[tokio::test]
async fn a_run_told_to_finish_is_one_of_so_many_epochs_and_may_be_published() {
    let tuning = Tuning::start().await;
    let id = tuning.create("slow", 50).await.id;
    at_epoch(&tuning, &id, 2).await;
    assert!(!tuning.run(&id).await.finishing);
    let told = finish(&tuning, &id).await;
    assert!(told.finishing && told.state == RunState::Running);
    // Told twice, it is the same, before its end and after.
    assert!(finish(&tuning, &id).await.finishing);
    let run = tuning.until(&id, &[RunState::Done]).await;
    assert!(check(&run, 50) >= 2);
    assert_eq!(finish(&tuning, &id).await, run);
    let events = tuning.events(&id, 0).await;
    let told = events.iter().filter(|event| event.event == Event::Finishing).count();
    assert_eq!(told, 1);
    let zoo = json!({ "name": "short", "runs": [id] });
    assert_eq!(tuning.post("/api/v1/zoos", &zoo).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn the_wish_is_kept_over_restarts() {
    // Told while nobody tunes it: it takes one epoch more than it had.
    let tuning = Tuning::in_folder(TempDir::new().unwrap(), run_limits(), 0, |_| {}).await;
    let waiting = tuning.create("slow", 50).await.id;
    assert_eq!(finish(&tuning, &waiting).await.state, RunState::Queued);
    let dir = tuning.stop().await;
    let tuning = Tuning::in_folder(dir, run_limits(), 1, |_| {}).await;
    let run = tuning.until(&waiting, &[RunState::Done]).await;
    assert_eq!(check(&run, 50), 1);
    // Told while it is tuned, and stopped before the epoch ended.
    let id = tuning.create("slow", 50).await.id;
    at_epoch(&tuning, &id, 3).await;
    finish(&tuning, &id).await;
    let dir = tuning.stop().await;
    let tuning = Tuning::in_folder(dir, run_limits(), 1, |_| {}).await;
    let run = tuning.until(&id, &[RunState::Done]).await;
    assert!(check(&run, 50) >= 3, "{run:?}");
    // Stopped by its owner and resumed.
    let id = tuning.create("slow", 50).await.id;
    at_epoch(&tuning, &id, 2).await;
    tuning.act(&id, "finish").await;
    tuning.act(&id, "cancel").await;
    let run = tuning.until(&id, &[RunState::Cancelled, RunState::Done]).await;
    if run.state == RunState::Cancelled {
        problem(tuning.act(&id, "finish").await, StatusCode::CONFLICT).await;
        tuning.act(&id, "resume").await;
    }
    check(&tuning.until(&id, &[RunState::Done]).await, 50);
}

#[tokio::test]
async fn only_what_is_on_its_way_is_finished_and_only_by_its_owner() {
    let tuning = Tuning::start().await;
    let id = tuning.create("slow", 50).await.id;
    let path = format!("/api/v1/runs/{id}/finish");
    let send = async |secret: Option<&str>| {
        let mut request = tuning.server.client.request(Method::POST, tuning.server.url(&path));
        if let Some(secret) = secret {
            request = request.bearer_auth(secret);
        }
        request.send().await.unwrap().status()
    };
    assert_eq!(send(None).await, StatusCode::UNAUTHORIZED);
    let publisher = token(&tuning.store, "publisher", &[Scope::Publish]).await;
    assert_eq!(send(Some(&publisher)).await, StatusCode::FORBIDDEN);
    let other = token(&tuning.store, "other", &[Scope::Tune]).await;
    assert_eq!(send(Some(&other)).await, StatusCode::FORBIDDEN);
    assert!(!tuning.run(&id).await.finishing);
    let admin = token(&tuning.store, "admin", &[Scope::Admin]).await;
    assert_eq!(send(Some(&admin)).await, StatusCode::OK);
    tuning.until(&id, &[RunState::Done]).await;

    let done = tuning.create("quick", 1).await.id;
    tuning.until(&done, &[RunState::Done]).await;
    let detail = problem(tuning.act(&done, "finish").await, StatusCode::CONFLICT).await;
    assert!(detail.contains("is done"), "{detail}");
    let failed = tuning.create("flaky", 3).await.id;
    tuning.until(&failed, &[RunState::Failed]).await;
    let detail = problem(tuning.act(&failed, "finish").await, StatusCode::CONFLICT).await;
    assert!(detail.contains("resume it first"), "{detail}");
    for id in ["x", "0123456789abcdef0123456789abcdef"] {
        problem(tuning.act(id, "finish").await, StatusCode::NOT_FOUND).await;
    }
}
