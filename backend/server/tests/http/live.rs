//! Runs as they happen: replay, many listeners, slow ones, and signs of life.

use crate::support::{Tuning, header, parse_events, problem, run_limits};
use futures::StreamExt;
use reqwest::StatusCode;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use tokio::time::timeout;
use tupate_api::{RunState, StoredEvent};
use tupate_server::RunLimits;

const PATIENCE: Duration = Duration::from_secs(60);

fn path(id: &str) -> String {
    format!("/api/v1/runs/{id}/events")
}

#[tokio::test]
async fn who_comes_back_goes_on_where_it_was() {
    let tuning = Tuning::start().await;
    let id = tuning.create("quick", 4).await.id;
    tuning.until(&id, &[RunState::Done]).await;
    let all = tuning.events(&id, 0).await;
    let ids: Vec<_> = all.iter().map(|event| event.id).collect();
    assert_eq!(ids, Vec::from_iter(1..=all.len() as u64));
    for after in [1, 3, all.len() - 1] {
        let last = after.to_string();
        let response = tuning.server.get_with(&path(&id), &[("last-event-id", &last)]).await;
        assert_eq!(parse_events(&response.text().await.unwrap()), all[after..]);
        assert_eq!(tuning.events(&id, after as u64).await, all[after..]);
    }
    // Nothing more is to come: a browser stops asking.
    for last in [all.len().to_string(), u64::MAX.to_string()] {
        let response = tuning.server.get_with(&path(&id), &[("last-event-id", &last)]).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }
    for bad in ["x", "-1", "1.5", ""] {
        let response = tuning.server.get_with(&path(&id), &[("last-event-id", bad)]).await;
        problem(response, StatusCode::BAD_REQUEST).await;
    }
    let unknown = tuning.server.get(&path("0123456789abcdef0123456789abcdef")).await;
    problem(unknown, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn a_stream_lives_ends_with_its_run_and_goes_on_when_that_does() {
    let tuning =
        Tuning::in_folder(tempfile::TempDir::new().unwrap(), run_limits(), 0, |_| {}).await;
    let id = tuning.create("slow", 5).await.id;
    let response = tuning.server.get(&path(&id)).await;
    assert_eq!(header(response.headers(), "cache-control"), "no-store");
    let mut stream = response.bytes_stream();
    let mut text = String::new();
    while !text.contains(": alive") {
        let part = timeout(PATIENCE, stream.next()).await.expect("a sign of life");
        text.push_str(std::str::from_utf8(&part.unwrap().unwrap()).unwrap());
    }
    assert!(text.starts_with("retry: "), "{text}");
    tuning.act(&id, "cancel").await;
    while let Some(part) = timeout(PATIENCE, stream.next()).await.expect("an end") {
        text.push_str(std::str::from_utf8(&part.unwrap()).unwrap());
    }
    assert_eq!(parse_events(&text).len(), 2);
    tuning.act(&id, "resume").await;
    let response = tuning.server.get_with(&path(&id), &[("last-event-id", "2")]).await;
    let mut stream = response.bytes_stream();
    stream.next().await.unwrap().unwrap();
    let part = timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap();
    let event = &parse_events(std::str::from_utf8(&part).unwrap())[0];
    assert_eq!(event.id, 3);
}

#[tokio::test]
async fn the_stop_of_the_server_ends_streams_in_order() {
    let tuning = Tuning::start().await;
    let id = tuning.create("slow", 50).await.id;
    let response = tuning.server.get(&path(&id)).await;
    let stopped = tokio::spawn(tuning.stop());
    let text = timeout(PATIENCE, response.text()).await.unwrap().unwrap();
    assert!(text.ends_with("\n\n"), "{text}");
    timeout(PATIENCE, stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn only_so_many_listen() {
    let limits = RunLimits { listeners: 2, ..run_limits() };
    let tuning = Tuning::with(limits, |_| {}).await;
    let id = tuning.create("slow", 50).await.id;
    let first = tuning.server.get(&path(&id)).await;
    let _second = tuning.server.get(&path(&id)).await;
    problem(tuning.server.get(&path(&id)).await, StatusCode::SERVICE_UNAVAILABLE).await;
    drop(first);
    let again = async {
        while tuning.server.get(&path(&id)).await.status() != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, again).await.expect("the place is free again");
}

/// The value of a figure in `/metrics`.
async fn figure(tuning: &Tuning, name: &str) -> u64 {
    let text = tuning.server.get("/metrics").await.text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("tupate_{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_listen_at_the_price_of_one_and_the_slow_hold_up_nobody() {
    const LISTENERS: usize = 1000;
    const SLOW: usize = 100;
    // Two ends of every connection are in this process.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).unwrap();
    let tuning = Tuning::start().await;
    // Longer than any machine takes: it is ended when all is there.
    let id = tuning.create("slow", 100_000).await.id;
    let mut quick = Vec::new();
    for _ in 0..LISTENERS - SLOW {
        let request = tuning.server.client.get(tuning.server.url(&path(&id)));
        quick.push(tokio::spawn(async move {
            parse_events(&request.send().await.unwrap().text().await.unwrap())
        }));
    }
    // These take nothing until all is over, through the smallest window there is.
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let mut stream = TcpStream::connect(tuning.server.address).unwrap();
        let head = format!("GET {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", path(&id));
        stream.write_all(head.as_bytes()).unwrap();
        slow.push(stream);
    }
    let all_there = async {
        while figure(&tuning, "event_streams").await < LISTENERS as u64 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, all_there).await.expect("all of them listen");
    let together = tuning.run(&id).await.last_event + 60;
    while tuning.run(&id).await.last_event < together {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tuning.act(&id, "cancel").await;
    tuning.until(&id, &[RunState::Cancelled]).await;
    let mut received: Vec<Vec<StoredEvent>> = Vec::new();
    for listener in quick {
        received.push(timeout(PATIENCE, listener).await.unwrap().unwrap());
    }
    let late = tokio::task::spawn_blocking(move || {
        slow.into_iter()
            .map(|mut stream| {
                let mut text = String::new();
                stream.read_to_string(&mut text).unwrap();
                // Without the lines of the chunked coding between them.
                let lines = text.split("\r\n").filter(|line| line.contains("\n"));
                parse_events(&lines.collect::<String>())
            })
            .collect::<Vec<_>>()
    });
    received.extend(late.await.unwrap());
    let reads = figure(&tuning, "event_reads").await;
    let all = tuning.events(&id, 0).await;
    assert!(all.len() as u64 > together);
    assert_eq!(received.len(), LISTENERS);
    for events in &received {
        assert!(*events == all, "{} of {} events", events.len(), all.len());
    }
    // Those who come while an event is on its way may read it once more, together.
    assert!(reads <= 5, "{reads} reads");
}
