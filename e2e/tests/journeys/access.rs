//! Every page for everybody: no violation of WCAG 2.2 AA that a program can find.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tupate_e2e::{Journey, Page, Tolerate, settings};

/// The rules that are looked at.
const RULES: &str = r#"["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]"#;

/// The addresses of the pages, as the navigation has them.
async fn pages(page: &Page) -> Result<Vec<String>> {
    let script = "return [...document.querySelectorAll('nav a')].map((a) => a.href);";
    let found: Vec<String> = page.browser().execute(script, Vec::new()).await?.convert()?;
    ensure!(!found.is_empty(), "the page has no navigation");
    Ok(found)
}

/// What is wrong with what is shown, a line each.
pub async fn violations(page: &Page) -> Result<Vec<String>> {
    let axe = settings::axe()?;
    let source =
        std::fs::read_to_string(&axe).with_context(|| format!("cannot read {}", axe.display()))?;
    page.browser().execute(source, Vec::new()).await?;
    let script = format!(
        "const done = arguments[0];
        axe.run(document, {{ runOnly: {RULES} }}).then(
            (found) => done(found.violations.flatMap((v) => v.nodes.map(
                (node) => `${{v.id}}: ${{node.target.join(' ')}}: ${{node.failureSummary}}`))),
            (error) => done([`${{error}}`]));"
    );
    let found: Value = page.browser().execute_async(script, Vec::new()).await?.convert()?;
    Ok(serde_json::from_value(found)?)
}

#[tokio::test]
async fn no_page_violates_the_guidelines() -> Result<()> {
    let zoo = settings::zoo()?;
    let journey = Journey::start("access", &[&zoo]).await?;
    journey
        .travel(Tolerate::Nothing, async |_, page| {
            page.load("").await?;
            for address in pages(page).await? {
                for theme in ["light", "dark"] {
                    page.browser().prefer_theme(theme).await?;
                    for width in [360, 1280] {
                        page.browser().resize(width, 800).await?;
                        page.open(&address).await?;
                        page.browser().painted().await?;
                        let found = violations(page).await?;
                        ensure!(found.is_empty(), "{address}, {theme}, {width}: {found:#?}");
                    }
                }
            }
            Ok(())
        })
        .await
}
