//! A server to ask, and zoos for it to serve.

use axum::body::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Response, StatusCode};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tupate_api::Problem;
use tupate_server::{Config, Page, Server, ZooCatalogue, ZooFiles};
use tupate_tasks::{Checkpoint, EncoderRef, MethodSpec, Metric, Recipe, TaskClass};
use tupate_zoo::{Dtype, NewEmbedding, TaskEntry, Zoo};

/// A running server.
pub struct Running {
    pub address: SocketAddr,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl Running {
    /// Serves one zoo, `glue.safetensors`, and a small page.
    pub async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let file = write_zoo(&dir, "glue.safetensors");
        Self::with(config(), ZooFiles::read([file]).unwrap()).await
    }

    pub async fn with(config: Config, catalogue: impl ZooCatalogue) -> Self {
        let server = Server::bind(config, Arc::new(catalogue)).await.unwrap();
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(server.run(async { stopped.await.unwrap_or(()) }));
        Self { address, client: Client::new(), stop: Some(stop), server }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path, &[]).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&'static str, &str)]) -> Response {
        self.request(Method::GET, path, headers).await
    }

    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Response {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.client.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// Sends bytes as they are, which no client library would, and returns all
    /// that comes back until the server closes.
    pub async fn raw(&self, request: impl Into<Vec<u8>>) -> String {
        let (address, request) = (self.address, request.into());
        tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.write_all(&request).unwrap();
            let mut answer = Vec::new();
            // A reset after the answer is one way of closing.
            if let Err(error) = stream.read_to_end(&mut answer) {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
            }
            String::from_utf8_lossy(&answer).into_owned()
        })
        .await
        .unwrap()
    }

    /// Asks the server to stop; the handle ends when it has.
    pub fn stop(mut self) -> JoinHandle<()> {
        self.stop.take().unwrap().send(()).unwrap();
        self.server
    }
}

/// A free port, and a page that does not depend on what was built.
pub fn config() -> Config {
    let mut config = Config::new((Ipv4Addr::LOCALHOST, 0).into());
    config.page = Page::from_files(
        [
            ("index.html", "<!doctype html><script>start()</script><p>page".repeat(50)),
            ("app-0123456789abcdef.js", "start = () => {};\n".repeat(200)),
            ("app-0123456789abcdef.js.br", "the twin made by the build".to_owned()),
            ("app-0123456789abcdef_bg.wasm", "\0asm".to_owned()),
            ("service-worker.js", "// worker".to_owned()),
            ("manifest.webmanifest", "{}".to_owned()),
        ]
        .map(|(name, content)| (name.to_owned(), Bytes::from(content))),
    );
    config
}

/// A small zoo file.
pub fn zoo_bytes(name: &str) -> Vec<u8> {
    let encoder = EncoderRef {
        name: "tiny".into(),
        weights_sha256: "0".repeat(64),
        layers: 2,
        hidden_size: 4,
    };
    let recipe = Recipe::paper(encoder, MethodSpec::BitFit, 1, Checkpoint::Late);
    let embeddings = ["mnli", "rte", "sst2"].into_iter().enumerate().map(|(i, id)| NewEmbedding {
        task: TaskEntry {
            id: id.into(),
            name: id.to_uppercase(),
            class: TaskClass::ClassificationRegression,
            family: "entailment".into(),
            train_examples: 100,
            metric: Metric::Accuracy,
            score: None,
            majority: None,
            licence: None,
            link: None,
        },
        recipe: recipe.clone(),
        values: vec![1.0, i as f32, 0.5],
        initial: None,
    });
    Zoo::pack(name, "", embeddings).unwrap().to_bytes(Dtype::F16).unwrap()
}

pub fn write_zoo(dir: &TempDir, file: &str) -> PathBuf {
    let path = dir.path().join(file);
    std::fs::write(&path, zoo_bytes("glue")).unwrap();
    path
}

/// A header's text, empty where it is missing.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Checks that the answer is a problem document of this status, and returns
/// what it says.
pub async fn problem(response: Response, status: StatusCode) -> String {
    assert_eq!(response.status(), status);
    assert_eq!(header(response.headers(), "content-type"), "application/problem+json");
    assert_eq!(header(response.headers(), "cache-control"), "no-store");
    let problem: Problem = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(problem.kind, "about:blank");
    assert_eq!(problem.status, status.as_u16());
    assert_eq!(Some(problem.title.as_str()), status.canonical_reason());
    problem.detail
}
