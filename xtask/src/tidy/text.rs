//! Rules that a file's text alone can break.

use super::Finding;

/// A file longer than this does more than one thing.
const LONGEST: usize = 500;

/// Endings of files whose text is checked.
const TEXTS: &[&str] =
    &["css", "html", "js", "json", "md", "py", "rs", "sh", "svg", "toml", "txt", "yml"];

/// Of those, the ones people write and others must read to the end.
const CODE: &[&str] = &["js", "py", "rs", "sh"];

/// What `common/*` has no use for: it takes bytes and gives values.
const IMPURE: &[&str] = &["env", "fs", "net", "process", "thread", "time"];

/// The one module of `common/*` that knows processors, and its test: products of rows
/// take instructions that no compiler finds by itself, and give the same bits with all.
const PROCESSORS: &[&str] =
    &["common/metrics/src/dot/", "common/metrics/tests/wasm.rs", "common/metrics/benches/"];

/// By what a `cfg` tells targets apart.
const TARGETS: &[&str] = &["target_arch", "target_family", "target_feature", "target_os"];

/// Where the word for NVIDIA's platform may stand in Rust code: the module
/// that owns kernels, and the build recipe. Elsewhere it is a feature that
/// manifests pass on. The device name `cuda:0`, which users write, is not
/// meant.
const KERNELS: &[&str] = &["backend/tuner/src/kernels/", "backend/tuner/build.rs", "xtask/"];

/// What of the page talks to the browser beyond the framework: one file, and its parts.
const PLATFORM: &[&str] = &["frontend/src/platform.rs", "frontend/src/platform/"];

/// The crates through which it does.
const BROWSER: &[&str] = &["js_sys", "web_sys"];

/// Home folders of somebody's machine. In two halves, since this file is
/// checked as well.
const MACHINES: &[&str] = &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];

/// Whether a file's text is checked at all.
pub fn is_text(path: &str) -> bool {
    has_ending(path, TEXTS) || path == ".ci/run"
}

fn has_ending(path: &str, endings: &[&str]) -> bool {
    path.rsplit_once('.').is_some_and(|(_, ending)| endings.contains(&ending))
}

/// All findings in one file.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    machine_paths(path, text, &mut findings);
    if has_ending(path, CODE) {
        length(path, text, &mut findings);
    }
    if has_ending(path, &["rs"]) {
        opening(path, text, &mut findings);
        kernel_word(path, text, &mut findings);
        if path.starts_with("common/") {
            purity(path, text, &mut findings);
        }
        if path.starts_with("frontend/src/") && !PLATFORM.iter().any(|p| path.starts_with(p)) {
            browser(path, text, &mut findings);
        }
    }
    findings
}

fn machine_paths(path: &str, text: &str, findings: &mut Vec<Finding>) {
    for (number, line) in numbered(text) {
        for machine in MACHINES.iter().filter(|machine| line.contains(**machine)) {
            let message = format!("`{machine}…` is a path of one machine: make it relative");
            findings.push(Finding::new(path, number, message));
        }
    }
}

fn length(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let lines = text.lines().count();
    if lines > LONGEST {
        let message = format!("{lines} lines; with more than {LONGEST} it wants to be two files");
        findings.push(Finding::new(path, None, message));
    }
}

fn opening(path: &str, text: &str, findings: &mut Vec<Finding>) {
    if !text.starts_with("//!") {
        let message = "a Rust file begins with a `//!` line that says what it is for";
        findings.push(Finding::new(path, 1, message));
    }
}

fn kernel_word(path: &str, text: &str, findings: &mut Vec<Finding>) {
    if KERNELS.iter().any(|allowed| path.starts_with(allowed)) {
        return;
    }
    for (number, line) in numbered(text) {
        let lower = line.to_lowercase();
        let named = lower.match_indices("cuda").any(|(at, word)| {
            let rest = &lower[at + word.len()..];
            !rest.starts_with(':') || rest.starts_with("::")
        });
        if named {
            let message = format!("`cuda` stands only in manifests and in {}", KERNELS.join(", "));
            findings.push(Finding::new(path, number, message));
        }
    }
}

fn browser(path: &str, text: &str, findings: &mut Vec<Finding>) {
    for (number, line) in numbered(text) {
        for name in BROWSER.iter().filter(|name| line.contains(**name)) {
            let message =
                format!("`{name}` stands only in {}: give it a function there", PLATFORM[0]);
            findings.push(Finding::new(path, number, message));
        }
    }
}

fn purity(path: &str, text: &str, findings: &mut Vec<Finding>) {
    // The file without comments and white space, so that no way of writing
    // an import hides it; with the line that each byte came from.
    let mut code = String::new();
    let mut lines = Vec::new();
    for (number, line) in numbered(text) {
        let line = line.split("//").next().unwrap_or(line);
        for c in line.chars().filter(|c| !c.is_whitespace()) {
            code.push(c);
            lines.resize(code.len(), number);
        }
    }
    for (at, _) in code.match_indices("std::") {
        for (offset, name) in names_after(&code[at + "std::".len()..]) {
            if IMPURE.contains(&name) {
                let line = lines[at + "std::".len() + offset];
                let message =
                    format!("`std::{name}` in common/, which takes bytes and gives values");
                findings.push(Finding::new(path, line, message));
            }
        }
    }
    if PROCESSORS.iter().any(|allowed| path.starts_with(allowed)) {
        return;
    }
    let words = TARGETS.iter().flat_map(|word| code.match_indices(word));
    for (at, _) in words {
        let message = format!(
            "a `cfg` of the target in common/, which does the same on every one but in {}",
            PROCESSORS[0]
        );
        findings.push(Finding::new(path, lines[at], message));
    }
}

