//! The zoos given at start, and those published since.

use crate::artefacts::ArtefactStore;
use crate::ids::Digest;
use crate::runs::{Runs, off_thread};
use crate::{CatalogueError, PublishedZoo, StoredZoo, ZooCatalogue, ZooSummary};
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Zoos given at start, then those that were published, by time. Where one of each has the
/// same name, it is that of the one given. The contents of those asked for lately stay in
/// memory.
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

    /// Says which published zoos are hidden by zoos that were given.
    pub async fn tell_of_hidden(&self) -> Result<(), CatalogueError> {
        let given = self.given.list().await?;
        for PublishedZoo { summary, .. } in self.published().await? {
            let ZooSummary { file_name, sha256, .. } = &summary;
            if given.iter().any(|zoo| zoo.file_name == *file_name && zoo.sha256 != *sha256) {
                tracing::warn!(
                    "the published zoo {file_name} is hidden by a zoo file of the same name, and \
                     only answers to ?sha256={sha256}: rename the file, or take the zoo back",
                );
            }
        }
        Ok(())
    }

    async fn published(&self) -> Result<Vec<PublishedZoo>, CatalogueError> {
        self.runs.inner().store.zoos().await.map_err(CatalogueError::new)
    }

    async fn open_published(&self, file_name: &str) -> Result<Option<StoredZoo>, CatalogueError> {
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

#[async_trait::async_trait]
impl ZooCatalogue for AllZoos {
    async fn list(&self) -> Result<Vec<ZooSummary>, CatalogueError> {
        let mut zoos = self.given.list().await?;
        let given: HashSet<_> = zoos.iter().map(|zoo| zoo.file_name.clone()).collect();
        let published = self.published().await?.into_iter().map(|zoo| zoo.summary);
        zoos.extend(published.filter(|zoo| !given.contains(&zoo.file_name)));
        Ok(zoos)
    }

    async fn open(&self, file_name: &str) -> Result<Option<StoredZoo>, CatalogueError> {
        match self.given.open(file_name).await? {
            Some(zoo) => Ok(Some(zoo)),
            None => self.open_published(file_name).await,
        }
    }

    async fn open_content(
        &self,
        file_name: &str,
        sha256: &str,
    ) -> Result<Option<StoredZoo>, CatalogueError> {
        match self.given.open_content(file_name, sha256).await? {
            Some(zoo) => Ok(Some(zoo)),
            None => Ok(self.open_published(file_name).await?.filter(|zoo| zoo.sha256 == sha256)),
        }
    }
}
