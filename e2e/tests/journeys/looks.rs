//! How the page looks: on phones, tablets and screens, by day and by night.

use crate::access::violations;
use crate::keeping::until_kept;
use crate::{sha256, zoo_bytes};
use anyhow::{Context, Result, ensure};
use thirtyfour::Key;
use tupate_e2e::{Journey, Page, Tolerate, settings};

/// Phones, tablets and screens, in CSS pixels.
pub const SIZES: [(u32, u32); 3] = [(360, 780), (768, 1024), (1280, 800)];
const THEMES: [&str; 2] = ["light", "dark"];

/// The page in one theme at one size.
pub struct Look<'a> {
    page: &'a Page,
    name: String,
}

impl Look<'_> {
    /// The page in every theme at every size.
    pub async fn each(
        page: &Page,
        mut what: impl AsyncFnMut(&Look<'_>) -> Result<()>,
    ) -> Result<()> {
        for theme in THEMES {
            page.browser().prefer_theme(theme).await?;
            for (width, height) in SIZES {
                page.browser().resize(width, height).await?;
                what(&Look { page, name: format!("{theme}-{width}x{height}") }).await?;
            }
        }
        Ok(())
    }

    /// A picture of what the window shows, none of which is wider than it.
    pub async fn picture(&self, of: &str) -> Result<()> {
        let (page, name) = (self.page, &self.name);
        page.browser().painted().await?;
        page.browser().picture(&settings::artifacts()?.join(format!("{of}-{name}.png"))).await?;
        let wide = overflow(page).await?;
        ensure!(wide.is_empty(), "{of}, {name}: too wide: {wide:?}");
        Ok(())
    }

    /// [`Look::picture`], with nothing in it that shuts somebody out.
    pub async fn open_to_all(&self, of: &str) -> Result<()> {
        self.picture(of).await?;
        let found = violations(self.page).await?;
        ensure!(found.is_empty(), "{of}, {}: {found:#?}", self.name);
        Ok(())
    }
}

/// What sticks out of the window at the right, so that one would have to
/// scroll sideways.
async fn overflow(page: &Page) -> Result<Vec<String>> {
    let script = "const root = document.documentElement;
         if (root.scrollWidth <= root.clientWidth) return [];
         return [...document.querySelectorAll('body *')]
             .filter((e) => e.getBoundingClientRect().right > root.clientWidth + 0.5)
             .map((e) => `${e.tagName} ${e.className?.baseVal ?? e.className}`);";
    let found = page.browser().execute(script, Vec::new()).await?;
    Ok(found.convert()?)
}

async fn background(page: &Page) -> Result<String> {
    let script = "return getComputedStyle(document.body).backgroundColor
         + getComputedStyle(document.documentElement).backgroundColor
         + getComputedStyle(document.body).color;";
    Ok(page.browser().execute(script, Vec::new()).await?.convert()?)
}

#[tokio::test]
async fn at_every_size_in_both_themes() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("looks", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            let target = page.targets().await?.remove(0);
            let zoo_sha256 = sha256(&zoo_bytes()?);
            let mut seen = Vec::new();
            Look::each(page, async |look| {
                page.load(&format!("target={target}")).await?;
                look.picture("page").await?;
                page.click("target-input").await?;
                page.find("target-option").await?;
                look.picture("targets").await?;
                page.press(Key::Escape).await?;
                page.visit("library", "").await?;
                until_kept(page, &zoo_sha256).await?;
                look.picture("library").await?;
                seen.push(background(page).await?);
                Ok(())
            })
            .await?;
            ensure!(seen[0] != seen[SIZES.len()], "both themes look alike: {}", seen[0]);
            Ok(())
        })
        .await
}

#[tokio::test]
async fn without_a_zoo() -> Result<()> {
    let journey = Journey::start("empty", &[]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            Look::each(page, async |look| {
                page.load("").await?;
                look.picture("empty").await
            })
            .await
        })
        .await
}

#[tokio::test]
async fn the_theme_that_was_chosen_stays() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("theme", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.browser().prefer_theme("light").await?;
            page.load("").await?;
            let light = background(page).await?;
            // At most one click for each choice there is.
            let mut dark = None;
            for _ in 0..3 {
                page.click("theme-toggle").await?;
                page.browser().painted().await?;
                let now = background(page).await?;
                if now != light {
                    dark = Some(now);
                    break;
                }
            }
            let dark = dark.context("the toggle changes nothing")?;
            page.load("").await?;
            page.browser().painted().await?;
            ensure!(background(page).await? == dark, "the choice is forgotten");
            Ok(())
        })
        .await
}
