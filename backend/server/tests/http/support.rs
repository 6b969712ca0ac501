//! A server to ask, and zoos for it to serve.

use crate::scripted::Scripted;
use axum::body::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tupate_api::{Problem, Run, RunState, Scope, StoredEvent};
use tupate_server::{
    Config, LocalFolder, Page, Rates, RunLimits, RunParts, Runs, Server, SqliteStore, TokenStore,
    ZooCatalogue, ZooFiles, new_token,
};
use tupate_tasks::{Checkpoint, EncoderRef, MethodSpec, Metric, Recipe, TaskClass};
use tupate_zoo::{Dtype, NewEmbedding, TaskEntry, Zoo};

/// A running server.
pub struct Running {
    pub address: SocketAddr,
    pub client: Client,
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

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
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
        let mut request = self.client.request(method, self.url(path));
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
    config.page = Page::from_files(page_files());
    config
}

/// The files of a page that does not depend on what was built.
pub fn page_files() -> [(String, Bytes); 6] {
    [
        ("index.html", "<!doctype html><script>start()</script><p>page".repeat(50)),
        ("app-0123456789abcdef.js", "start = () => {};\n".repeat(200)),
        ("app-0123456789abcdef.js.br", "the twin made by the build".to_owned()),
        ("app-0123456789abcdef_bg.wasm", "\0asm".to_owned()),
        ("service-worker.js", "// worker".to_owned()),
        ("manifest.webmanifest", "{}".to_owned()),
    ]
    .map(|(name, content)| (name.to_owned(), Bytes::from(content)))
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
            tunings: 1,
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
    whole_problem(response, status).await.detail
}

/// The whole of it.
pub async fn whole_problem(response: Response, status: StatusCode) -> Problem {
    assert_eq!(response.status(), status);
    assert_eq!(header(response.headers(), "content-type"), "application/problem+json");
    assert_eq!(header(response.headers(), "cache-control"), "no-store");
    let problem: Problem = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(problem.kind, "about:blank");
    assert_eq!(problem.status, status.as_u16());
    assert_eq!(Some(problem.title.as_str()), status.canonical_reason());
    problem
}

/// A server that keeps runs, tuned by the script, in a folder of its own.
pub struct Tuning {
    pub server: Running,
    pub store: SqliteStore,
    /// The secret of a token that may do anything but be `admin`.
    pub token: String,
    pub dir: TempDir,
}

/// All that a user may be allowed.
pub const USER: [Scope; 3] = [Scope::Read, Scope::Tune, Scope::Publish];

/// As often as a test likes.
pub const UNHURRIED: Rates = Rates {
    reads_a_second: NonZeroU32::MAX,
    writes_a_minute: NonZeroU32::MAX,
    guesses_a_minute: NonZeroU32::MAX,
};

/// Limits under which a test has its events at once.
pub fn run_limits() -> RunLimits {
    RunLimits {
        progress: Duration::from_millis(5),
        heartbeat: Duration::from_millis(200),
        ..RunLimits::default()
    }
}

/// Another token.
pub async fn token(store: &SqliteStore, name: &str, scopes: &[Scope]) -> String {
    let (token, secret) = new_token(name, scopes, None);
    assert!(store.add_token(token).await.unwrap());
    secret
}

impl Tuning {
    pub async fn start() -> Self {
        Self::with(run_limits(), |_| {}).await
    }

    pub async fn with(limits: RunLimits, change: impl FnOnce(&mut Config)) -> Self {
        Self::in_folder(TempDir::new().unwrap(), limits, 2, change).await
    }

    /// In a folder that an earlier server may have left.
    pub async fn in_folder(
        dir: TempDir,
        limits: RunLimits,
        workers: usize,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let store = SqliteStore::open(&dir.path().join("tupate.sqlite")).unwrap();
        let token = token(&store, &format!("tester-{:?}", std::time::Instant::now()), &USER).await;
        let artefacts = LocalFolder::open(dir.path(), 1 << 30).unwrap();
        let runs = Runs::open(RunParts {
            store: Arc::new(store.clone()),
            artefacts: Arc::new(artefacts),
            service: Arc::new(Scripted),
            workers: vec!["cpu".into(); workers],
            limits,
        });
        let mut config = config();
        config.limits.rates = UNHURRIED;
        config.access.tokens = Some(Arc::new(store.clone()));
        config.runs = Some(runs.await.unwrap());
        change(&mut config);
        let file = write_zoo(&dir, "glue.safetensors");
        let server = Running::with(config, ZooFiles::read([file]).unwrap()).await;
        Self { server, store, token, dir }
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Response {
        let mut request = self.server.client.request(method, self.server.url(path));
        request = request.bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Creates a run of a scripted task.
    pub async fn create(&self, task: &str, epochs: u64) -> Run {
        let spec = json!({ "data": { "task": task }, "epochs": epochs, "name": task });
        let response = self.post("/api/v1/runs", &spec).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        response.json().await.unwrap()
    }

    pub async fn run(&self, id: &str) -> Run {
        self.send(Method::GET, &format!("/api/v1/runs/{id}"), None).await.json().await.unwrap()
    }

    pub async fn act(&self, id: &str, what: &str) -> Response {
        self.send(Method::POST, &format!("/api/v1/runs/{id}/{what}"), None).await
    }

    /// Waits until a run is in one of these states.
    pub async fn until(&self, id: &str, states: &[RunState]) -> Run {
        let waiting = async {
            loop {
                let run = self.run(id).await;
                if states.contains(&run.state) {
                    return run;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it comes to that")
    }

    /// All events after one, until the stream ends.
    pub async fn events(&self, id: &str, after: u64) -> Vec<StoredEvent> {
        let path = format!("/api/v1/runs/{id}/events?after={after}");
        let response = self.server.get(&path).await;
        assert_eq!(header(response.headers(), "content-type"), "text/event-stream");
        parse_events(&response.text().await.unwrap())
    }

    /// Stops the server as an interrupt does, and leaves its folder.
    pub async fn stop(self) -> TempDir {
        self.server.stop().await.unwrap();
        self.dir
    }
}

/// The events of a stream, each checked against its own fields.
pub fn parse_events(text: &str) -> Vec<StoredEvent> {
    let mut events = Vec::new();
    for block in text.split("\n\n") {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let Some(data) = field("data: ") else { continue };
        let event: StoredEvent = serde_json::from_str(data).unwrap();
        assert_eq!(field("id: ").unwrap(), event.id.to_string());
        assert_eq!(field("event: ").unwrap(), event.event.kind());
        events.push(event);
    }
    events
}
