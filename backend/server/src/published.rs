//! The zoos given at start, and those published since.

use crate::artefacts::ArtefactStore;
use crate::ids::Digest;
use crate::runs::{Runs, off_thread};
use crate::{CatalogueError, StoredZoo, ZooCatalogue, ZooSummary};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Zoos given at start, then those that were published, by time. The contents of
/// those asked for lately stay in memory.
pub(crate) struct AllZoos {
    given: Arc<dyn ZooCatalogue>,
    runs: Runs,
    lately: Mutex<Lately>,
}

/// The latest contents up to a number of bytes, the oldest in front.
#[derive(Default)]
struct Lately {
    zoos: VecDeque<StoredZoo>,
    bytes: usize,
}

/// Bytes that stay in memory.
const KEPT: usize = 256 << 20;

impl Lately {
    fn get(&mut self, sha256: &str) -> Option<StoredZoo> {
        let at = self.zoos.iter().position(|zoo| zoo.sha256 == sha256)?;
        let zoo = self.zoos.remove(at)?;
        self.zoos.push_back(zoo.clone());
        Some(zoo)
    }

    fn put(&mut self, zoo: &StoredZoo) {
        if zoo.content.len() > KEPT || self.get(&zoo.sha256).is_some() {
            return;
        }
        self.bytes += zoo.content.len();
        self.zoos.push_back(zoo.clone());
        while self.bytes > KEPT {
            let Some(oldest) = self.zoos.pop_front() else { break };
            self.bytes -= oldest.content.len();
        }
    }
}

impl AllZoos {
    pub fn new(given: Arc<dyn ZooCatalogue>, runs: Runs) -> Self {
        Self { given, runs, lately: Mutex::default() }
    }
}

#[async_trait::async_trait]
impl ZooCatalogue for AllZoos {
    async fn list(&self) -> Result<Vec<ZooSummary>, CatalogueError> {
        let mut zoos = self.given.list().await?;
        let published = self.runs.inner().store.zoos().await.map_err(CatalogueError::new)?;
        zoos.extend(published.into_iter().map(|zoo| zoo.summary));
        Ok(zoos)
    }

    async fn open(&self, file_name: &str) -> Result<Option<StoredZoo>, CatalogueError> {
        if let Some(zoo) = self.given.open(file_name).await? {
            return Ok(Some(zoo));
        }
        let inner = self.runs.inner();
        let found = inner.store.zoo(file_name).await.map_err(CatalogueError::new)?;
        let Some(sha256) = found.map(|zoo| zoo.summary.sha256) else { return Ok(None) };
        let lately = || self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zoo) = lately().get(&sha256) {
            return Ok(Some(zoo));
        }
        let digest = Digest::parse(&sha256)
            .ok_or_else(|| CatalogueError::new(format!("{sha256} is no sha256")))?;
        let artefacts: Arc<dyn ArtefactStore> = Arc::clone(&inner.artefacts);
        let content =
            off_thread(move || artefacts.zoo(&digest)).await.map_err(CatalogueError::new)?;
        let zoo = StoredZoo { sha256, content };
        lately().put(&zoo);
        Ok(Some(zoo))
    }
}
