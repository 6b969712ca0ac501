//! The browser of the tests: Chromium and its driver, as installed.

use crate::context::Context;
use anyhow::{Context as _, Result, ensure};
use std::path::PathBuf;

/// A browser and a driver that fit each other.
pub struct Browser {
    /// The browser's program.
    pub chromium: PathBuf,
    /// The program that drives it.
    pub driver: PathBuf,
    /// The browser's version, in words.
    pub version: String,
}

/// Finds both: named by `TUPATE_CHROMIUM` and `TUPATE_CHROMEDRIVER`, else on
/// the PATH.
pub fn find(context: &Context) -> Result<Browser> {
    let pick = |variable: &str, names: &[&str]| {
        let named = context.shell.var_os(variable).map(PathBuf::from);
        let candidates = match named {
            Some(path) => vec![path],
            None => names.iter().filter_map(|name| context.which(name)).collect(),
        };
        candidates.into_iter().find_map(|path| Some((context.version(&path)?, path)))
    };
    let missing = |what: &str, variable: &str| {
        format!(
            "{what} is missing: install Chromium and its driver (Debian: `apt-get install \
             chromium chromium-driver`), or name it in {variable}"
        )
    };
    let (version, chromium) =
        pick("TUPATE_CHROMIUM", &["chromium", "chromium-browser", "google-chrome"])
            .with_context(|| missing("a Chromium browser", "TUPATE_CHROMIUM"))?;
    let (driver_version, driver) = pick("TUPATE_CHROMEDRIVER", &["chromedriver"])
        .with_context(|| missing("chromedriver", "TUPATE_CHROMEDRIVER"))?;
    ensure!(
        major(&version) == major(&driver_version),
        "the browser ({version}) and its driver ({driver_version}) are of different versions: \
         install both from one source, or name a fitting pair in TUPATE_CHROMIUM and \
         TUPATE_CHROMEDRIVER"
    );
    Ok(Browser { chromium, driver, version })
}

/// `Chromium 140.0.7339.80 built on Debian` → 140.
fn major(version: &str) -> Option<u32> {
    version.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_and_drivers_name_their_major_version_alike() {
        assert_eq!(major("Chromium 140.0.7339.80 built on Debian GNU/Linux 12"), Some(140));
        assert_eq!(major("ChromeDriver 140.0.7339.80 (0abc)"), Some(140));
        assert_eq!(major("Google Chrome 141.0.1.2"), Some(141));
        assert_eq!(major("no number"), None);
    }
}
