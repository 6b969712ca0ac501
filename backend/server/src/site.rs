//! A site: the page and zoos as plain files, for hosts that run nothing.

use crate::ZooFiles;
use crate::api::info::{info_of, zoo_file};
use crate::page::INDEX;
use axum::body::Bytes;
use tupate_api::ZooFile;

/// Where the page asks who is answering.
const INFO: &str = "api/v1/info";

/// The files of a site. On a plain host they answer what the page asks a server for.
#[derive(Clone, Debug)]
pub struct Site {
    /// Paths relative to the page, and contents, by path.
    pub files: Vec<(String, Bytes)>,
    /// The zoos, as the page will list them; the first is shown first.
    pub zoos: Vec<ZooFile>,
}

impl Site {
    /// The page of these files, as of [`Page::embedded_files`](crate::Page::embedded_files),
    /// with these zoos; `None` where there is no page among them.
    pub fn of(page: impl Iterator<Item = (String, Bytes)>, zoos: &ZooFiles) -> Option<Self> {
        let mut files: Vec<_> = page.collect();
        if files.iter().all(|(name, _)| name != INDEX) {
            return None;
        }
        let mut listed = Vec::new();
        for (summary, zoo) in zoos.iter() {
            let on_a_server = zoo_file(summary.clone());
            // A site may lie anywhere on its host.
            let url = on_a_server.url.trim_start_matches('/').to_owned();
            files.push((url.clone(), zoo.content.clone()));
            listed.push(ZooFile { url, ..on_a_server });
        }
        // Nobody is there who could tune.
        let info = info_of(listed.clone(), false);
        let info = serde_json::to_vec(&info).expect("texts and numbers are JSON");
        files.push((INFO.to_owned(), info.into()));
        files.sort();
        Some(Self { files, zoos: listed })
    }
}
