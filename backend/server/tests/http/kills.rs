//! A real server process, killed with SIGKILL at random moments while runs are
//! created, tuned and published, and started again on what it left.
//!
//! Ten kills by default; `TUPATE_KILLS=100` for a hundred, `TUPATE_KILL_SEED=N` for
//! other moments.

use crate::scripted::{Scripted, expected};
use crate::support::{UNHURRIED, USER, config, run_limits, token};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tupate_api::{Event, Run, RunState, Runs, StoredEvent, ZooFile};
use tupate_server::{LocalFolder, RunLimits, RunParts, Server, SqliteStore, ZooFiles};
use tupate_zoo::{Zoo, sha256_hex};

const FOLDER: &str = "TUPATE_TEST_FOLDER";
const EPOCHS: u64 = 6;

/// The process that is killed: this test of this very program.
#[test]
#[ignore = "a process of the test below, which is given a folder"]
fn serve_until_killed() {
    let folder = std::env::var(FOLDER).expect("the test below names a folder");
    let folder = Path::new(&folder);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(&folder.join("tupate.sqlite")).unwrap());
        let runs = tupate_server::Runs::open(RunParts {
            store: store.clone(),
            artefacts: Arc::new(LocalFolder::open(folder, 1 << 30).unwrap()),
            service: Arc::new(Scripted),
            workers: vec!["cpu".into(); 2],
            limits: RunLimits { queued: 100_000, of_one: 100_000, ..run_limits() },
        });
        let mut config = config();
        config.limits.rates = UNHURRIED;
        config.access.tokens = Some(store);
        config.runs = Some(runs.await.unwrap());
        let server = Server::bind(config, Arc::new(ZooFiles::default())).await.unwrap();
        println!("\nhttp://{}", server.local_addr());
        server.run(std::future::pending()).await;
    });
}

struct Process {
    child: Child,
    base: String,
}

impl Process {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kills::serve_until_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let base = lines.find_map(|line| line.ok().filter(|line| line.starts_with("http://")));
        Self { child, base: base.expect("the server says where it is") }
    }

    /// SIGKILL, which no program hears of.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same moments for the same seed.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// What the client asked for, and what it was told.
#[derive(Default)]
struct Ledger {
    /// Runs by key: the id, once one was told.
    runs: BTreeMap<u64, Option<String>>,
    /// Published zoos by name: the sha256 that was told.
    zoos: BTreeMap<String, String>,
}

struct Asking<'a> {
    client: Client,
    base: &'a str,
    token: &'a str,
}

