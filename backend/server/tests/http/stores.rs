//! A store that is locked or full: clients are told, and nothing is lost.

use crate::scripted::expected;
use crate::support::{Tuning, header, problem, run_limits};
use reqwest::{Method, StatusCode};
use rusqlite::Connection;
use serde_json::json;
use std::time::Duration;
use tempfile::TempDir;
use tupate_api::{Event, RunState, Upload, Uploads};
use tupate_server::{ArtefactStore, LocalFolder, SqliteStore, StoreError};

#[tokio::test]
async fn a_locked_store_is_a_problem_and_a_run_under_way_waits_for_it() {
    let tuning = Tuning::start().await;
    let id = tuning.create("slow", 8).await.id;
    tuning.until(&id, &[RunState::Running]).await;
    let other = Connection::open(tuning.store.path()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let body = json!({ "data": { "task": "quick" } });
    let response = tuning.post("/api/v1/runs", &body).await;
    assert_eq!(header(response.headers(), "retry-after"), "2");
    let detail = problem(response, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(!detail.contains("sqlite") && !detail.contains("locked"), "{detail}");
    // Reading goes on.
    assert_eq!(tuning.send(Method::GET, "/api/v1/runs", None).await.status(), StatusCode::OK);
    assert_eq!(tuning.server.get("/zoos/glue.safetensors").await.status(), StatusCode::OK);
    assert_eq!(std::fs::read_dir(tuning.dir.path().join("runs")).unwrap().count(), 1);
    other.execute_batch("ROLLBACK").unwrap();
    let run = tuning.until(&id, &[RunState::Done]).await;
    assert_eq!(run.result.unwrap().embedding_sha256, expected(0, 8));
    let events = tuning.events(&id, 0).await;
    let epochs = events.iter().filter(|e| matches!(e.event, Event::Epoch { .. })).count();
    assert_eq!(epochs, 8);
    assert_eq!(tuning.post("/api/v1/runs", &body).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_full_disk_is_a_problem_and_a_run_under_way_waits_for_room() {
    let tuning = Tuning::start().await;
    let id = tuning.create("slow", 8).await.id;
    tuning.until(&id, &[RunState::Running]).await;
    // SQLite's own limit gives the error that a full disk gives.
    tuning.store.limit(1).unwrap();
    // Nothing here looks at them, and they take room.
    let rates = vec![0.001; 15_000];
    let body = json!({ "data": { "task": "quick" }, "learning_rates": rates });
    let response = tuning.post("/api/v1/runs", &body).await;
    let detail = problem(response, StatusCode::INSUFFICIENT_STORAGE).await;
    assert!(detail.contains("nothing was kept"), "{detail}");
    assert_eq!(std::fs::read_dir(tuning.dir.path().join("runs")).unwrap().count(), 1);
    assert_eq!(tuning.send(Method::GET, "/api/v1/runs", None).await.status(), StatusCode::OK);
    tokio::time::sleep(Duration::from_millis(300)).await;
    tuning.store.limit(1 << 30).unwrap();
    let run = tuning.until(&id, &[RunState::Done]).await;
    assert_eq!(run.result.unwrap().embedding_sha256, expected(0, 8));
    assert_eq!(tuning.post("/api/v1/runs", &body).await.status(), StatusCode::CREATED);
}

#[test]
fn a_folder_takes_no_more_than_its_limit() {
    use tupate_api::UploadFormat::Csv;
    let dir = TempDir::new().unwrap();
    let store = LocalFolder::open(dir.path(), 1000).unwrap();
    let digest = store.put_zoo(&[7; 900]).unwrap();
    let full = std::io::ErrorKind::QuotaExceeded;
    assert_eq!(store.put_zoo(&[8; 200]).unwrap_err().kind(), full);
    assert_eq!(store.make_run(&tupate_server::RunId::random(), None).unwrap_err().kind(), full);
    store.remove_zoo(&digest).unwrap();
    let digest = store.put_zoo(&[8; 200]).unwrap();
    assert_eq!(&store.zoo(&digest).unwrap()[..], [8; 200]);
    // A file that was changed is no zoo any more.
    let file = dir.path().join("zoos").join(format!("{}.safetensors", digest.as_str()));
    std::fs::write(file, "other").unwrap();
    assert_eq!(store.zoo(&digest).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    // An upload is counted while it comes, and leaves nothing when it is given up.
    let mut upload = store.receive(Csv).unwrap();
    upload.take(&[0; 500]).unwrap();
    assert_eq!(upload.take(&[0; 600]).unwrap_err().kind(), full);
    drop(upload);
    assert_eq!(std::fs::read_dir(dir.path().join("incoming")).unwrap().count(), 0);
}

#[test]
fn what_is_gone_or_has_two_names_takes_no_room() {
    use tupate_api::UploadFormat::Csv;
    const RUN: usize = 32 << 20;
    let dir = TempDir::new().unwrap();
    let store = LocalFolder::open(dir.path(), 1000 + RUN as u64).unwrap();
    let full = std::io::ErrorKind::QuotaExceeded;
    // Given up, and removed.
    for _ in 0..3 {
        store.receive(Csv).unwrap().take(&vec![0; RUN]).unwrap();
        let digest = store.put_zoo(&vec![1; RUN]).unwrap();
        store.remove_zoo(&digest).unwrap();
        let mut upload = store.receive(Csv).unwrap();
        upload.take(&vec![0; RUN]).unwrap();
        store.remove_upload(&upload.finish().unwrap()).unwrap();
    }
    let mut upload = store.receive(Csv).unwrap();
    upload.take(&[2; 600]).unwrap();
    let id = upload.finish().unwrap();
    let run = tupate_server::RunId::random();
    store.make_run(&run, Some(&id)).unwrap();
    store.put_zoo(&vec![3; RUN]).unwrap();
    // Refused after a count, which finds the 600 bytes once.
    assert_eq!(store.put_zoo(&[4; 500]).unwrap_err().kind(), full);
    store.put_zoo(&[5; 300]).unwrap();
    // The run has the data still.
    store.remove_upload(&id).unwrap();
    assert_eq!(store.put_zoo(&[6; 500]).unwrap_err().kind(), full);
    store.remove_run(&run).unwrap();
    store.put_zoo(&[6; 500]).unwrap();
}

#[test]
fn another_programs_database_and_a_later_ones_are_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("other.sqlite");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE recipes (id INTEGER)").unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(&error, StoreError::Failed(why) if why.contains("another program's")));
    assert!(error.to_string().contains("other.sqlite"), "{error}");
    other.execute_batch("DROP TABLE recipes; PRAGMA user_version = 99").unwrap();
    assert!(SqliteStore::open(&path).unwrap_err().to_string().contains("version 99"));
    assert!(SqliteStore::open(dir.path()).is_err());
}

#[tokio::test]
async fn a_folder_of_an_earlier_version_is_taken_up_with_all_that_is_in_it() {
    let tuning = Tuning::in_folder(TempDir::new().unwrap(), run_limits(), 0, |_| {}).await;
    let id = tuning.create("quick", 2).await.id;
    let url = tuning.server.url("/api/v1/uploads?name=mine");
    let request = tuning.server.client.post(url).bearer_auth(&tuning.token).body("text,label");
    let sent = request.header("content-type", "text/csv").send().await.unwrap();
    let upload: Upload = sent.json().await.unwrap();
    let (path, token) = (tuning.store.path().to_owned(), tuning.token.clone());
    let dir = tuning.stop().await;
    // What version 1 had in its place.
    let file = Connection::open(&path).unwrap();
    file.execute_batch(
        "ALTER TABLE runs DROP COLUMN finishing;
         ALTER TABLE uploads RENAME TO later;
         CREATE TABLE uploads (id TEXT PRIMARY KEY, format TEXT NOT NULL, name TEXT NOT NULL,
             bytes INTEGER NOT NULL, created INTEGER NOT NULL, owner TEXT NOT NULL) STRICT;
         INSERT INTO uploads SELECT id, format, name, bytes, created, owner FROM later;
         DROP TABLE later;
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(file);
    let tuning = Tuning::in_folder(dir, run_limits(), 1, |_| {}).await;
    let run = tuning.until(&id, &[RunState::Done]).await;
    assert_eq!(run.result.unwrap().embedding_sha256, expected(0, 2));
    let url = tuning.server.url("/api/v1/uploads");
    let list = tuning.server.client.get(url).bearer_auth(token).send().await.unwrap();
    assert_eq!(list.json::<Uploads>().await.unwrap().uploads, [upload]);
    let file = Connection::open(&path).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    let error = SqliteStore::open(&path).unwrap_err().to_string();
    assert!(error.contains("version 99") && error.contains("update it"), "{error}");
}
