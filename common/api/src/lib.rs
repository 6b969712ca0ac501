//! JSON wire types of the server: what the page and scripts exchange with it.

use serde::{Deserialize, Serialize};

/// Answer of `GET /api/v1/info`: who is answering, and which zoos it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Always `tupate`.
    pub server: String,
    /// The server's version.
    pub version: String,
    /// The zoos, in the order given at start; the first is shown first.
    pub zoos: Vec<ZooFile>,
}

/// A zoo file that the server offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZooFile {
    /// The zoo's own name.
    pub name: String,
    /// Where to get it, relative to the server: `/zoos/NAME.safetensors`.
    pub url: String,
    /// Size in bytes.
    pub bytes: u64,
    /// sha256 of the file, lower-case hex.
    pub sha256: String,
    /// Number of tasks in it.
    pub tasks: u64,
}

/// An error as RFC 9457 has it, served as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URI for the kind of problem; `about:blank` when the status says it all.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in a few words.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What happened this time and what would mend it.
    pub detail: String,
}
