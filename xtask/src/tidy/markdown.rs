//! Links of Markdown files that point into the repository.

use super::Finding;

/// Relative links whose target `exists` denies; it is given paths relative
/// to the root.
pub fn check(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for target in targets(line) {
            let message = match resolve(folder, target) {
                None => format!("the link `{target}` leaves the repository"),
                Some(file) if !exists(&file) => {
                    format!("the link `{target}` points at {file}, which does not exist")
                }
                Some(_) => continue,
            };
            findings.push(Finding::new(path, index + 1, message));
        }
    }
    findings
}

/// The relative targets of a line's links: `[text](target "title")` and
/// `[label]: target`, without the fragment.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let prose = outside_code(line);
    let inline = prose.into_iter().flat_map(|part| {
        part.match_indices("](").filter_map(|(at, opening)| {
            let rest = &part[at + opening.len()..];
            Some(&rest[..rest.find(')')?])
        })
    });
    let defined = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    inline.chain(defined.map(|(_, target)| target)).filter_map(|target| {
        let target = target.split_whitespace().next()?.trim_matches(['<', '>']);
        let file = target.split('#').next()?;
        let elsewhere = file.is_empty() || file.contains("://") || file.starts_with("mailto:");
        (!elsewhere).then_some(file)
    })
}

/// The parts of a line that do not stand between back quotes.
fn outside_code(line: &str) -> Vec<&str> {
    line.split('`').step_by(2).collect()
}

/// A link's target relative to the root, or `None` when it lies outside.
fn resolve(folder: &str, target: &str) -> Option<String> {
    // On a forge, a leading slash means the repository's root.
    let (base, target) = match target.strip_prefix('/') {
        Some(target) => ("", target),
        None => (folder, target),
    };
    let mut parts = Vec::new();
    for part in base.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        let exists = |file: &str| ["README.md", "docs/a.md", "docs", "LICENSE", ""].contains(&file);
        check(path, text, exists).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let text = "[a](docs/a.md) and [b](docs/a.md#part \"title\"), [c](#here)\n\
                    [d](https://example.org/x) ![e](./LICENSE) [f](mailto:a@example.org)\n\
                    [g]: docs/\n```\n[h](none.md)\n```\n`[i](none.md)`\n";
        assert_eq!(messages("README.md", text), [""; 0]);
        assert_eq!(
            messages("docs/a.md", "[a](../README.md) [b](/LICENSE) [c](a.md) [d](..)"),
            [""; 0]
        );
    }

    #[test]
    fn links_that_lead_nowhere_are_named_with_their_line() {
        assert_eq!(
            messages("docs/a.md", "# T\n\n[a](b.md#x) [b](../../out)\n[c]: <c.md>\n"),
            [
                "docs/a.md:3: the link `b.md` points at docs/b.md, which does not exist",
                "docs/a.md:3: the link `../../out` leaves the repository",
                "docs/a.md:4: the link `c.md` points at docs/c.md, which does not exist",
            ]
        );
    }
}
