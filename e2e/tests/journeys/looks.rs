//! How the page looks: on phones, tablets and screens, by day and by night.

use crate::keeping::until_kept;
use crate::{sha256, zoo_bytes};
use anyhow::{Context, Result, ensure};
use thirtyfour::Key;
use tupate_e2e::{Journey, Page, Tolerate, settings};

pub const SIZES: [(u32, u32); 3] = [(360, 780), (768, 1024), (1280, 800)];
pub const THEMES: [&str; 2] = ["light", "dark"];

/// What sticks out of the window at the right, so that one would have to
/// scroll sideways.
pub async fn overflow(page: &Page) -> Result<Vec<String>> {
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
    let artifacts = settings::artifacts()?;
    let journey = Journey::start("looks", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let browser = page.browser();
            page.load("").await?;
            let target = page.targets().await?.remove(0);
            let zoo_sha256 = sha256(&zoo_bytes()?);
            let mut seen = Vec::new();
            for theme in THEMES {
                browser.prefer_theme(theme).await?;
                for (width, height) in SIZES {
                    browser.resize(width, height).await?;
                    page.load(&format!("target={target}")).await?;
                    browser.painted().await?;
                    let picture = artifacts.join(format!("page-{theme}-{width}x{height}.png"));
                    browser.picture(&picture).await?;
                    let wide = overflow(page).await?;
                    ensure!(wide.is_empty(), "too wide for {width}: {wide:?}");

                    page.click("target-input").await?;
                    page.find("target-option").await?;
                    browser.painted().await?;
                    let picture = artifacts.join(format!("targets-{theme}-{width}x{height}.png"));
                    browser.picture(&picture).await?;
                    let wide = overflow(page).await?;
                    ensure!(wide.is_empty(), "the list is too wide for {width}: {wide:?}");
                    page.press(Key::Escape).await?;

                    page.visit("library", "").await?;
                    until_kept(page, &zoo_sha256).await?;
                    browser.painted().await?;
                    let picture = artifacts.join(format!("library-{theme}-{width}x{height}.png"));
                    browser.picture(&picture).await?;
                    let wide = overflow(page).await?;
                    ensure!(wide.is_empty(), "the library is too wide for {width}: {wide:?}");
                }
                seen.push(background(page).await?);
            }
            ensure!(seen[0] != seen[1], "both themes look alike: {}", seen[0]);
            Ok(())
        })
        .await
}

#[tokio::test]
async fn without_a_zoo_on_a_phone() -> Result<()> {
    let artifacts = settings::artifacts()?;
    let journey = Journey::start("empty", &[]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            let browser = page.browser();
            for theme in THEMES {
                browser.prefer_theme(theme).await?;
                browser.resize(360, 780).await?;
                page.load("").await?;
                browser.painted().await?;
                browser.picture(&artifacts.join(format!("empty-{theme}-360x780.png"))).await?;
                let wide = overflow(page).await?;
                ensure!(wide.is_empty(), "too wide: {wide:?}");
            }
            Ok(())
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
