//! How long a visitor of the page waits, on a slow machine and a slow line: measured in
//! headless Chromium by one of the browser tests.

use crate::{context::Context, samples, steps::Steps, test, tools};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::{fmt::Write as _, fs};

/// The kinds of visits, as the test names them.
const VISITS: &[&str] = &["first visit", "second visit", "without a network"];

/// What there may be of a first visit: milliseconds until something and until the ranking
/// is seen; the same for the ranking of later ones.
const GOALS: [(f64, f64); 3] = [(500.0, 2000.0), (500.0, 500.0), (500.0, 500.0)];

/// Measures; a table in Markdown.
pub fn run(context: &Context, steps: &mut Steps) -> Result<String> {
    steps.take("test tools", || tools::for_test(context))?;
    samples::make(context, steps)?;
    let mut text = String::new();
    for (what, test, file, table) in [
        ("visits", "test(first_and_second_visit)", "speed.json", table as fn(&Value) -> _),
        ("work", "test(what_the_pages_compute)", "work.json", work),
    ] {
        steps.take(what, || {
            let file = test::in_a_browser(context, test, true)?.join(file);
            let found =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            text.push_str(&table(&serde_json::from_slice(&found)?)?);
            Ok("measured".to_owned())
        })?;
    }
    Ok(text)
}

/// What the page computes, at this machine's speed and at that of a slow one.
fn work(found: &Value) -> Result<String> {
    let mut text = String::from(
        "\n| what a visitor does | CPU slower | until it is there | longest task |\n\
         |---|--:|--:|--:|\n",
    );
    for one in found.as_array().context("nothing was measured")? {
        let number = |name: &str| one[name].as_f64().with_context(|| format!("no {name} in {one}"));
        let what = one["what"].as_str().context("something has no name")?;
        writeln!(
            text,
            "| {what} | {:.0} × | {:.0} ms | {:.0} ms |",
            number("slowdown")?,
            number("ms")?,
            number("longest_task")?
        )?;
    }
    Ok(text)
}

fn table(found: &Value) -> Result<String> {
    let mut text = String::from(
        "| visit | first paint | first ranking | layout shift | longest task | over the line | requests |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    );
    for (visit, goals) in VISITS.iter().zip(GOALS) {
        let all = found[visit].as_array().with_context(|| format!("no {visit}"))?;
        let of = |name: &str| -> Result<(f64, f64)> {
            let mut values = Vec::new();
            for one in all {
                values.push(one[name].as_f64().with_context(|| format!("no {name}"))?);
            }
            values.sort_by(f64::total_cmp);
            let middle = values.get(values.len() / 2).context("no visits")?;
            Ok((*middle, values[values.len() - 1]))
        };
        let time = |name: &str, goal: f64| -> Result<String> {
            let (middle, worst) = of(name)?;
            Ok(format!("{middle:.0} ms (worst {worst:.0}, goal {goal:.0})"))
        };
        writeln!(
            text,
            "| {visit} | {} | {} | {:.5} (worst {:.5}, goal 0) | {:.0} ms | {:.0} kB | {:.0} |",
            time("painted", goals.0)?,
            time("ranked", goals.1)?,
            of("shift")?.0,
            of("shift")?.1,
            of("longest_task")?.0,
            of("bytes")?.0 / 1000.0,
            of("requests")?.0,
        )?;
    }
    writeln!(
        text,
        "\nMedians of {} visits each. CPU {} times slower than this machine's, {} Mbit/s, {} ms \
         there and back; a zoo of {} bytes. No request went to any other host.",
        found[VISITS[0]].as_array().map_or(0, Vec::len),
        found["slowdown"],
        found["megabits"],
        found["round_trip_ms"],
        found["zoo_bytes"],
    )?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_shows_medians_and_the_worst() {
        let visit = |ms: f64| {
            json!({
                "painted": ms, "ranked": 2.0 * ms, "shift": ms / 1000.0, "longest_task": 7,
                "bytes": 1500, "requests": 3,
            })
        };
        let visits = json!([visit(30.0), visit(10.0), visit(20.0)]);
        let found = json!({
            "first visit": visits, "second visit": visits, "without a network": visits,
            "slowdown": 4, "megabits": 10, "round_trip_ms": 40, "zoo_bytes": 9,
        });
        let table = table(&found).unwrap();
        let line = "| first visit | 20 ms (worst 30, goal 500) | 40 ms (worst 60, goal 2000) | \
                    0.02000 (worst 0.03000, goal 0) | 7 ms | 2 kB | 3 |";
        assert!(table.lines().any(|one| one == line), "{table}");
        assert!(super::table(&json!({})).is_err());
    }
}
