//! Who may know whom: the arrows between the workspace's crates, and the
//! libraries that must stay out of reach of some of them.

use super::Finding;
use crate::context::Context;
use anyhow::{Context as _, Result};

/// One crate of the workspace.
struct Rule {
    /// Its package name.
    name: &'static str,
    /// Its folder.
    folder: &'static str,
    /// The crates of the workspace that it may depend on directly.
    arrows: &'static [&'static str],
    /// Packages that it must not reach, over however many others.
    never: &'static [&'static str],
}

/// `common/*` is bytes in, values out: no tensors, threads, clocks,
/// randomness, browser or runtime.
const PURE: &[&str] =
    &["candle-core", "candle-nn", "js-sys", "rand", "rayon", "tokenizers", "tokio", "web-sys"];

/// The architecture. A crate that is missing here is an error, too.
const CRATES: &[Rule] = &[
    Rule { name: "tupate-metrics", folder: "common/metrics", arrows: &[], never: PURE },
    Rule { name: "tupate-tasks", folder: "common/tasks", arrows: &[], never: PURE },
    Rule {
        name: "tupate-embedding",
        folder: "common/embedding",
        arrows: &["tupate-tasks"],
        never: PURE,
    },
    Rule {
        name: "tupate-zoo",
        folder: "common/zoo",
        arrows: &["tupate-embedding", "tupate-metrics", "tupate-tasks"],
        never: PURE,
    },
    Rule { name: "tupate-api", folder: "common/api", arrows: &["tupate-tasks"], never: PURE },
    Rule {
        name: "tupate-tuner",
        folder: "backend/tuner",
        arrows: &["tupate-embedding", "tupate-metrics", "tupate-tasks"],
        // Its encoders may be fetched by an HTTP client, whose libraries
        // share parts with a server's: only the server's own are named.
        never: &["axum"],
    },
    Rule {
        name: "tupate-server",
        folder: "backend/server",
        arrows: &["tupate-api", "tupate-metrics", "tupate-tasks", "tupate-zoo"],
        never: &["candle-core", "candle-nn", "tokenizers"],
    },
    Rule {
        name: "tupate",
        folder: "backend/tupate",
        arrows: &[
            "tupate-api",
            "tupate-embedding",
            "tupate-metrics",
            "tupate-server",
            "tupate-tasks",
            "tupate-tuner",
            "tupate-zoo",
        ],
        never: &["web-sys"],
    },
    Rule {
        name: "tupate-frontend",
        folder: "frontend",
        arrows: &["tupate-api", "tupate-embedding", "tupate-metrics", "tupate-tasks", "tupate-zoo"],
        never: &["axum", "candle-core", "candle-nn", "tokenizers", "tokio"],
    },
    Rule {
        name: "tupate-engine",
        folder: "engine",
        arrows: &["tupate-zoo"],
        never: &["leptos", "tokio", "web-sys"],
    },
    Rule { name: "tupate-e2e", folder: "e2e", arrows: &[], never: &["candle-core"] },
    Rule { name: "xtask", folder: "xtask", arrows: &[], never: &["candle-core", "tokio"] },
];

/// The crates that are compiled for the page.
pub fn packages_of_the_page() -> impl Iterator<Item = &'static str> {
    CRATES
        .iter()
        .filter(|rule| {
            rule.folder.starts_with("common/") || ["frontend", "engine"].contains(&rule.folder)
        })
        .map(|rule| rule.name)
}

/// Asks cargo what every crate depends on, and compares it with the rules.
pub fn check(context: &Context) -> Result<Vec<Finding>> {
    let listed = context
        .cargo(["tree", "--workspace", "--depth", "0", "--prefix", "none", "--format", "{p}"])
        .quiet()
        .read()
        .context("cargo cannot list the workspace")?;
    let mut findings = unlisted(listed.lines());
    for rule in CRATES {
        // The page is never built for anything but wasm32, and the backend
        // never for it; what is shared must be pure on both.
        let targets: &[&str] = match rule.folder {
            "frontend" | "engine" => &["wasm32-unknown-unknown"],
            folder if folder.starts_with("common/") => {
                &["x86_64-unknown-linux-gnu", "wasm32-unknown-unknown"]
            }
            _ => &["x86_64-unknown-linux-gnu"],
        };
        let mut tree = vec!["tree", "--package", rule.name, "--all-features", "--edges"];
        tree.extend(["normal,no-proc-macro", "--prefix", "depth", "--format", " {p}"]);
        tree.extend(targets.iter().flat_map(|target| ["--target", target]));
        let tree = context
            .cargo(tree)
            .quiet()
            .read()
            .with_context(|| format!("cargo cannot tell what {} depends on", rule.name))?;
        findings.extend(broken(rule, &tree));
    }
    Ok(findings)
}

