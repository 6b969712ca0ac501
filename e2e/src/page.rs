//! The page as its tests see it, by the `data-testid` hooks.

use crate::{Browser, until};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use thirtyfour::prelude::*;

/// Between the parts of an action: nothing is gained by playing slowly.
const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

/// One row of a ranking.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Source {
    /// 1 for the closest.
    pub rank: usize,
    /// The task's id.
    pub task: String,
    /// Its similarity to the target.
    pub score: f64,
    /// All that the row shows; empty where the row is not from the page.
    #[serde(default)]
    pub text: String,
}

/// What the page shows, read in one go, so that its parts belong together.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct State {
    /// Something final is shown.
    pub ready: bool,
    /// The zoo's name.
    pub zoo: Option<String>,
    /// sha256 of the zoo file.
    pub sha256: Option<String>,
    /// The chosen similarity.
    pub similarity: Option<String>,
    /// The chosen embedding set.
    pub set: Option<String>,
    /// The rows of the ranking, from top to bottom.
    pub sources: Vec<Source>,
    /// The sentence above them.
    pub sentence: Option<String>,
    /// The error that is shown.
    pub error: Option<String>,
    /// The notice that is shown.
    pub notice: Option<String>,
    /// The value of the target's field.
    pub target: Option<String>,
    /// The address's fragment.
    pub fragment: String,
}

const READ_STATE: &str = r#"
    const all = (id) => [...document.querySelectorAll(`[data-testid="${id}"]`)];
    const shown = (id) => all(id).find((e) => e.checkVisibility());
    const text = (id) => shown(id)?.innerText ?? null;
    const chosen = (prefix) => {
        const on = (e) => e.checked || e.ariaChecked === "true" || e.ariaPressed === "true";
        const found = [...document.querySelectorAll(`[data-testid^="${prefix}"]`)].find(on);
        return found?.dataset.testid.slice(prefix.length) ?? null;
    };
    const number = (text) => text === undefined || text === "" ? null : Number(text);
    return {
        ready: document.documentElement.dataset.ready === "true",
        zoo: text("zoo-name"),
        sha256: shown("zoo-sha256")?.dataset.full ?? null,
        similarity: chosen("similarity-"),
        set: chosen("set-"),
        sources: all("source").map((e) => ({
            rank: number(e.dataset.rank),
            task: e.dataset.task,
            score: number(e.dataset.score),
            text: e.innerText,
        })),
        sentence: text("sentence"),
        error: text("error"),
        notice: text("notice"),
        target: shown("target-input")?.value ?? null,
        fragment: location.hash,
    };
"#;

/// A page in a browser.
#[derive(Debug)]
pub struct Page {
    browser: Browser,
    base: String,
}

impl Page {
    /// Nothing loaded yet; `base` is the address of the page.
    pub fn new(browser: Browser, base: &str) -> Self {
        Self { browser, base: base.to_owned() }
    }

    /// The browser, for what is not the page's.
    pub fn browser(&self) -> &Browser {
        &self.browser
    }

    /// Gives the browser back.
    pub fn into_browser(self) -> Browser {
        self.browser
    }

    /// Loads the page with this fragment, from nothing, and waits until
    /// something final is shown.
    ///
    /// # Errors
    /// When it does not come to that.
    pub async fn load(&self, fragment: &str) -> Result<State> {
        let link = match fragment {
            "" => self.base.clone(),
            fragment => format!("{}#{fragment}", self.base),
        };
        self.open(&link).await
    }

    /// Loads another page than the first, as [`Page::load`] does.
    ///
    /// # Errors
    /// When it does not come to that.
    pub async fn visit(&self, slug: &str, fragment: &str) -> Result<State> {
        self.open(&format!("{}?page={slug}#{fragment}", self.base)).await
    }

    /// Reads something of the page by a script, with values handed over.
    ///
    /// # Errors
    /// When the script fails, or gives something else.
    pub async fn read<T: DeserializeOwned>(&self, script: &str, values: Vec<Value>) -> Result<T> {
        Ok(self.browser.execute(script, values).await?.convert()?)
    }

