//! `/api/v1/zoos`: runs become zoos, which are served as those given at start.

use crate::support::{Tuning, header, problem, run_limits, token, whole_problem};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tupate_api::{Info, RunState, Scope, ZooFile};
use tupate_server::{ArtefactStore, FileStore, LocalFolder, PublishedZoo, ZooSummary};
use tupate_zoo::{Zoo, sha256_hex};

#[tokio::test]
async fn runs_are_published_and_served_for_ever() {
    let tuning = Tuning::start().await;
    let mut runs = Vec::new();
    for name in ["a", "b"] {
        let spec = json!({ "data": { "task": "quick" }, "name": name, "seed": runs.len() });
        let run: tupate_api::Run = tuning.post("/api/v1/runs", &spec).await.json().await.unwrap();
        tuning.until(&run.id, &[RunState::Done]).await;
        runs.push(run.id);
    }
    let body = json!({ "name": "ours", "description": "two", "runs": runs });
    let response = tuning.post("/api/v1/zoos", &body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(header(response.headers(), "location"), "/zoos/ours.safetensors");
    let zoo: ZooFile = response.json().await.unwrap();
    let again = tuning.post("/api/v1/zoos", &body).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(again.json::<ZooFile>().await.unwrap(), zoo);

    let forever = format!("{}?sha256={}", zoo.url, zoo.sha256);
    let response = tuning.server.get_with(&forever, &[("origin", "https://e.example")]).await;
    assert!(header(response.headers(), "cache-control").contains("immutable"));
    assert_eq!(header(response.headers(), "access-control-allow-origin"), "*");
    let bytes = response.bytes().await.unwrap();
    assert_eq!(sha256_hex(&bytes), zoo.sha256);
    let parsed = Zoo::parse(&bytes).unwrap();
    let ids: Vec<_> = parsed.tasks().iter().map(|task| task.id.as_str()).collect();
    assert_eq!((ids, parsed.name()), (vec!["a", "b"], "ours"));
    let part = tuning.server.get_with(&zoo.url, &[("range", "bytes=0-7")]).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);

    // A name stands for one content; what was given at start stays.
    for taken in ["ours", "glue"] {
        let other = json!({ "name": taken, "runs": [runs[0]] });
        let detail = problem(tuning.post("/api/v1/zoos", &other).await, StatusCode::CONFLICT).await;
        assert!(detail.contains(taken), "{detail}");
    }
    let given = tuning.send(Method::DELETE, "/api/v1/zoos/glue.safetensors", None).await;
    problem(given, StatusCode::CONFLICT).await;

    // It stays over a restart, in its place, and without its runs.
    for id in &runs {
        tuning.send(Method::DELETE, &format!("/api/v1/runs/{id}"), None).await;
    }
    let dir = tuning.stop().await;
    let tuning = Tuning::in_folder(dir, run_limits(), 1, |_| {}).await;
    let info: Info = tuning.server.get("/api/v1/info").await.json().await.unwrap();
    let urls: Vec<_> = info.zoos.iter().map(|zoo| zoo.url.as_str()).collect();
    assert_eq!(urls, ["/zoos/glue.safetensors", "/zoos/ours.safetensors"]);
    assert_eq!(tuning.server.get(&forever).await.bytes().await.unwrap(), bytes);
}

