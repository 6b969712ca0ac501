//! A headless Chromium with a fresh profile, driven by chromedriver.

use crate::process::Process;
use crate::{PATIENCE, settings};
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use thirtyfour::prelude::*;
use thirtyfour::{BrowserLogEntry, LoggingPrefsLogLevel};
use tokio::time::timeout;

/// Headless, without anything that talks to the outside or waits for it.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,800",
];

/// From this width on, in points, a window is that of a desktop.
const DESKTOP: u32 = 1024;

/// A browser of its own. It ends with [`Browser::quit`]; dropping it kills it.
/// After the browser its driver is killed, then the profile removed.
#[derive(Debug)]
pub struct Browser {
    driver: WebDriver,
    pid: Option<Pid>,
    _process: Process,
    _profile: TempDir,
}

impl Browser {
    /// Starts one.
    ///
    /// # Errors
    /// When Chromium or chromedriver is missing or does not start.
    pub async fn start() -> Result<Self> {
        let chromium = settings::chromium()?;
        let profile = TempDir::new().context("no place for the browser's profile")?;
        let (process, port) = driver()?;
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_binary(&chromium.to_string_lossy())?;
        for flag in FLAGS {
            wanted.add_arg(flag)?;
        }
        wanted.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
        wanted.set_browser_log_level(LoggingPrefsLogLevel::All)?;
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), wanted)
            .await
            .with_context(|| format!("{} does not start", chromium.display()))?;
        let pid = driver.capabilities().get("goog:processID").and_then(Value::as_i64);
        let pid = pid.and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        Ok(Self { driver, pid, _process: process, _profile: profile })
    }

    /// Makes the page's area exactly this large.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn resize(&self, width: u32, height: u32) -> Result<()> {
        // Phones and tablets draw their scroll bars over the page, where they take no room.
        let mobile = width < DESKTOP;
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.driver.cdp().send_raw("Emulation.setDeviceMetricsOverride", metrics).await?;
        Ok(())
    }

    /// Makes the system prefer `light` or `dark`.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn prefer_theme(&self, theme: &str) -> Result<()> {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        let media = json!({ "features": features });
        self.driver.cdp().send_raw("Emulation.setEmulatedMedia", media).await?;
        Ok(())
    }

    /// Lets pages use the clipboard, as a visitor would allow it.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn allow_clipboard(&self) -> Result<()> {
        let permissions = json!(["clipboardReadWrite", "clipboardSanitizedWrite"]);
        let grant = json!({ "permissions": permissions });
        self.driver.cdp().send_raw("Browser.grantPermissions", grant).await?;
        Ok(())
    }

    /// Saves what pages offer for download in this folder, unasked.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn save_to(&self, folder: &Path) -> Result<()> {
        let to = json!({ "behavior": "allow", "downloadPath": folder });
        self.driver.cdp().send_raw("Browser.setDownloadBehavior", to).await?;
        Ok(())
    }

    /// Waits until what is due has been painted: the second frame from now
    /// begins when the first is on the screen.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn painted(&self) -> Result<()> {
        let script = "const done = arguments[0];
             requestAnimationFrame(() => requestAnimationFrame(() => done()));";
        self.driver.execute_async(script, Vec::new()).await?;
        Ok(())
    }

    /// Writes a picture of what the window shows.
    ///
    /// # Errors
    /// When it cannot be taken or written.
    pub async fn picture(&self, file: &Path) -> Result<()> {
        let image = self.driver.screenshot_as_png().await?;
        std::fs::write(file, image).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Errors in the browser's console since the last call.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn complaints(&self) -> Result<Vec<BrowserLogEntry>> {
        let mut entries = self.driver.browser_log().await?;
        entries.retain(|entry| entry.level == "SEVERE");
        Ok(entries)
    }

    /// Ends the browser.
    ///
    /// # Errors
    /// When it does not end by itself; then it is killed.
    pub async fn quit(self) -> Result<()> {
        let quit = timeout(PATIENCE, self.driver.clone().quit()).await;
        quit.context("the browser does not end")?.context("the browser does not end")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // What has not quit would now be ended by a request that blocks the
        // test for minutes, and killing the driver leaves the browser running.
        // Where it has quit there is nothing to kill.
        if self.driver.clone().leak().is_ok()
            && let Some(pid) = self.pid
        {
            // Fails only where the browser has ended by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Deref for Browser {
    type Target = WebDriver;

    fn deref(&self) -> &WebDriver {
        &self.driver
    }
}

/// Starts the driver, which takes a free port and says which. It looks for one that is
/// free by IPv6 and ends if somebody has the same by IPv4: then another may do.
fn driver() -> Result<(Process, u16)> {
    const ATTEMPTS: usize = 5;
    let attempt = || {
        let process = Process::start(Command::new(settings::chromedriver()?).arg("--port=0"))?;
        let port = process.wait_for_line(port)?;
        Ok((process, port))
    };
    for _ in 1..ATTEMPTS {
        if let Ok(started) = attempt() {
            return Ok(started);
        }
    }
    attempt()
}

/// `ChromeDriver was started successfully on port 41235.` The line before it
/// only repeats the port that was asked for.
fn port(line: &str) -> Option<u16> {
    line.split_once(" successfully on port ")?.1.trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::port;

    #[test]
    fn the_driver_says_its_port() {
        assert_eq!(port("ChromeDriver was started successfully on port 41235."), Some(41235));
        assert_eq!(port("Starting ChromeDriver 140.0 on port 0"), None);
        assert_eq!(port("Only local connections are allowed."), None);
    }
}
