//! `docs/screenshots`: what the pages look like, as the browser tests see them.

use crate::{context::Context, samples, steps::Steps, test, tools};
use anyhow::{Context as _, Result, ensure};
use std::fs;

/// The pictures that are kept of those that the tests take: how their names begin, and
/// what page they show.
const PAGES: &[(&str, &str)] = &[
    ("first-rank-", "rank"),
    ("first-map-", "map"),
    ("first-lab-", "lab"),
    ("library-", "library"),
    ("tune-done-", "tune"),
];

/// The tests that take them.
const TESTS: &str =
    "test(the_zoo_of_real_tasks) | test(looks::at_every_size) | test(from_a_file_to_a_zoo)";

/// How the names of pictures end: theme and size.
const THEMES: &[&str] = &["light", "dark"];
const SIZES: &[&str] = &["360x780", "768x1024", "1280x800"];

/// Takes the pictures anew.
pub fn run(context: &Context, steps: &mut Steps) -> Result<()> {
    steps.take("test tools", || tools::for_test(context))?;
    samples::make(context, steps)?;
    steps.take("pictures", || {
        let taken = test::in_a_browser(context, TESTS, false)?;
        let folder = context.root.join("docs/screenshots");
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let mut bytes = 0;
        for (begin, page) in PAGES {
            for theme in THEMES {
                for size in SIZES {
                    let from = taken.join(format!("{begin}{theme}-{size}.png"));
                    ensure!(from.is_file(), "no test took {}", from.display());
                    let to = folder.join(format!("{page}-{theme}-{size}.png"));
                    bytes += fs::copy(&from, &to)
                        .with_context(|| format!("cannot write {}", to.display()))?;
                }
            }
        }
        Ok(format!("{} kB", bytes / 1000))
    })
}