    /// Opens a link in an emptied window, and waits until something final is
    /// shown.
    ///
    /// # Errors
    /// When it does not come to that.
    pub async fn open(&self, link: &str) -> Result<State> {
        // From one fragment to another a browser stays on the page.
        self.browser.goto("about:blank").await?;
        self.browser.goto(link).await.with_context(|| format!("cannot load {link}"))?;
        self.until("the page to be ready", |_| true).await
    }

    /// What the page shows now.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn state(&self) -> Result<State> {
        Ok(self.browser.execute(READ_STATE, Vec::new()).await?.convert()?)
    }

    /// Waits until the page is ready and shows this.
    ///
    /// # Errors
    /// When it does not; the error holds what it shows instead.
    pub async fn until(&self, what: &str, right: impl Fn(&State) -> bool) -> Result<State> {
        until(what, async || {
            let state = self.state().await?;
            ensure!(state.ready && right(&state), "the page shows {state:#?}");
            Ok(state)
        })
        .await
    }

    /// Waits until the page ranks exactly as expected: order, ranks, scores,
    /// and the scores that a visitor reads.
    ///
    /// # Errors
    /// When it does not; the error says where they differ.
    pub async fn until_ranked(&self, expected: &[Source]) -> Result<State> {
        until("the ranking to be that of the command line", async || {
            let state = self.state().await?;
            ensure!(state.ready, "the page is not ready");
            compare(&state.sources, expected)
                .with_context(|| format!("the page shows {state:#?}, expected {expected:#?}"))?;
            Ok(state)
        })
        .await
    }

    /// Clicks the element of this hook, or the label that stands for it; unfolds first what
    /// it is folded away in.
    ///
    /// # Errors
    /// When there is none, or it cannot be clicked.
    pub async fn click(&self, hook: &str) -> Result<()> {
        let path = format!("//*[@data-testid='{hook}']");
        let by = By::XPath(format!("({path}/ancestor::label | {path})[1]"));
        let inside = format!("{path}[not(ancestor-or-self::summary)]");
        let folded = By::XPath(format!("{inside}/ancestor::details[not(@open)]/summary"));
        until(&format!("{hook} to be clicked"), async || {
            for summary in self.browser.find_all(folded.clone()).await? {
                summary.click().await?;
            }
            Ok(self.browser.find(by.clone()).await?.click().await?)
        })
        .await
    }

    /// Chooses a target with the mouse.
    ///
    /// # Errors
    /// When there is no such task.
    pub async fn choose_target(&self, task: &str) -> Result<()> {
        self.click("target-input").await?;
        let option = By::Css(format!("[data-testid='target-option'][data-task='{task}']"));
        until(&format!("{task} to be chosen"), async || {
            Ok(self.browser.find(option.clone()).await?.click().await?)
        })
        .await
    }

    /// The tasks that can be a target, as the list of targets has them.
    ///
    /// # Errors
    /// When the list does not open.
    pub async fn targets(&self) -> Result<Vec<String>> {
        self.click("target-input").await?;
        let tasks = until("the list of targets", async || {
            let options = self.browser.find_all(By::Css("[data-testid='target-option']")).await?;
            let mut tasks = Vec::new();
            for option in options {
                tasks.push(option.attr("data-task").await?.context("an option without a task")?);
            }
            ensure!(!tasks.is_empty(), "no targets to choose from");
            Ok(tasks)
        })
        .await?;
        self.press(Key::Escape).await?;
        Ok(tasks)
    }

    /// The similarities that can be chosen.
    ///
    /// # Errors
    /// When there is none.
    pub async fn similarities(&self) -> Result<Vec<String>> {
        self.choices("similarity-").await
    }

    /// The embedding sets that can be chosen.
    ///
    /// # Errors
    /// When there is none.
    pub async fn sets(&self) -> Result<Vec<String>> {
        self.choices("set-").await
    }

    async fn choices(&self, prefix: &str) -> Result<Vec<String>> {
        let script = "return [...document.querySelectorAll(`[data-testid^='${arguments[0]}']`)]
             .map((e) => e.dataset.testid.slice(arguments[0].length));";
        let found = self.browser.execute(script, vec![prefix.into()]).await?;
        let names: Vec<String> = found.convert()?;
        ensure!(!names.is_empty(), "nothing on the page has a hook {prefix}…");
        Ok(names)
    }

    /// Types an address of a zoo and opens it.
    ///
    /// # Errors
    /// When the field or its button is missing.
    pub async fn open_url(&self, url: &str) -> Result<()> {
        let field = self.find("url-input").await?;
        field.clear().await?;
        field.send_keys(url).await?;
        self.click("url-open").await
    }

    /// Chooses a file of this machine.
    ///
    /// # Errors
    /// When the input is missing.
    pub async fn open_file(&self, file: &Path) -> Result<()> {
        self.find("file-input").await?.send_keys(file.to_string_lossy()).await?;
        Ok(())
    }

    /// The element of this hook.
    ///
    /// # Errors
    /// When there is none.
    pub async fn find(&self, hook: &str) -> Result<WebElement> {
        let by = By::Css(format!("[data-testid='{hook}']"));
        until(hook, async || Ok(self.browser.find(by.clone()).await?)).await
    }

    /// Presses a key, whatever has the focus.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn press(&self, key: impl Into<TypingData>) -> Result<()> {
        self.browser.action_chain_with_delay(AT_ONCE, AT_ONCE).send_keys(key).perform().await?;
        Ok(())
    }

    /// Presses Tab until an element whose hook begins with `hook` has the focus.
    ///
    /// # Errors
    /// When Tab does not lead there.
    pub async fn tab_to(&self, hook: &str) -> Result<()> {
        // More stops than any page should have before its main control.
        for _ in 0..60 {
            self.press(Key::Tab).await?;
            if self.focused("testid").await?.is_some_and(|id| id.starts_with(hook)) {
                return Ok(());
            }
        }
        bail!("the Tab key does not lead to {hook}")
    }

    /// A `data-` value of what has the focus, or of the entry of its list that
    /// the arrow keys have reached.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn focused(&self, data: &str) -> Result<Option<String>> {
        let script = "const focus = document.activeElement;
             const entry = focus?.getAttribute('aria-activedescendant');
             const element = entry ? document.getElementById(entry) : focus;
             return element?.dataset[arguments[0]] ?? null;";
        let value: Value = self.browser.execute(script, vec![data.into()]).await?.convert()?;
        Ok(value.as_str().map(str::to_owned))
    }

    /// What the clipboard holds.
    ///
    /// # Errors
    /// When the page may not read it.
    pub async fn clipboard(&self) -> Result<String> {
        let script = "const done = arguments[0];
             navigator.clipboard.readText().then(done, (error) => done({ error: `${error}` }));";
        let text: Value = self.browser.execute_async(script, Vec::new()).await?.convert()?;
        text.as_str().map(str::to_owned).with_context(|| format!("the clipboard says {text}"))
    }
}

/// The same order and ranks, scores alike to the last digits, and the score
/// that stands in the row is the one it carries.
fn compare(shown: &[Source], expected: &[Source]) -> Result<()> {
    ensure!(shown.len() == expected.len(), "{} rows, not {}", shown.len(), expected.len());
    for (row, right) in shown.iter().zip(expected) {
        ensure!(row.task == right.task, "{} where {} should be", row.task, right.task);
        ensure!(row.rank == right.rank, "{} has rank {}", row.task, row.rank);
        ensure!((row.score - right.score).abs() < 1e-9, "{} has score {}", row.task, row.score);
        // How many digits are set, and with which sign, is the page's affair.
        let is_score = |word: &str| {
            let figure = word.replace('−', "-").parse::<f64>();
            figure.is_ok_and(|figure| (figure - right.score).abs() < 1e-3)
        };
        ensure!(
            row.text.split_whitespace().any(is_score),
            "the row {:?} does not say {:.4}",
            row.text,
            right.score
        );
    }
    Ok(())
}
