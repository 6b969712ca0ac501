//! Bodies: no larger, and no slower, than they may be.

use crate::problem::Failure;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header;
use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tupate_api::FieldProblem;

/// Largest JSON body. A zoo of a thousand runs has a third of it.
pub(crate) const MAX_JSON: u64 = 128 << 10;

/// How slowly a body may come: after `patience`, never less than `rate` on the
/// whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The time that every body has.
    pub patience: Duration,
    /// Bytes a second.
    pub rate: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { patience: Duration::from_secs(10), rate: 16 << 10 }
    }
}

/// Hands the parts of a body on as they come.
pub(crate) struct Inflow {
    began: Instant,
    pace: Pace,
    taken: u64,
    most: u64,
}

impl Inflow {
    /// For a body of at most this many bytes.
    pub fn new(pace: Pace, most: u64) -> Self {
        Self { began: Instant::now(), pace, taken: 0, most }
    }

    /// Bytes so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The next part, in time; counts it.
    pub async fn next<E: std::error::Error>(
        &mut self,
        part: impl Future<Output = Option<Result<Bytes, E>>>,
    ) -> Result<Option<Bytes>, Failure> {
        let earned = Duration::from_secs(self.taken / self.pace.rate.max(1));
        let due = self.began + self.pace.patience + earned;
        match timeout_at(due, part).await {
            Err(_) => Err(Failure::BodyTooSlow),
            Ok(None) => Ok(None),
            Ok(Some(Err(error))) => Err(Failure::BodyBroken(error.to_string())),
            Ok(Some(Ok(bytes))) => {
                self.taken += bytes.len() as u64;
                match self.taken > self.most {
                    true => Err(Failure::BodyTooLarge(self.most)),
                    false => Ok(Some(bytes)),
                }
            }
        }
    }
}

/// Why the parts of a body ended early, for those who read them through somebody else's
/// code and see only that they did.
#[derive(Clone, Default)]
pub(crate) struct Refusal(Arc<Mutex<Option<Failure>>>);

impl Refusal {
    /// The reason, or this one where there is none.
    pub fn or(&self, other: Failure) -> Failure {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(other)
    }
}

impl Inflow {
    /// The parts of a body, each in time, and the reason where they end early.
    pub fn through(self, body: Body) -> (impl Stream<Item = io::Result<Bytes>> + Send, Refusal) {
        let refusal = Refusal::default();
        let told = refusal.clone();
        let state = (self, body.into_data_stream());
        let parts = futures::stream::try_unfold(state, move |(mut inflow, mut body)| {
            let told = told.clone();
            async move {
                match inflow.next(body.next()).await {
                    Ok(part) => Ok(part.map(|part| (part, (inflow, body)))),
                    Err(failure) => {
                        *told.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                        Err(io::Error::other("the body was refused"))
                    }
                }
            }
        });
        (parts, refusal)
    }
}

/// The media type of a request, lower-case and without parameters.
pub(crate) fn media_type(request: &Request) -> String {
    let value = request.headers().get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Refuses a body that says that it is too large before any of it is read.
pub(crate) fn refuse_declared(request: &Request, most: u64) -> Result<(), Failure> {
    let declared = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match declared {
        Some(declared) if declared > most => Err(Failure::BodyTooLarge(most)),
        _ => Ok(()),
    }
}

/// Reads a JSON body; what is wrong with it is named by field.
pub(crate) async fn json<T: DeserializeOwned>(request: Request, pace: Pace) -> Result<T, Failure> {
    if media_type(&request) != "application/json" {
        return Err(Failure::MediaType("application/json"));
    }
    refuse_declared(&request, MAX_JSON)?;
    let content = whole(request.into_body(), pace, MAX_JSON).await?;
    let mut reader = serde_json::Deserializer::from_slice(&content);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (field, cause) = (error.path().to_string(), error.inner());
        match cause.classify() {
            serde_json::error::Category::Data => {
                Failure::Fields(vec![FieldProblem::new(field, cause.to_string())])
            }
            _ => Failure::Malformed(format!("The body is not JSON: {cause}.")),
        }
    })?;
    match reader.end() {
        Ok(()) => Ok(value),
        Err(error) => Err(Failure::Malformed(format!("The body is not one JSON value: {error}."))),
    }
}

async fn whole(body: Body, pace: Pace, most: u64) -> Result<Vec<u8>, Failure> {
    let mut inflow = Inflow::new(pace, most);
    let mut stream = body.into_data_stream();
    let mut content = Vec::new();
    while let Some(part) = inflow.next(stream.next()).await? {
        content.extend_from_slice(&part);
    }
    Ok(content)
}
