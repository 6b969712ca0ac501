//! Words with labels that treebanks have in their trees: Penn bracketing and
//! CCGbank.

use super::Error;
use super::error::Spot;
use super::words::Sentences;
use crate::data::raw::Extracted;
use std::path::Path;

/// The part of speech of what was left out of a sentence and is no word.
const TRACE: &str = "-NONE-";

/// The ancestor of a word that has not so many (Liu et al. 2019).
const NO_ANCESTOR: &str = "None";

/// Brackets as treebanks write them, and what they stand for.
const BRACKETS: [(&str, &str); 6] = [
    ("-LRB-", "("),
    ("-RRB-", ")"),
    ("-LCB-", "{"),
    ("-RCB-", "}"),
    ("-LSB-", "["),
    ("-RSB-", "]"),
];

/// Reads trees in Penn bracketing. `up` says which label a word has: 0 its
/// part of speech, 1 the phrase above it, 2 and 3 those above that; functions
/// (`NP-SBJ`) are no part of it. A tree's nameless top is no phrase.
pub(super) fn penn(file: &Path, text: &str, up: usize) -> Result<Extracted, Error> {
    let broken = |line, detail: &str| Error::Entry {
        file: file.into(),
        at: Spot::Line(line),
        detail: detail.to_owned(),
        help: "expected trees such as (S (NP (PRP It)) (VP (VBZ rains)))".to_owned(),
    };
    let mut sentences = Sentences::default();
    let mut open: Vec<&str> = Vec::new();
    let (mut line, mut rest) = (1, text);
    while let Some(c) = rest.chars().next() {
        let symbol = |text: &'_ str| {
            text.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')')).unwrap_or(text.len())
        };
        match c {
            '(' => {
                let label = &rest[1..];
                let (label, after) = label.split_at(symbol(label));
                open.push(label);
                rest = after;
            }
            ')' => {
                if open.pop().is_none() {
                    return Err(broken(line, "a bracket is closed that was not opened"));
                }
                if open.is_empty() {
                    sentences.end();
                }
                rest = &rest[1..];
            }
            c if c.is_whitespace() => {
                line += usize::from(c == '\n');
                rest = &rest[c.len_utf8()..];
            }
            _ => {
                let (word, after) = rest.split_at(symbol(rest));
                rest = after;
                let Some(part_of_speech) = open.last().filter(|label| !label.is_empty()) else {
                    return Err(broken(line, &format!("the word {word:?} has no part of speech")));
                };
                if *part_of_speech == TRACE {
                    continue;
                }
                let phrases: Vec<_> = open.iter().filter(|label| !label.is_empty()).collect();
                let label = match phrases.len().checked_sub(1 + up).map(|i| *phrases[i]) {
                    Some(label) if up == 0 => label,
                    Some(label) => label.split(['-', '=']).next().unwrap_or(label),
                    None => NO_ANCESTOR,
                };
                sentences.word(line, plain(word), label);
            }
        }
    }
    match open.is_empty() {
        true => sentences.finish(file),
        false => Err(broken(line, "the file ends inside a tree")),
    }
}

/// Reads CCGbank's derivations: one a line, of whose leaves
/// `(<L category tag tag word category>)` the first category is the label.
pub(super) fn ccgbank(file: &Path, text: &str) -> Result<Extracted, Error> {
    let mut sentences = Sentences::default();
    for (line, content) in super::text::lines(text) {
        if !content.starts_with("(<") {
            continue;
        }
        for leaf in content.split("(<L ").skip(1) {
            let mut fields = leaf.split('>').next().unwrap_or(leaf).split_whitespace();
            let (category, word) = (fields.next(), fields.nth(2));
            let (Some(category), Some(word)) = (category, word) else {
                return Err(Error::Entry {
                    file: file.into(),
                    at: Spot::Line(line),
                    detail: format!("the leaf {leaf:?} has no word"),
                    help: "expected (<L category tag tag word category>)".to_owned(),
                });
            };
            sentences.word(line, plain(word), category);
        }
        sentences.end();
    }
    sentences.finish(file)
}

fn plain(word: &str) -> &str {
    BRACKETS.iter().find(|(written, _)| *written == word).map_or(word, |(_, meant)| meant)
}