impl Asking<'_> {
    async fn send(
        &self,
        path: &str,
        key: u64,
        body: &Value,
    ) -> reqwest::Result<(StatusCode, Value)> {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(self.token);
        let response = request.header("idempotency-key", key.to_string()).json(body).send().await?;
        Ok((response.status(), response.json().await?))
    }

    async fn create(&self, key: u64) -> reqwest::Result<String> {
        let body = json!({
            "data": { "task": "quick" }, "epochs": EPOCHS, "seed": key, "name": format!("t{key}"),
        });
        let (status, run) = self.send("/api/v1/runs", key, &body).await?;
        assert!(status.is_success(), "{status}: {run}");
        Ok(run["id"].as_str().unwrap().to_owned())
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> reqwest::Result<T> {
        self.client.get(format!("{}{path}", self.base)).send().await?.json().await
    }

    async fn all_runs(&self) -> reqwest::Result<Vec<Run>> {
        let (mut all, mut before) = (Vec::new(), String::new());
        loop {
            let page: Runs = self.get(&format!("/api/v1/runs?limit=200{before}")).await?;
            all.extend(page.runs);
            let Some(next) = page.next else { return Ok(all) };
            before = format!("&before={next}");
        }
    }

    /// Creates, watches and publishes until the server is gone.
    async fn work(&self, ledger: &mut Ledger) -> reqwest::Result<()> {
        // What was not answered is asked again, under the same key.
        let open: Vec<_> =
            ledger.runs.iter().filter(|(_, id)| id.is_none()).map(|(key, _)| *key).collect();
        for key in open {
            let id = self.create(key).await?;
            ledger.runs.insert(key, Some(id));
        }
        loop {
            let runs: Runs = self.get("/api/v1/runs?limit=20").await?;
            // No more than the workers keep up with, so that publishing has its share.
            if runs.runs.iter().filter(|run| !run.state.is_at_rest()).count() < 6 {
                let key = ledger.runs.len() as u64;
                ledger.runs.insert(key, None);
                let id = self.create(key).await?;
                ledger.runs.insert(key, Some(id));
            }
            let done: Vec<_> = runs.runs.iter().filter(|r| r.state == RunState::Done).collect();
            if let Some(newest) = done.first() {
                let name = format!("zoo-{}", newest.id);
                let ids: Vec<_> = done.iter().map(|run| &run.id).collect();
                let body = json!({ "name": name, "runs": ids });
                let (status, zoo) = self.send("/api/v1/zoos", 0, &body).await?;
                // With fewer runs the name was published before.
                if status != StatusCode::CONFLICT {
                    assert!(status.is_success(), "{status}: {zoo}");
                    ledger.zoos.insert(name, zoo["sha256"].as_str().unwrap().to_owned());
                }
            }
        }
    }

    /// Nothing lost, nothing twice, everything whole.
    async fn check(&self, ledger: &Ledger) {
        let runs = self.all_runs().await.unwrap();
        let ids: HashSet<_> = runs.iter().map(|run| run.id.as_str()).collect();
        let seeds: HashSet<_> = runs.iter().map(|run| run.spec.seed).collect();
        assert_eq!((ids.len(), seeds.len()), (runs.len(), runs.len()), "a run is there twice");
        for id in ledger.runs.values().flatten() {
            assert!(ids.contains(id.as_str()), "the run {id} is lost");
        }
        assert!(runs.iter().all(|run| ledger.runs.contains_key(&run.spec.seed)));
        let info: tupate_api::Info = self.get("/api/v1/info").await.unwrap();
        for (name, sha256) in &ledger.zoos {
            let zoo = info.zoos.iter().find(|zoo| zoo.name == *name);
            assert_eq!(&zoo.unwrap_or_else(|| panic!("{name} is lost")).sha256, sha256);
        }
        for zoo in &info.zoos {
            self.check_zoo(zoo).await;
        }
    }

    async fn check_zoo(&self, zoo: &ZooFile) {
        let url = format!("{}{}?sha256={}", self.base, zoo.url, zoo.sha256);
        let bytes = self.client.get(url).send().await.unwrap().bytes().await.unwrap();
        assert_eq!((sha256_hex(&bytes), bytes.len() as u64), (zoo.sha256.clone(), zoo.bytes));
        assert_eq!(Zoo::parse(&bytes).unwrap().tasks().len() as u64, zoo.tasks);
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_however_often_the_server_is_killed() {
    let (kills, seed) = (number("TUPATE_KILLS", 10), number("TUPATE_KILL_SEED", 1));
    let dir = TempDir::new().unwrap();
    let token = {
        let store = SqliteStore::open(&dir.path().join("tupate.sqlite")).unwrap();
        token(&store, "client", &USER).await
    };
    let mut moments = Moments(seed);
    let mut ledger = Ledger::default();
    for _ in 0..kills {
        let process = Process::start(dir.path());
        let asking = Asking { client: Client::new(), base: &process.base, token: &token };
        asking.check(&ledger).await;
        let moment = Duration::from_millis(moments.next(400));
        // The work ends by itself only where the server goes away first.
        let _ = tokio::time::timeout(moment, asking.work(&mut ledger)).await;
        process.kill();
    }
    let process = Process::start(dir.path());
    let asking = Asking { client: Client::new(), base: &process.base, token: &token };
    for (key, id) in &mut ledger.runs {
        let told = asking.create(*key).await.unwrap();
        assert_eq!(id.get_or_insert_with(|| told.clone()), &told, "another run for the same key");
    }
    let all_done = async {
        while !asking.all_runs().await.unwrap().iter().all(|run| run.state.is_at_rest()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), all_done).await.expect("all runs end");
    asking.check(&ledger).await;
    let runs = asking.all_runs().await.unwrap();
    assert_eq!(runs.len(), ledger.runs.len());
    for run in &runs {
        assert_eq!(run.state, RunState::Done, "{run:?}");
        let result = run.result.as_ref().unwrap();
        assert_eq!(result.embedding_sha256, expected(run.spec.seed, EPOCHS), "{run:?}");
        let path = format!("{}/api/v1/runs/{}/events", process.base, run.id);
        let text = asking.client.get(path).send().await.unwrap().text().await.unwrap();
        let events: Vec<StoredEvent> = crate::support::parse_events(&text);
        assert_eq!(events.len() as u64, run.last_event);
        let ends = |e: &&StoredEvent| matches!(e.event, Event::State { state: RunState::Done, .. });
        assert_eq!(events.iter().filter(ends).count(), 1);
    }
    let resumed = runs.iter().filter(|run| run.starts > 1).count();
    println!(
        "{kills} kills: {} runs, {resumed} of them interrupted, {} zoos",
        runs.len(),
        ledger.zoos.len()
    );
    // Otherwise the kills hit nothing, and the test shows nothing.
    assert!(resumed as u64 * 4 >= kills, "{resumed} of {} runs were interrupted", runs.len());
    process.kill();
}
