//! One visitor's way through the page, from an empty browser to its end.

use crate::{Browser, Page, Program, settings};
use anyhow::{Context, Result, ensure};
use std::cell::RefCell;
use std::path::Path;

/// What the browser's console may complain about.
#[derive(Clone, Debug)]
pub enum Tolerate {
    /// Nothing: any error fails the journey.
    Nothing,
    /// Requests to this host, which the journey makes fail.
    Host(String),
}

/// A server, a browser, and the page between them.
#[derive(Debug)]
pub struct Journey {
    name: &'static str,
    server: RefCell<Option<Program>>,
    base: String,
    page: Page,
}

impl Journey {
    /// Starts a server with these zoos, and a browser with a fresh profile.
    ///
    /// # Errors
    /// When either does not start.
    pub async fn start(name: &'static str, zoos: &[&Path]) -> Result<Self> {
        let server = Program::serve(zoos)?;
        let journey = Self::at(name, server.base()).await?;
        Ok(Self { server: RefCell::new(Some(server)), ..journey })
    }

    /// A browser for a server of one's own, whose page is at `base`.
    ///
    /// # Errors
    /// When the browser does not start.
    pub async fn at(name: &'static str, base: &str) -> Result<Self> {
        let page = Page::new(Browser::start().await?, base);
        Ok(Self { name, server: RefCell::new(None), base: base.to_owned(), page })
    }

    /// Another browser, with a fresh profile, for the same server.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn another_browser(&self) -> Result<Page> {
        Ok(Page::new(Browser::start().await?, &self.base))
    }

    /// The server's host and port.
    pub fn host(&self) -> String {
        self.base.trim_start_matches("http://").trim_end_matches('/').to_owned()
    }

    /// Stops the server, as when the network is gone.
    pub fn stop_server(&self) {
        self.server.take();
    }

    /// Takes the journey. Afterwards the console must be silent, apart from
    /// what is tolerated; a failure leaves a picture among the artifacts.
    ///
    /// # Errors
    /// When a step fails or the console complains.
    pub async fn travel(
        self,
        tolerate: Tolerate,
        steps: impl AsyncFnOnce(&Self, &Page) -> Result<()>,
    ) -> Result<()> {
        let mut result = steps(&self, &self.page).await;
        if result.is_ok() {
            result = self.check_console(&tolerate).await;
        }
        if let Err(error) = result {
            let picture = settings::artifacts()?.join(format!("failed-{}.png", self.name));
            // The reason matters more than its picture.
            let taken = self.page.browser().picture(&picture).await;
            let seen = match taken {
                Ok(()) => format!("{} shows the page", picture.display()),
                Err(error) => format!("no picture of the page: {error:#}"),
            };
            // If it does not end by itself it is killed.
            let _ = self.page.into_browser().quit().await;
            return Err(error.context(format!("journey {}; {seen}", self.name)));
        }
        self.page.into_browser().quit().await
    }

    async fn check_console(&self, tolerate: &Tolerate) -> Result<()> {
        let mut complaints = self.page.browser().complaints().await.context("no console")?;
        if let Tolerate::Host(host) = tolerate {
            complaints.retain(|entry| !entry.message.contains(host));
        }
        ensure!(complaints.is_empty(), "the browser's console complains: {complaints:#?}");
        Ok(())
    }
}