#[tokio::test]
async fn a_run_is_read_as_a_zoo_by_those_who_may_change_it() {
    let tuning = Tuning::start().await;
    let spec = json!({ "data": { "task": "quick" }, "name": "mine" });
    let run: tupate_api::Run = tuning.post("/api/v1/runs", &spec).await.json().await.unwrap();
    tuning.until(&run.id, &[RunState::Done]).await;
    let path = format!("/api/v1/runs/{}/zoo", run.id);
    let response = tuning.send(Method::GET, &path, None).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(response.headers(), "cache-control"), "no-store");
    assert_eq!(header(response.headers(), "content-type"), "application/octet-stream");
    let zoo = Zoo::parse(&response.bytes().await.unwrap()).unwrap();
    assert_eq!((zoo.name(), zoo.tasks()[0].id.as_str()), ("mine", "mine"));
    // It is what would be published, and is not published by that.
    let info: Info = tuning.server.get("/api/v1/info").await.json().await.unwrap();
    assert_eq!(info.zoos.len(), 1);
    let body = json!({ "name": "mine", "runs": [run.id] });
    let published: ZooFile = tuning.post("/api/v1/zoos", &body).await.json().await.unwrap();
    let bytes = tuning.server.get(&published.url).await.bytes().await.unwrap();
    let published = Zoo::parse(&bytes).unwrap();
    assert_eq!(published.tasks(), zoo.tasks());
    // As it was tuned, where what is published is rounded.
    let values = |zoo: &Zoo| zoo.row(zoo.sets().next().unwrap(), "mine").unwrap();
    let (own, rounded) = (values(&zoo), values(&published));
    let near = |(own, rounded): (&f32, &f32)| (own - rounded).abs() < 1e-3;
    assert!(own != rounded && own.iter().zip(&rounded).all(near), "{own:?} {rounded:?}");

    problem(tuning.server.get(&path).await, StatusCode::UNAUTHORIZED).await;
    for (name, scopes, status) in [
        ("reader", &[Scope::Read][..], StatusCode::FORBIDDEN),
        ("other", &crate::support::USER, StatusCode::FORBIDDEN),
        ("admin", &[Scope::Admin], StatusCode::OK),
    ] {
        let secret = token(&tuning.store, name, scopes).await;
        let request = tuning.server.client.get(tuning.server.url(&path)).bearer_auth(secret);
        assert_eq!(request.send().await.unwrap().status(), status, "{name}");
    }

    let id = tuning.create("flaky", 3).await.id;
    tuning.until(&id, &[RunState::Failed]).await;
    let response = tuning.send(Method::GET, &format!("/api/v1/runs/{id}/zoo"), None).await;
    let detail = problem(response, StatusCode::CONFLICT).await;
    assert!(detail.contains("has no embedding yet"), "{detail}");
    let response = tuning.send(Method::GET, "/api/v1/runs/x/zoo", None).await;
    problem(response, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn a_zoo_that_is_taken_back_is_gone() {
    let tuning = Tuning::start().await;
    let id = tuning.create("quick", 1).await.id;
    tuning.until(&id, &[RunState::Done]).await;
    let zoo: ZooFile = tuning
        .post("/api/v1/zoos", &json!({ "name": "short", "runs": [id, id] }))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(zoo.tasks, 1);
    let path = "/api/v1/zoos/short.safetensors";
    let gone = tuning.send(Method::DELETE, path, None).await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    problem(tuning.send(Method::DELETE, path, None).await, StatusCode::NOT_FOUND).await;
    problem(tuning.server.get(&zoo.url).await, StatusCode::NOT_FOUND).await;
    assert_eq!(std::fs::read_dir(tuning.dir.path().join("zoos")).unwrap().count(), 0);
}

#[tokio::test]
async fn runs_of_others_are_published_by_an_admin_only() {
    let tuning = Tuning::start().await;
    let id = tuning.create("quick", 1).await.id;
    tuning.until(&id, &[RunState::Done]).await;
    let own = token(&tuning.store, "publisher", &[Scope::Publish]).await;
    let admin = token(&tuning.store, "admin", &[Scope::Admin]).await;
    let body = json!({ "name": "theirs", "runs": ["0".repeat(32), id] });
    let post = async |token: &str, body: &serde_json::Value| {
        let url = tuning.server.url("/api/v1/zoos");
        tuning.server.client.post(url).bearer_auth(token).json(body).send().await.unwrap()
    };
    let refused = whole_problem(post(&own, &body).await, StatusCode::UNPROCESSABLE_ENTITY).await;
    let named: Vec<_> = refused.errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(named, ["runs[0]", "runs[1]"]);
    assert!(refused.errors[1].detail.contains("another token"), "{refused:?}");
    let body = json!({ "name": "theirs", "runs": [id] });
    assert_eq!(post(&admin, &body).await.status(), StatusCode::CREATED);
}

/// Two zoos of one name: a file given at start, and one published before that.
#[tokio::test]
async fn a_published_zoo_that_a_file_hides_answers_to_its_content() {
    let tuning = Tuning::start().await;
    let content = crate::support::zoo_bytes("other");
    let digest = LocalFolder::open(tuning.dir.path(), 1 << 30).unwrap().put_zoo(&content).unwrap();
    let summary = ZooSummary {
        file_name: "glue.safetensors".into(),
        name: "other".into(),
        bytes: content.len() as u64,
        sha256: digest.as_str().to_owned(),
        tasks: 3,
    };
    let hidden = PublishedZoo { summary, owner: "me".into() };
    assert_eq!(tuning.store.add_zoo(hidden).await.unwrap(), None);
    let info: Info = tuning.server.get("/api/v1/info").await.json().await.unwrap();
    assert_eq!((info.zoos.len(), info.zoos[0].name.as_str()), (1, "glue"));
    let bytes = async |query: String| {
        let response = tuning.server.get(&format!("/zoos/glue.safetensors{query}")).await;
        assert_eq!(response.status(), StatusCode::OK, "{query}");
        response.bytes().await.unwrap()
    };
    let given = crate::support::zoo_bytes("glue");
    assert_eq!(bytes(String::new()).await, given);
    assert_eq!(bytes(format!("?sha256={}", sha256_hex(&given))).await, given);
    assert_eq!(bytes(format!("?sha256={}", digest.as_str().to_uppercase())).await, content);
    // Taking it back takes back what was published.
    let admin = token(&tuning.store, "admin", &[Scope::Admin]).await;
    let url = tuning.server.url("/api/v1/zoos/glue.safetensors");
    let gone = tuning.server.client.delete(url).bearer_auth(admin).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    assert_eq!(bytes(String::new()).await, given);
}

#[tokio::test]
async fn what_makes_no_zoo_says_why() {
    let tuning = Tuning::start().await;
    let id = tuning.create("flaky", 3).await.id;
    tuning.until(&id, &[RunState::Failed]).await;
    for (name, runs, field) in [
        ("a", vec![], "runs"),
        ("a", vec![id.as_str()], "runs[0]"),
        ("a", vec!["../../x"], "runs[0]"),
        ("", vec![id.as_str()], "name"),
        ("../a", vec![id.as_str()], "name"),
        (".a", vec![id.as_str()], "name"),
    ] {
        let body = json!({ "name": name, "runs": runs });
        let response = tuning.post("/api/v1/zoos", &body).await;
        let problem = whole_problem(response, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert!(problem.errors.iter().any(|error| error.field == field), "{body}: {problem:?}");
    }
    // The same task twice under one recipe.
    let mut runs = Vec::new();
    for _ in 0..2 {
        let id = tuning.create("quick", 1).await.id;
        tuning.until(&id, &[RunState::Done]).await;
        runs.push(id);
    }
    let response = tuning.post("/api/v1/zoos", &json!({ "name": "twice", "runs": runs })).await;
    let detail = problem(response, StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(detail.contains("two embeddings of quick"), "{detail}");
}