/// Workspace members without a rule, from lines such as
/// `tupate-api v0.1.0 (/path/to/common/api)`.
fn unlisted<'a>(listed: impl Iterator<Item = &'a str>) -> Vec<Finding> {
    listed
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| CRATES.iter().all(|rule| rule.name != *name))
        .map(|name| {
            Finding::new(
                name,
                None,
                "a crate of the workspace without a rule: say in CRATES of \
                xtask/src/tidy/arrows.rs what it may depend on",
            )
        })
        .collect()
}

/// The arrows of one crate that its rule does not allow, from the output of
/// `cargo tree --prefix depth`: one package a line, its depth in front.
fn broken(rule: &Rule, tree: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    // The packages from the root to the current line.
    let mut way: Vec<&str> = Vec::new();
    for line in tree.lines() {
        let Some((depth, package)) = line.split_once(' ') else { continue };
        let (Ok(depth), Some(name)) = (depth.parse(), package.split_whitespace().next()) else {
            continue;
        };
        way.truncate(depth);
        way.push(name);
        let ours = CRATES.iter().any(|other| other.name == name);
        let message = if depth == 1 && ours && !rule.arrows.contains(&name) {
            let allowed =
                if rule.arrows.is_empty() { "none".into() } else { rule.arrows.join(", ") };
            format!("depends on {name}; of our crates it may depend on {allowed}")
        } else if rule.never.contains(&name) {
            format!("reaches {name}, which it must not: {}", way.join(" → "))
        } else {
            continue;
        };
        // Two targets, or two ways, to the same package are told once.
        if !findings.iter().any(|told| told.message == message) {
            findings.push(Finding::new(rule.name, None, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str) -> &'static Rule {
        CRATES.iter().find(|rule| rule.name == name).unwrap()
    }

    fn messages(name: &str, tree: &str) -> Vec<String> {
        broken(rule(name), tree).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn allowed_arrows_and_other_libraries_pass() {
        let tree = "0 tupate-embedding v0.1.0 (/x/common/embedding)\n1 half v2.7.1\n2 cfg-if \
                    v1.0.0\n1 tupate-tasks v0.1.0 (/x/common/tasks)\n2 serde v1.0.0 (*)\n";
        assert_eq!(messages("tupate-embedding", tree), [""; 0]);
    }

    #[test]
    fn an_arrow_that_points_the_wrong_way_is_named() {
        let tree = "0 tupate-tasks v0.1.0 (/x)\n1 tupate-zoo v0.1.0 (/x)\n";
        assert_eq!(
            messages("tupate-tasks", tree),
            ["depends on tupate-zoo; of our crates it may depend on none"]
        );
        // Ours at a greater depth is another crate's arrow.
        let tree = "0 tupate-api v0.1.0 (/x)\n1 tupate-tasks v0.1.0 (/x)\n2 tupate-zoo v0.1.0\n";
        assert_eq!(messages("tupate-api", tree), [""; 0]);
    }

    #[test]
    fn a_forbidden_library_is_named_with_the_way_to_it_once() {
        let tree = "0 tupate-zoo v0.1.0 (/x)\n1 half v2.7.1\n2 serde v1.0.0\n1 sha2 v0.11.0\n2 \
                    digest v0.11.0\n3 rand v0.10.0\n\n0 tupate-zoo v0.1.0 (/x)\n1 sha2 v0.11.0\n2 \
                    digest v0.11.0\n3 rand v0.10.0\n";
        assert_eq!(
            messages("tupate-zoo", tree),
            ["reaches rand, which it must not: tupate-zoo → sha2 → digest → rand"]
        );
    }

    #[test]
    fn a_crate_without_a_rule_is_named() {
        let listed = ["tupate-api v0.1.0 (/x/common/api)", "tupate-new v0.1.0 (/x/common/new)"];
        let found = unlisted(listed.into_iter());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "tupate-new");
    }

    #[test]
    fn the_table_itself_has_no_cycle() {
        // Every arrow of the common crates points to one that is above it.
        for (i, rule) in CRATES.iter().enumerate() {
            for arrow in rule.arrows {
                let target = CRATES.iter().position(|other| other.name == *arrow).unwrap();
                assert!(
                    target < i || rule.folder.starts_with("backend"),
                    "{} → {arrow}",
                    rule.name
                );
            }
        }
        assert_eq!(packages_of_the_page().count(), 7);
    }
}
