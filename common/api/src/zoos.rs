//! Zoos, and who is serving them.

use serde::{Deserialize, Serialize};

/// Answer of `GET /api/v1/info`: who is answering, and which zoos it serves. A site of
/// plain files has it as a file of that path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Info {
    /// Always `tupate`.
    pub server: String,
    /// The server's version.
    pub version: String,
    /// The zoos, those given at start in their order, then the published ones by
    /// time; the first is shown first.
    pub zoos: Vec<ZooFile>,
    /// Whether the server keeps runs: it was started with a folder for them.
    #[serde(default)]
    pub runs: bool,
}

/// A zoo file that the server offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ZooFile {
    /// The zoo's own name.
    pub name: String,
    /// Where to get it, relative to the server: `/zoos/NAME.safetensors`; of a site of
    /// plain files, relative to the page.
    pub url: String,
    /// Size in bytes.
    pub bytes: u64,
    /// sha256 of the file, lower-case hex.
    pub sha256: String,
    /// Number of tasks in it.
    pub tasks: u64,
}

/// Body of `POST /api/v1/zoos`: runs to publish together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewZoo {
    /// The zoo's name, which is also that of its URL: letters, digits, `_`, `-`
    /// and `.`, with a letter or digit in front.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    )]
    pub name: String,
    /// What it is, for people.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 2000))]
    pub description: String,
    /// Ids of finished runs, each of another task or recipe.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 1000))]
    pub runs: Vec<String>,
}