/// The first names after `std::`, with their offsets: one, or those of a
/// group in braces.
fn names_after(rest: &str) -> Vec<(usize, &str)> {
    let name = |from: usize| {
        let rest = &rest[from..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        (from, &rest[..end])
    };
    if !rest.starts_with('{') {
        return vec![name(0)];
    }
    let mut names = Vec::new();
    let mut depth = 0;
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && (c == '{' || c == ',') {
            names.push(name(at + 1));
        }
    }
    names
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<Option<usize>> {
        check(path, text).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_clean_file_has_no_finding() {
        let text = "//! Adds.\n\nuse std::{fmt, io::Read};\n\nfn add() {} // std::fs elsewhere\n";
        assert_eq!(check("common/a/src/lib.rs", text), []);
    }

    #[test]
    fn a_rust_file_says_first_what_it_is_for() {
        assert_eq!(lines("frontend/src/a.rs", "fn a() {}\n"), [Some(1)]);
        assert_eq!(lines("frontend/src/a.rs", ""), [Some(1)]);
        assert_eq!(lines("frontend/a.css", "a {}\n"), []);
    }

    #[test]
    fn common_crates_touch_no_world_however_it_is_imported() {
        for (text, line) in [
            ("//! .\nuse std::fs;\n", 2),
            ("//! .\nuse std::fs::File;\n", 2),
            ("//! .\nuse std::{fmt, fs};\n", 2),
            ("//! .\nuse std::{\n    fmt::{self, Write},\n    time::Instant,\n};\n", 4),
            ("//! .\nfn a() {\n    std::thread::spawn(b);\n}\n", 3),
            ("//! .\n#[cfg(target_arch = \"wasm32\")]\nfn a() {}\n", 2),
            ("//! .\n#[cfg(all(test, target_feature = \"avx2\"))]\nfn a() {}\n", 2),
            ("//! .\nfn a() -> bool {\n    cfg!(target_os = \"linux\")\n}\n", 3),
        ] {
            assert_eq!(lines("common/a/src/lib.rs", text), [Some(line)], "{text}");
            assert_eq!(lines("backend/a/src/lib.rs", text), [], "{text}");
        }
        let products = "//! .\n#[cfg(target_arch = \"wasm32\")]\nmod wasm;\n";
        assert_eq!(lines("common/metrics/src/dot/mod.rs", products), []);
        // Names that only begin alike, or lie deeper, are others.
        let fine = "//! .\nuse std::{collections::btree_map::Entry, fmt::{Debug, time}};\n";
        assert_eq!(lines("common/a/src/lib.rs", fine), []);
    }

    #[test]
    fn the_word_for_a_gpu_platform_stays_with_the_kernels() {
        let text = "//! .\n\nfn is_Cuda() {}\n";
        assert_eq!(lines("backend/tuner/src/train.rs", text), [Some(3)]);
        assert_eq!(lines("backend/tuner/src/kernels/mod.rs", text), []);
        assert_eq!(lines("backend/tuner/build.rs", text), []);
        assert_eq!(lines("README.md", text), []);
        // A device that a user names; but a module is not one.
        let device = "//! Devices are `cpu` and `cuda:0`.\n\nuse cuda::Device;\n";
        assert_eq!(lines("backend/tupate/src/main.rs", device), [Some(3)]);
    }

    #[test]
    fn the_page_meets_the_browser_in_one_file() {
        let text = "//! .\nuse web_sys::Window;\nuse js_sys::Date;\n";
        assert_eq!(lines("frontend/src/app.rs", text), [Some(2), Some(3)]);
        assert_eq!(lines(PLATFORM[0], text), []);
        assert_eq!(lines("frontend/tests/wasm.rs", text), []);
    }

    #[test]
    fn a_file_that_is_too_long_is_named_with_its_length() {
        let text = "//! .\n".repeat(LONGEST);
        assert_eq!(check("e2e/src/lib.rs", &text), []);
        let found = check("e2e/src/lib.rs", &(text + "//\n"));
        assert_eq!(
            found[0].to_string(),
            "e2e/src/lib.rs: 501 lines; with more than 500 it wants \
            to be two files"
        );
    }

    #[test]
    fn nobodys_home_folder_is_mentioned() {
        for machine in MACHINES {
            assert_eq!(lines("README.md", &format!("# T\n\nin `{machine}me/x`\n")), [Some(3)]);
        }
        assert_eq!(lines("README.md", "in `~/x`, `/usr/bin`\n"), []);
    }

    #[test]
    fn binaries_are_no_texts() {
        assert!(is_text("README.md") && is_text(".ci/run") && is_text("a/b.rs"));
        assert!(!is_text("a.safetensors") && !is_text("LICENSE") && !is_text("a.npy"));
    }
}
