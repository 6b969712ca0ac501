//! Slow, large and many requests, and the end of the server.

use crate::support::{Running, config, problem};
use reqwest::{Method, StatusCode};
use std::time::Duration;
use tokio::time::timeout;
use tupate_server::{CatalogueError, StoredZoo, ZooCatalogue, ZooFiles, ZooSummary};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn bodies_are_refused() {
    let server = Running::start().await;
    let large = [("content-length", "1000000")];
    let response = server.request(Method::GET, "/api/v1/info", &large).await;
    let detail = problem(response, StatusCode::PAYLOAD_TOO_LARGE).await;
    assert!(detail.contains("without"), "{detail}");
    let head = "POST /api/v1/info HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = server.raw(head).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn clients_that_stop_talking_are_let_go() {
    let mut config = config();
    config.limits.head = Duration::from_millis(300);
    let server = Running::with(config, ZooFiles::default()).await;
    for slow in ["", "GET / HT", "GET /healthz HTTP/1.1\r\nhost: x\r\n"] {
        let answer = timeout(PATIENCE, server.raw(slow)).await.expect("the server closes");
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    // Neither may a connection idle for ever after an answer.
    let idle = server.raw("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    let answer = timeout(PATIENCE, idle).await.expect("the server closes");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

/// A store whose zoo is larger than what the system buffers for a client.
struct Large;

const LARGE: usize = 64 << 20;

#[async_trait::async_trait]
impl ZooCatalogue for Large {
    async fn list(&self) -> Result<Vec<ZooSummary>, CatalogueError> {
        Ok(Vec::new())
    }
    async fn open(&self, _: &str) -> Result<Option<StoredZoo>, CatalogueError> {
        Ok(Some(StoredZoo { sha256: "0".repeat(64), content: vec![0; LARGE].into() }))
    }
}

#[tokio::test]
async fn clients_that_stop_listening_are_let_go() {
    let mut config = config();
    config.limits.connections = 1;
    config.limits.stall = Duration::from_millis(300);
    let server = Running::with(config, Large).await;
    let stalled = server.get("/zoos/large.safetensors").await;
    // The only connection is taken: this waits until the server lets it go.
    let next = timeout(PATIENCE, server.get("/healthz")).await.expect("the stalled one is closed");
    assert_eq!(next.status(), StatusCode::OK);
    assert!(stalled.bytes().await.is_err());
}

#[tokio::test]
async fn answers_under_way_end_before_the_server_does() {
    let mut config = config();
    config.limits.grace = PATIENCE;
    let server = Running::with(config, Large).await;
    let address = server.address;
    let under_way = server.get("/zoos/large.safetensors").await;
    let stopped = server.stop();
    assert_eq!(under_way.bytes().await.unwrap().len(), LARGE);
    timeout(PATIENCE, stopped).await.expect("the server stops").unwrap();
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_cut_off() {
    let mut config = config();
    config.limits.grace = Duration::from_millis(100);
    let server = Running::with(config, Large).await;
    let stalled = server.get("/zoos/large.safetensors").await;
    timeout(PATIENCE, server.stop()).await.expect("the server stops").unwrap();
    assert!(stalled.bytes().await.is_err());
}
