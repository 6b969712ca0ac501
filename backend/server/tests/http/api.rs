//! `/api/v1/info`, `/healthz`, `/readyz`, and what every answer has.

use crate::support::{Running, config, header, problem, write_zoo, zoo_bytes};
use reqwest::{Method, StatusCode};
use tempfile::TempDir;
use tupate_api::Info;
use tupate_server::{CatalogueError, StoredZoo, ZooCatalogue, ZooFiles, ZooSummary};
use tupate_zoo::sha256_hex;

#[tokio::test]
async fn info_lists_the_zoos_in_the_order_given() {
    let dir = TempDir::new().unwrap();
    let zoos = ["b.safetensors", "a b.safetensors"].map(|name| write_zoo(&dir, name));
    let server = Running::with(config(), ZooFiles::read(zoos).unwrap()).await;
    let response = server.get("/api/v1/info").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(response.headers(), "content-type"), "application/json");
    assert_eq!(header(response.headers(), "cache-control"), "no-store");
    let info: Info = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(
        (info.server.as_str(), info.version.as_str()),
        ("tupate", env!("CARGO_PKG_VERSION"))
    );
    let urls: Vec<_> = info.zoos.iter().map(|zoo| zoo.url.as_str()).collect();
    assert_eq!(urls, ["/zoos/b.safetensors", "/zoos/a-b.safetensors"]);
    let bytes = zoo_bytes("glue");
    for zoo in &info.zoos {
        assert_eq!((zoo.name.as_str(), zoo.tasks), ("glue", 3));
        assert_eq!((zoo.bytes, &zoo.sha256), (bytes.len() as u64, &sha256_hex(&bytes)));
        assert_eq!(server.get(&zoo.url).await.bytes().await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_living_server_is_healthy_and_ready() {
    let server = Running::start().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.get(path).await.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let server = Running::start().await;
    for path in ["/api", "/api/v1/nothing", "/api/v2/info", "/nothing", "/zoos", "/zoos/"] {
        let detail = problem(server.get(path).await, StatusCode::NOT_FOUND).await;
        assert!(detail.contains(path) && detail.contains("/api/v1/info"), "{detail}");
        let posted = server.request(Method::POST, path, &[]).await;
        problem(posted, StatusCode::NOT_FOUND).await;
    }
    for path in ["/api/v1/info", "/zoos/glue.safetensors", "/healthz", "/readyz", "/"] {
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let response = server.request(method, path, &[]).await;
            let allow = header(response.headers(), "allow").replace(' ', "");
            assert_eq!(allow, "GET,HEAD", "{path}");
            problem(response, StatusCode::METHOD_NOT_ALLOWED).await;
        }
    }
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let server = Running::start().await;
    let paths = ["/", "/service-worker.js", "/api/v1/info", "/healthz", "/zoos/glue.safetensors"];
    for path in paths.into_iter().chain(["/api/v1/no", "/no", "/zoos/no"]) {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
            let response = server.request(method, path, &[]).await;
            let headers = response.headers();
            assert_eq!(header(headers, "x-content-type-options"), "nosniff", "{path}");
            assert_eq!(header(headers, "referrer-policy"), "no-referrer", "{path}");
            assert_eq!(header(headers, "cross-origin-opener-policy"), "same-origin", "{path}");
            let policy = header(headers, "content-security-policy");
            assert!(policy.starts_with("default-src 'none'; "), "{path}: {policy}");
            assert_eq!(headers.get_all("content-security-policy").iter().count(), 1);
        }
    }
}

#[tokio::test]
async fn a_store_that_fails_is_a_problem_without_its_internals() {
    struct Broken;
    #[async_trait::async_trait]
    impl ZooCatalogue for Broken {
        async fn list(&self) -> Result<Vec<ZooSummary>, CatalogueError> {
            Err(CatalogueError::new("password rejected by db.internal"))
        }
        async fn open(&self, _: &str) -> Result<Option<StoredZoo>, CatalogueError> {
            Err(CatalogueError::new("password rejected by db.internal"))
        }
    }
    let server = Running::with(config(), Broken).await;
    for path in ["/readyz", "/api/v1/info", "/zoos/any.safetensors"] {
        let detail = problem(server.get(path).await, StatusCode::SERVICE_UNAVAILABLE).await;
        assert!(detail.contains("Try again") && !detail.contains("password"), "{detail}");
    }
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
}
