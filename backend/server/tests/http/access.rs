//! Tokens, scopes, rates, and what is closed to whom.

use crate::support::{Running, Tuning, UNHURRIED, config, header, problem, run_limits, token};
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::sync::Arc;
use tupate_api::{RunState, Scope, TokenInfo};
use tupate_server::{Error, Rates, Server, SqliteStore, TokenStore, ZooFiles, new_token};

async fn ask(tuning: &Tuning, method: Method, path: &str, secret: Option<&str>) -> StatusCode {
    let mut request = tuning.server.client.request(method, tuning.server.url(path));
    if let Some(secret) = secret {
        request = request.bearer_auth(secret);
    }
    request.send().await.unwrap().status()
}

const WRITES: [&str; 7] = [
    "/api/v1/runs",
    "/api/v1/uploads",
    "/api/v1/zoos",
    "/api/v1/runs/0123456789abcdef0123456789abcdef/cancel",
    "/api/v1/runs/0123456789abcdef0123456789abcdef/finish",
    "/api/v1/runs/0123456789abcdef0123456789abcdef/resume",
    "/api/v1/runs/x/cancel",
];

#[tokio::test]
async fn writing_needs_a_token_with_the_scope() {
    let tuning = Tuning::start().await;
    let reader = token(&tuning.store, "reader", &[Scope::Read]).await;
    for path in WRITES {
        let response = tuning.server.request(Method::POST, path, &[]).await;
        assert!(header(response.headers(), "www-authenticate").starts_with("Bearer"));
        let detail = problem(response, StatusCode::UNAUTHORIZED).await;
        assert!(detail.contains("tupate token create"), "{detail}");
        let status = ask(&tuning, Method::POST, path, Some(&reader)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
        for wrong in ["tupate_wrong", "", "x y"] {
            let status = ask(&tuning, Method::POST, path, Some(wrong)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
    for header in ["Basic YTpi", "tupate_x", "Bearer", "\u{7f}"] {
        let Ok(value) = reqwest::header::HeaderValue::from_str(header) else { continue };
        let request = tuning.server.client.get(tuning.server.url("/api/v1/runs"));
        let response = request.header("authorization", value).send().await.unwrap();
        problem(response, StatusCode::UNAUTHORIZED).await;
    }
    assert_eq!(ask(&tuning, Method::GET, "/api/v1/runs", None).await, StatusCode::OK);
}

#[tokio::test]
async fn revoked_and_ended_tokens_are_none() {
    let tuning = Tuning::start().await;
    let secret = token(&tuning.store, "leaver", &[Scope::Tune]).await;
    let path = "/api/v1/token";
    assert_eq!(ask(&tuning, Method::GET, path, Some(&secret)).await, StatusCode::OK);
    assert!(tuning.store.revoke_token("leaver").await.unwrap());
    assert!(!tuning.store.revoke_token("leaver").await.unwrap());
    assert_eq!(ask(&tuning, Method::GET, path, Some(&secret)).await, StatusCode::UNAUTHORIZED);
    // The name is free again.
    let again = token(&tuning.store, "leaver", &[Scope::Tune]).await;
    assert!(!tuning.store.add_token(new_token("leaver", &[Scope::Read], None).0).await.unwrap());
    assert_eq!(ask(&tuning, Method::GET, path, Some(&again)).await, StatusCode::OK);
    let (ended, secret) = new_token("ended", &[Scope::Tune], Some(1));
    tuning.store.add_token(ended).await.unwrap();
    assert_eq!(ask(&tuning, Method::GET, path, Some(&secret)).await, StatusCode::UNAUTHORIZED);
    // That of one that has ended, too.
    token(&tuning.store, "ended", &[Scope::Tune]).await;
    assert!(!tuning.store.add_token(new_token("ended", &[Scope::Read], None).0).await.unwrap());
    assert_eq!(ask(&tuning, Method::GET, path, Some(&secret)).await, StatusCode::UNAUTHORIZED);
    // No secret is in the file, in no form that could be sent.
    let bytes = std::fs::read(tuning.store.path()).unwrap();
    let log = std::fs::read(tuning.store.path().with_extension("sqlite-wal")).unwrap();
    for secret in [&again, &tuning.token] {
        let secret = secret.trim_start_matches("tupate_").as_bytes();
        assert!([&bytes, &log].iter().all(|file| !file.windows(secret.len()).any(|w| w == secret)));
    }
    let info: TokenInfo = tuning.send(Method::GET, path, None).await.json().await.unwrap();
    assert_eq!(info.scopes, crate::support::USER);
}

#[tokio::test]
async fn runs_and_zoos_belong_to_their_token() {
    let tuning = Tuning::start().await;
    let id = tuning.create("quick", 1).await.id;
    tuning.until(&id, &[RunState::Done]).await;
    let zoo = json!({ "name": "mine", "runs": [id] });
    assert_eq!(tuning.post("/api/v1/zoos", &zoo).await.status(), StatusCode::CREATED);
    let other = token(&tuning.store, "other", &crate::support::USER).await;
    let admin = token(&tuning.store, "admin", &[Scope::Admin]).await;
    for (method, path) in [
        (Method::POST, format!("/api/v1/runs/{id}/cancel")),
        (Method::DELETE, format!("/api/v1/runs/{id}")),
        (Method::DELETE, "/api/v1/zoos/mine.safetensors".to_owned()),
    ] {
        let theirs = ask(&tuning, method.clone(), &path, Some(&other)).await;
        assert_eq!(theirs, StatusCode::FORBIDDEN, "{path}");
        let status = ask(&tuning, method, &path, Some(&admin)).await;
        assert!(status.is_success() || status == StatusCode::CONFLICT, "{path}: {status}");
    }
}

#[tokio::test]
async fn a_private_server_is_read_with_a_token() {
    let tuning = Tuning::with(run_limits(), |config| config.access.private = true).await;
    let tuner = token(&tuning.store, "tuner", &[Scope::Tune]).await;
    let paths = ["/api/v1/info", "/api/v1/runs", "/zoos/glue.safetensors", "/api/docs", "/metrics"];
    for path in paths {
        assert_eq!(ask(&tuning, Method::GET, path, None).await, StatusCode::UNAUTHORIZED, "{path}");
        let without_scope = ask(&tuning, Method::GET, path, Some(&tuner)).await;
        assert_eq!(without_scope, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(ask(&tuning, Method::GET, path, Some(&tuning.token)).await, StatusCode::OK);
    }
    for path in ["/healthz", "/readyz", "/"] {
        assert_eq!(ask(&tuning, Method::GET, path, None).await, StatusCode::OK, "{path}");
    }
    // Each scope allows what it says, without that of reading.
    for path in ["/api/v1/uploads", "/api/v1/token"] {
        assert_eq!(ask(&tuning, Method::GET, path, None).await, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(ask(&tuning, Method::GET, path, Some(&tuner)).await, StatusCode::OK, "{path}");
    }
    let post = async |secret: &str, path: &str, kind: &'static str, body: String| {
        let request = tuning.server.client.post(tuning.server.url(path)).bearer_auth(secret);
        request.header("content-type", kind).body(body).send().await.unwrap()
    };
    let sent = post(&tuner, "/api/v1/uploads", "text/csv", "text,label\n".into()).await;
    assert_eq!(sent.status(), StatusCode::CREATED);
    let body = json!({ "data": { "task": "quick" } }).to_string();
    let run = post(&tuner, "/api/v1/runs", "application/json", body.clone()).await;
    assert_eq!(run.status(), StatusCode::CREATED);
    let id = run.json::<tupate_api::Run>().await.unwrap().id;
    let cancel = format!("/api/v1/runs/{id}/cancel");
    let status = ask(&tuning, Method::POST, &cancel, Some(&tuner)).await;
    assert!(status == StatusCode::OK || status == StatusCode::CONFLICT, "{status}");
    let publisher = token(&tuning.store, "publisher", &[Scope::Publish]).await;
    let none = json!({ "name": "x", "runs": [] }).to_string();
    let refused = post(&publisher, "/api/v1/zoos", "application/json", none).await;
    problem(refused, StatusCode::UNPROCESSABLE_ENTITY).await;
    for secret in [&publisher, &token(&tuning.store, "reader", &[Scope::Read]).await] {
        let refused = post(secret, "/api/v1/runs", "application/json", body.clone()).await;
        problem(refused, StatusCode::FORBIDDEN).await;
    }
}

#[tokio::test]
async fn what_is_closed_to_others_is_kept_by_no_cache_that_they_share() {
    let tuning = Tuning::with(run_limits(), |config| config.access.private = true).await;
    let digest = tupate_zoo::sha256_hex(&crate::support::zoo_bytes("glue"));
    for (query, cache) in [
        (String::new(), "private, no-cache"),
        (format!("?sha256={digest}"), "private, max-age=31536000, immutable"),
    ] {
        let path = format!("/zoos/glue.safetensors{query}");
        let response = tuning.send(Method::GET, &path, None).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(response.headers(), "cache-control"), cache);
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let few = |n| NonZeroU32::new(n).unwrap();
    let rates = Rates { writes_a_minute: few(4), guesses_a_minute: few(3), ..UNHURRIED };
    let tuning = Tuning::with(run_limits(), |config| config.limits.rates = rates).await;
    let mut last = StatusCode::OK;
    for _ in 0..3 {
        let response = tuning.post("/api/v1/runs", &json!({})).await;
        last = response.status();
        if last == StatusCode::TOO_MANY_REQUESTS {
            let wait: u64 = header(response.headers(), "retry-after").parse().unwrap();
            assert!((1..=60).contains(&wait));
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    // Reading, and the zoo files, go on.
    assert_eq!(ask(&tuning, Method::GET, "/api/v1/runs", None).await, StatusCode::OK);
    let statuses: Vec<_> = futures::future::join_all(
        (0..4).map(|_| ask(&tuning, Method::GET, "/api/v1/runs", Some("tupate_guess"))),
    )
    .await;
    assert!(statuses.contains(&StatusCode::TOO_MANY_REQUESTS), "{statuses:?}");
    let known = ask(&tuning, Method::GET, "/api/v1/runs", Some(&tuning.token)).await;
    assert_eq!(known, StatusCode::OK);
}

#[tokio::test]
async fn others_reach_no_server_without_a_token_unless_that_is_said() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = SqliteStore::open(&dir.path().join("tupate.sqlite")).unwrap();
    let open = |without_token| {
        let mut config = config();
        config.listen = (Ipv4Addr::UNSPECIFIED, 0).into();
        config.access.tokens = Some(Arc::new(store.clone()));
        config.without_token = without_token;
        Server::bind(config, Arc::new(ZooFiles::default()))
    };
    let error = open(false).await.unwrap_err();
    assert!(matches!(error, Error::Unprotected { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("token create") && text.contains("--listen-without-token"), "{text}");
    assert!(open(true).await.is_ok());
    token(&store, "someone", &[Scope::Read]).await;
    assert!(open(false).await.is_ok());
}

#[tokio::test]
async fn headers_are_no_way_in() {
    let tuning = Tuning::start().await;
    // What comes back of a request is never part of a header.
    let wanted = "/api/v1/runs/x%0d%0aset-cookie:%20a=b";
    let response = tuning.server.get(wanted).await;
    assert!(response.headers().get("set-cookie").is_none());
    problem(response, StatusCode::NOT_FOUND).await;
    let given = [("x-request-id", "mine-1"), ("origin", "https://elsewhere.example")];
    let response = tuning.server.get_with("/api/v1/runs", &given).await;
    assert_eq!(header(response.headers(), "x-request-id"), "mine-1");
    // The API is for the page itself; others read zoo files.
    assert!(response.headers().get("access-control-allow-origin").is_none());
    let bad = [("x-request-id", "a b; c=<script>")];
    let response = tuning.server.get_with("/api/v1/runs", &bad).await;
    assert_eq!(header(response.headers(), "x-request-id").len(), 16);
    for head in [
        "GET /healthz HTTP/1.1\r\nhost: x\r\nx: a\nb\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: x\r\nx y: b\r\n\r\n",
        "GET /healthz\u{0} HTTP/1.1\r\nhost: x\r\n\r\n",
        "POST /api/v1/runs HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
    ] {
        let answer = tuning.server.raw(head).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head}: {answer}");
    }
}

#[tokio::test]
async fn a_server_without_runs_says_so() {
    let server = Running::start().await;
    for path in ["/api/v1/runs", "/api/v1/offers", "/api/v1/runs/x"] {
        let detail = problem(server.get(path).await, StatusCode::NOT_FOUND).await;
        assert!(detail.contains("--data"), "{detail}");
    }
}

/// What a proxy says of whom it asks for.
fn client(address: &str) -> [(&'static str, &str); 1] {
    [("x-forwarded-for", address)]
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_rates_of_its_own() {
    let few = |config: &mut tupate_server::Config| {
        let guesses_a_minute = NonZeroU32::new(2).unwrap();
        config.limits.rates = Rates { guesses_a_minute, ..UNHURRIED };
    };
    let guess = async |tuning: &Tuning, says: &[(&'static str, &str)]| {
        let mut headers = vec![("authorization", "Bearer tupate_wrong")];
        headers.extend(says);
        tuning.server.get_with("/api/v1/token", &headers).await.status()
    };
    let (wrong, fast) = (StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS);
    let tuning = Tuning::with(run_limits(), |config| {
        few(config);
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    for address in ["203.0.113.1", "203.0.113.2"] {
        for expected in [wrong, wrong, fast] {
            assert_eq!(guess(&tuning, &client(address)).await, expected, "{address}");
        }
    }
    // What a client claims stands left of what the proxy says.
    assert_eq!(guess(&tuning, &client("198.51.100.7, 203.0.113.1")).await, fast);
    // Whose proxy does not say who asks counts for the proxy.
    for nonsense in ["unknown", "203.0.113.9, x", "\t;'\"<>"] {
        let status = guess(&tuning, &client(nonsense)).await;
        assert!([wrong, fast].contains(&status), "{nonsense}: {status}");
    }
    assert_eq!(guess(&tuning, &[]).await, fast);
    // Without a trusted proxy nobody is believed.
    let tuning = Tuning::with(run_limits(), few).await;
    for (i, expected) in [wrong, wrong, fast].into_iter().enumerate() {
        let address = format!("203.0.113.{i}");
        assert_eq!(guess(&tuning, &client(&address)).await, expected);
    }
}
