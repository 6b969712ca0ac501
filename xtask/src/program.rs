//! The binary `tupate`, in release, with the page inside.

use crate::{context::Context, page, steps::Steps};
use anyhow::Result;
use std::path::PathBuf;

/// The page, then the binary that holds it.
pub fn build(context: &Context, steps: &mut Steps) -> Result<()> {
    steps.take("page", || page::build(context))?;
    steps.take("program", || {
        context.cargo(["build", "--release", "--package", "tupate"]).quiet().run()?;
        Ok(path(context).display().to_string())
    })
}

/// Where the release binary lies.
pub fn path(context: &Context) -> PathBuf {
    context.target.join("release/tupate")
}
