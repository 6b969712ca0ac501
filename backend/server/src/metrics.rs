//! `/metrics`, in the text format that Prometheus reads.

use crate::problem::Failure;
use crate::routes::Shared;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;
use tupate_api::RunState;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

/// What is counted.
pub(crate) struct Metrics {
    registry: Registry,
    answers: Family<Answered, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    runs: Family<InState, Gauge>,
    listeners: Gauge,
    reads: Gauge,
}

/// Upper ends of the classes of times, in seconds.
const CLASSES: [f64; 8] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0];

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("tupate");
        let answers = Family::<Answered, Counter>::default();
        let new: fn() -> Histogram = || Histogram::new(CLASSES);
        let seconds = Family::<Route, Histogram, _>::new_with_constructor(new);
        let runs = Family::<InState, Gauge>::default();
        let (listeners, reads) = (Gauge::default(), Gauge::default());
        registry.register("http_answers", "Requests answered", answers.clone());
        registry.register(
            "http_answer_seconds",
            "Time until the head of the answer",
            seconds.clone(),
        );
        registry.register("runs", "Runs that wait or are tuned", runs.clone());
        registry.register("event_streams", "Open streams of events", listeners.clone());
        registry.register(
            "event_reads",
            "Reads of the store for streams of events, which share them",
            reads.clone(),
        );
        Self { registry, answers, seconds, runs, listeners, reads }
    }

    /// Counts an answer. Routes are patterns, not paths: there are only so many.
    pub fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let route = route.to_owned();
        let seconds = self.seconds.get_or_create(&Route { route: route.clone() });
        seconds.observe(took.as_secs_f64());
        drop(seconds);
        self.answers.get_or_create(&Answered { method, route, status }).inc();
    }
}

/// Answers with all figures.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    let figures = &shared.metrics;
    if let Ok(runs) = shared.runs() {
        let states = [RunState::Queued, RunState::Running, RunState::Cancelling];
        let found = runs.store.in_states(&states).await?;
        for state in states {
            let count = found.iter().filter(|run| run.run.state == state).count();
            let gauge = figures.runs.get_or_create(&InState { state: state.name() });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        figures.reads.set(i64::try_from(runs.event_reads()).unwrap_or(i64::MAX));
        figures.listeners.set(i64::try_from(runs.listening()).unwrap_or(i64::MAX));
    }
    let mut encoded = String::new();
    text::encode(&mut encoded, &figures.registry).map_err(|_| Failure::Panicked)?;
    let kind =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    let headers = [(header::CONTENT_TYPE, kind), crate::api::NOT_STORED];
    Ok((headers, encoded).into_response())
}
