//! The page's style sheets as one file: nothing is painted before all of them are there, and
//! each would be a request of its own.

use crate::files;
use anyhow::{Context as _, Result, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha384};
use std::{fs, path::Path};

/// How trunk names a sheet in the page.
const LINK: &str = "<link rel=\"stylesheet\"";

/// A page with one sheet in place of several.
#[derive(Debug)]
struct Joined {
    html: String,
    name: String,
    text: String,
    /// The files that it was made of.
    from: Vec<String>,
}

/// Joins the sheets of the page that trunk has made in this folder. Returns its HTML.
pub fn join(page: &Path, html: &str, base: &str) -> Result<String> {
    let read = |name: &str| {
        fs::read_to_string(page.join(name)).with_context(|| format!("trunk has made no {name}"))
    };
    let joined = joined(html, base, read)?;
    for name in &joined.from {
        fs::remove_file(page.join(name)).with_context(|| format!("cannot remove {name}"))?;
    }
    fs::write(page.join(&joined.name), &joined.text)
        .with_context(|| format!("cannot write {}", joined.name))?;
    Ok(joined.html)
}

fn joined(html: &str, base: &str, read: impl Fn(&str) -> Result<String>) -> Result<Joined> {
    let (mut before, mut after, mut from) = (String::new(), String::new(), Vec::new());
    let mut rest = html;
    while let Some((text, link)) = rest.split_once(LINK) {
        let place = if from.is_empty() { &mut before } else { &mut after };
        place.push_str(text);
        let (attributes, text) = link.split_once('>').context("a style sheet's link has no end")?;
        let href = attributes.split_once("href=\"").and_then(|(_, href)| href.split_once('"'));
        let (href, _) = href.context("a style sheet's link leads nowhere")?;
        from.push(href.strip_prefix(base).unwrap_or(href).to_owned());
        rest = text;
    }
    ensure!(!from.is_empty(), "index.html has no {LINK}");
    let sheets = from.iter().map(|name| read(name)).collect::<Result<Vec<_>>>()?;
    let text = sheets.join("\n");
    let name = format!("style-{}.css", &files::digest_of([text.as_bytes()])[..16]);
    let seal = BASE64_STANDARD.encode(Sha384::digest(&text));
    let html = format!(
        "{before}{LINK} href=\"{base}{name}\" integrity=\"sha384-{seal}\" />{}{rest}",
        after.trim_start()
    );
    Ok(Joined { html, name, text, from })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sheet_stands_where_the_first_stood() {
        let html = "<head>\n<link rel=\"stylesheet\" href=\"./a-1.css\" integrity=\"x\"/>\n\
                    <link rel=\"stylesheet\" href=\"./b-2.css\"/>\n<link rel=\"icon\" \
                    href=\"./i.svg\"/>\n</head>";
        let read = |name: &str| Ok(format!("{name} {{}}"));
        let one = joined(html, "./", read).unwrap();
        assert_eq!(one.text, "a-1.css {}\nb-2.css {}", "in their order: later rules win");
        assert_eq!(one.from, ["a-1.css", "b-2.css"]);
        let begin = format!("<head>\n<link rel=\"stylesheet\" href=\"./{}\" integrity=", one.name);
        assert!(one.html.starts_with(&begin), "{}", one.html);
        assert!(
            one.html.ends_with("<link rel=\"icon\" href=\"./i.svg\"/>\n</head>"),
            "{}",
            one.html
        );
        assert_eq!(one.html.matches("stylesheet").count(), 1);
        assert_eq!(one.name.len(), "style-.css".len() + 16);
        assert!(joined("<head></head>", "./", read).is_err());
        assert!(joined(html, "./", |_| anyhow::bail!("gone")).is_err());
    }
}
