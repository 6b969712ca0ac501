//! What no compiler checks: who may know whom, and what texts must keep to.

mod arrows;
mod markdown;
mod text;

use crate::{context::Context, files};
use anyhow::{Context as _, Result, bail};
use std::{fmt, fs};

pub use arrows::packages_of_the_page;

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// A file relative to the root, or a package.
    pub place: String,
    /// Its line, counted from 1, where there is one.
    pub line: Option<usize>,
    /// What is wrong and what would mend it.
    pub message: String,
}

impl Finding {
    fn new(place: &str, line: impl Into<Option<usize>>, message: impl Into<String>) -> Self {
        Self { place: place.to_owned(), line: line.into(), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.place, self.message),
            None => write!(f, "{}: {}", self.place, self.message),
        }
    }
}

/// Checks everything and names all findings, not only the first.
pub fn run(context: &Context) -> Result<()> {
    let mut findings = arrows::check(context)?;
    for file in files::sources(&context.root)? {
        let path = file.strip_prefix(&context.root).unwrap_or(&file);
        let Some(path) = path.to_str() else {
            findings.push(Finding::new(&path.to_string_lossy(), None, "a file's name is UTF-8"));
            continue;
        };
        if !text::is_text(path) {
            continue;
        }
        let bytes = fs::read(&file).with_context(|| format!("cannot read {path}"))?;
        let Ok(contents) = String::from_utf8(bytes) else {
            findings.push(Finding::new(path, None, "a text file is UTF-8"));
            continue;
        };
        findings.extend(text::check(path, &contents));
        if path.ends_with(".md") {
            findings.extend(markdown::check(path, &contents, |target| {
                context.root.join(target).exists()
            }));
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    bail!("{} things are not tidy", findings.len())
}
