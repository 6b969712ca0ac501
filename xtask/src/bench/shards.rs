//! A million tasks in shards: opened and ranked in headless Chromium by one of the browser
//! tests.

use crate::{context::Context, samples, steps::Steps, test, tools};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::{fmt::Write as _, fs};

/// Shards, tasks of each, and dimensions.
const SIZE: [&str; 3] = ["10", "100000", "1024"];

/// Measures; Markdown.
pub fn run(context: &Context, steps: &mut Steps) -> Result<String> {
    steps.take("test tools", || tools::for_test(context))?;
    samples::make(context, steps)?;
    let folder = context.target.join("xtask/shards");
    steps.take("shards", || {
        context
            .cargo(["run", "--release", "--package", "tupate-engine", "--example", "shards", "--"])
            .arg(&folder)
            .args(SIZE)
            .quiet()
            .read()
            .map_err(Into::into)
    })?;
    let mut found = Value::Null;
    let measured = steps.take("the page", || {
        context.shell.set_var("TUPATE_SHARDS", &folder);
        let artifacts = test::in_a_browser(context, "test(a_million_tasks)", true)?;
        let file = artifacts.join("million.json");
        let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        found = serde_json::from_slice(&text)?;
        Ok("measured".to_owned())
    });
    // More than a gigabyte, which nobody needs after a failure either.
    fs::remove_dir_all(&folder)?;
    measured?;
    table(&found)
}

fn table(found: &Value) -> Result<String> {
    let number = |name: &str| found[name].as_f64().with_context(|| format!("no {name}"));
    let mut text = String::from("| | |\n|---|--:|\n");
    let bytes = number("bytes")?;
    writeln!(text, "| tasks | {} |", number("tasks")?)?;
    writeln!(text, "| shards | {}, {:.0} MB |", number("shards")?, bytes / 1e6)?;
    writeln!(text, "| workers | {} |", number("workers")?)?;
    writeln!(
        text,
        "| fetched, checked and first ranking | {:.1} s |",
        number("opened_ms")? / 1000.0
    )?;
    for similarity in ["cosine", "centred"] {
        let asked = found["asked"].as_array().context("nothing was asked")?;
        let of = asked.iter().filter(|one| one["similarity"] == similarity);
        let mut times: Vec<f64> = of.filter_map(|one| one["ms"].as_f64()).collect();
        times.sort_by(f64::total_cmp);
        let middle = times.get(times.len() / 2).context("a similarity was not asked for")?;
        let worst = times.last().unwrap_or(middle);
        writeln!(
            text,
            "| another target until it is on the page, {similarity} | {middle:.0} ms (worst {worst:.0}) |"
        )?;
    }
    writeln!(
        text,
        "| longest task of the page's own thread | {:.0} ms |",
        number("longest_task")?
    )?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_shows_medians_of_each_similarity() {
        let asked = |similarity: &str, ms: f64| json!({ "similarity": similarity, "ms": ms });
        let found = json!({
            "tasks": 1_000_000, "shards": 10, "bytes": 1.2e9, "workers": 2, "opened_ms": 12_345,
            "longest_task": 40.4, "asked": [
                asked("cosine", 30.0), asked("centred", 90.0), asked("cosine", 10.0),
                asked("cosine", 20.0),
            ],
        });
        let table = table(&found).unwrap();
        for line in [
            "| shards | 10, 1200 MB |",
            "| fetched, checked and first ranking | 12.3 s |",
            "| another target until it is on the page, cosine | 20 ms (worst 30) |",
            "| another target until it is on the page, centred | 90 ms (worst 90) |",
        ] {
            assert!(table.lines().any(|one| one == line), "{table}");
        }
        assert!(super::table(&json!({})).is_err());
    }
}
