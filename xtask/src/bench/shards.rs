//! A million tasks in shards, and a tenth of them in one file: opened and ranked in headless
//! Chromium by one of the browser tests.

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
    let row = |of: &dyn Fn(&Value) -> Result<String>| -> Result<String> {
        Ok(format!("{} | {}", of(&found["file"])?, of(&found["all"])?))
    };
    let number = |of: &Value, name: &str| of[name].as_f64().with_context(|| format!("no {name}"));
    let mut text = String::from("| | one file | shards |\n|---|--:|--:|\n");
    for (label, name) in [("tasks", "tasks"), ("files", "files"), ("workers", "workers")] {
        writeln!(text, "| {label} | {} |", row(&|of| Ok(number(of, name)?.to_string()))?)?;
    }
    let size = row(&|of| Ok(format!("{:.0} MB", number(of, "bytes")? / 1e6)))?;
    writeln!(text, "| size | {size} |")?;
    let opened = row(&|of| Ok(format!("{:.1} s", number(of, "opened_ms")? / 1000.0)))?;
    writeln!(text, "| fetched, checked and first ranking | {opened} |")?;
    for similarity in ["cosine", "centred"] {
        let times = row(&|of| {
            let asked = of["asked"].as_array().context("nothing was asked")?;
            let those = asked.iter().filter(|one| one["similarity"] == similarity);
            let mut times: Vec<f64> = those.filter_map(|one| one["ms"].as_f64()).collect();
            times.sort_by(f64::total_cmp);
            let middle = times.get(times.len() / 2).context("a similarity was not asked for")?;
            Ok(format!("{middle:.0} ms (worst {:.0})", times.last().unwrap_or(middle)))
        })?;
        writeln!(text, "| another target until it is on the page, {similarity} | {times} |")?;
    }
    for (label, name) in [("opening", "opening_longest_task"), ("asking", "longest_task")] {
        let longest = row(&|of| Ok(format!("{:.0} ms", number(of, name)?)))?;
        writeln!(text, "| longest task of the page's own thread, {label} | {longest} |")?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_shows_medians_of_each_similarity() {
        let asked = |similarity: &str, ms: f64| json!({ "similarity": similarity, "ms": ms });
        let of = |files: u64, ms: f64| {
            json!({
                "tasks": files * 100_000, "files": files, "bytes": 1.2e8 * files as f64,
                "workers": 2, "opened_ms": 12_345, "opening_longest_task": 50,
                "longest_task": 40.4, "asked": [
                    asked("cosine", 30.0), asked("centred", ms), asked("cosine", 10.0),
                    asked("cosine", 20.0),
                ],
            })
        };
        let table = table(&json!({ "file": of(1, 80.0), "all": of(10, 90.0) })).unwrap();
        for line in [
            "| tasks | 100000 | 1000000 |",
            "| size | 120 MB | 1200 MB |",
            "| fetched, checked and first ranking | 12.3 s | 12.3 s |",
            "| another target until it is on the page, cosine | 20 ms (worst 30) | 20 ms (worst 30) |",
            "| another target until it is on the page, centred | 80 ms (worst 80) | 90 ms (worst 90) |",
            "| longest task of the page's own thread, asking | 40 ms | 40 ms |",
        ] {
            assert!(table.lines().any(|one| one == line), "{table}");
        }
        assert!(super::table(&json!({})).is_err());
    }
}
