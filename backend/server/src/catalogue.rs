//! The seam between the server and wherever zoos are kept.

use axum::body::Bytes;

/// Where zoos come from. [`ZooFiles`](crate::ZooFiles) holds them in memory; a
/// run store or an object store is a second implementation.
#[async_trait::async_trait]
pub trait ZooCatalogue: Send + Sync + 'static {
    /// What there is, the one to show first in front.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn list(&self) -> Result<Vec<ZooSummary>, CatalogueError>;

    /// The zoo of this [`ZooSummary::file_name`]; `None` when there is none.
    /// The name comes from a request: it is a key, never a path.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn open(&self, file_name: &str) -> Result<Option<StoredZoo>, CatalogueError>;

    /// The zoo of this name whose content has this sha256, in lower-case hex: where several
    /// have the name, [`open`](Self::open) gives the first of them only.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn open_content(
        &self,
        file_name: &str,
        sha256: &str,
    ) -> Result<Option<StoredZoo>, CatalogueError> {
        Ok(self.open(file_name).await?.filter(|zoo| zoo.sha256 == sha256))
    }
}

/// What is known of a zoo without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZooSummary {
    /// Last part of its URL, `NAME.safetensors`, unique in the catalogue and
    /// free of characters that a URL would escape.
    pub file_name: String,
    /// The zoo's own name.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// sha256 of the file, lower-case hex.
    pub sha256: String,
    /// Number of tasks in it.
    pub tasks: u64,
}

/// A zoo file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredZoo {
    /// sha256 of the content, lower-case hex.
    pub sha256: String,
    /// The file's bytes, shared by all requests.
    pub content: Bytes,
}

/// A store that could not be asked. It is logged with its causes; clients are
/// told only that it happened.
#[derive(Debug, thiserror::Error)]
#[error("the zoo store does not answer")]
pub struct CatalogueError(#[from] Box<dyn std::error::Error + Send + Sync>);

impl CatalogueError {
    /// Wraps the store's own error.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
