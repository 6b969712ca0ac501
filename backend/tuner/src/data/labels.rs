//! From spelled labels to numbered classes.

use super::columns::Columns;
use super::known::Known;
use super::raw::{Group, Raw, Target};
use super::{Error, Example, Label, Objective, counted};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// More classes than this, and more than half as many as examples, are taken
/// for free text.
const MANY_CLASSES: usize = 20;

/// One file's examples.
pub(super) struct Part {
    pub(super) file: PathBuf,
    pub(super) rows: Vec<Raw>,
}

/// By example of all parts: which are about one text. A number is one of its
/// file, given with it; a text may go on in the next file.
pub(super) fn groups(parts: &[Part]) -> Vec<(usize, Group)> {
    let file_of = |group, i| if matches!(group, Group::Nth(_)) { i } else { 0 };
    let of = |(i, part): (usize, &Part)| -> Vec<_> {
        part.rows.iter().map(|row| (file_of(row.group, i), row.group)).collect()
    };
    parts.iter().enumerate().flat_map(of).collect()
}

/// A task's classes: how files spell them and what they are called.
pub(super) struct Labels {
    /// By class: what stands in the files.
    spelled: Vec<String>,
    /// By class: the name.
    pub(super) names: Vec<String>,
    /// Fixed by a table rather than found in the training file.
    fixed: bool,
}

/// The finite number that a label spells.
fn number(label: &str) -> Option<f64> {
    label.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Labels that are all numbers are classes only if they count something.
fn refuse_fractions(parts: &[Part], columns: Option<&Columns>) -> Result<(), Error> {
    for part in parts {
        let fraction = |row: &&Raw| match &row.target {
            Target::Class(label) => number(label).is_some_and(|n| n.fract() != 0.0),
            _ => false,
        };
        if let Some(row) = part.rows.iter().find(fraction) {
            return Err(Error::FractionalLabel {
                file: part.file.clone(),
                at: row.at.clone(),
                column: columns.map_or_else(String::new, |columns| columns.label().shown()),
                label: row.target.spelled()[0].clone(),
            });
        }
    }
    Ok(())
}

impl Labels {
    /// No classes: scores and answers.
    pub(super) fn none() -> Self {
        Self { spelled: Vec::new(), names: Vec::new(), fixed: true }
    }

    pub(super) fn of_table(known: &Known) -> Self {
        let spelled = known.labels.iter().map(|(spelled, _)| (*spelled).to_owned()).collect();
        Self { spelled, names: known.label_names(), fixed: true }
    }

    pub(super) fn of_file(
        parts: &[Part],
        columns: Option<&Columns>,
        objective: Objective,
    ) -> Result<Self, Error> {
        let file = || parts.first().map(|part| part.file.clone()).unwrap_or_default();
        let spelled = || parts.iter().flat_map(|part| &part.rows).flat_map(|r| r.target.spelled());
        let distinct: BTreeSet<&str> = spelled().map(String::as_str).collect();
        let (classes, rows) = (distinct.len(), spelled().count());
        let numbers = distinct.iter().all(|name| number(name).is_some());
        if numbers {
            refuse_fractions(parts, columns)?;
        }
        if classes > MANY_CLASSES && classes * 2 > rows {
            if objective == Objective::TokenClassification {
                return Err(Error::TooManyTags { file: file(), classes, words: rows });
            }
            return Err(Error::TooManyClasses {
                file: file(),
                column: columns.map_or_else(String::new, |columns| columns.label().shown()),
                classes,
                rows,
                numbers,
            });
        }
        let mut names: Vec<String> = distinct.into_iter().map(str::to_owned).collect();
        if numbers {
            // A stable sort: 1 and 1.0 keep the order of their spelling.
            names.sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(Ordering::Equal));
        }
        Ok(Self { spelled: names.clone(), names, fixed: false })
    }

    /// Adds the labels of words that only the development files have: a rare
    /// tag that training never shows is a miss, not a mistake in the file.
    /// Gives a note about them.
    pub(super) fn add_unseen_tags(&mut self, parts: &[Part]) -> Option<String> {
        if self.fixed {
            return None;
        }
        let tags = || parts.iter().flat_map(|part| &part.rows).flat_map(|r| r.target.spelled());
        let unseen: BTreeSet<String> =
            tags().filter(|tag| self.class(tag).is_none()).cloned().collect();
        if unseen.is_empty() {
            return None;
        }
        let words = tags().filter(|tag| unseen.contains(*tag)).count();
        let shown: Vec<_> = unseen.iter().map(String::as_str).collect();
        let note = format!(
            "dev: labels that training never shows: {} ({})",
            shown.join(", "),
            counted(words, "word")
        );
        self.names.extend(unseen);
        self.spelled.clone_from(&self.names);
        Some(note)
    }

    /// The names of the classes that `there` marks.
    pub(super) fn of(&self, there: &[bool]) -> Vec<&str> {
        let marked = self.names.iter().zip(there).filter(|(_, there)| **there);
        marked.map(|(name, _)| name.as_str()).collect()
    }

    fn class(&self, label: &str) -> Option<usize> {
        let find = |names: &[String]| names.iter().position(|name| name == label);
        find(&self.spelled).or_else(|| find(&self.names))
    }

    /// The examples of all parts, in order.
    pub(super) fn examples(&self, task: &str, parts: Vec<Part>) -> Result<Vec<Example>, Error> {
        let mut examples = Vec::with_capacity(parts.iter().map(|part| part.rows.len()).sum());
        for part in parts {
            let file = part.file;
            for row in part.rows {
                let class = |j: usize, label: &str| match self.class(label) {
                    Some(class) => Ok(class as u32),
                    None => Err(self.unknown(task, file.clone(), &row, j, label)),
                };
                let label = match &row.target {
                    Target::Class(label) => Label::Class(class(0, label)?),
                    Target::Score(score) => Label::Score(*score),
                    Target::Answers(answers) => Label::Answers(answers.clone()),
                    Target::Tags(tags, _) => {
                        let tags = tags.iter().enumerate().map(|(j, tag)| class(j, tag));
                        Label::Tags(tags.collect::<Result<_, _>>()?)
                    }
                };
                examples.push(Example { input: row.input, label });
            }
        }
        Ok(examples)
    }

    fn unknown(&self, task: &str, file: PathBuf, row: &Raw, i: usize, label: &str) -> Error {
        let (at, label, known) = (row.at(i), label.to_owned(), self.spelled.clone());
        match self.fixed {
            true => Error::UnknownLabel { file, at, task: task.to_owned(), label, known },
            false => Error::UnseenLabel { file, at, label, known },
        }
    }

    /// A class of the table that is in the development file only.
    pub(super) fn refuse_unseen(&self, there: &[bool], parts: &[Part]) -> Result<(), Error> {
        for part in parts {
            for row in &part.rows {
                for (i, label) in row.target.spelled().iter().enumerate() {
                    if self.class(label).is_some_and(|class| !there[class]) {
                        let known = self.of(there).into_iter().map(str::to_owned).collect();
                        let (file, at, label) = (part.file.clone(), row.at(i), label.clone());
                        return Err(Error::UnseenLabel { file, at, label, known });
                    }
                }
            }
        }
        Ok(())
    }
}
