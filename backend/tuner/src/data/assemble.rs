//! From a task's files to a data set: labels, held-out split, notes.

use super::columns::{self, Columns, Extracted, Leniency, Raw};
use super::draw::{Draw, Purpose};
use super::known::{Known, Layout};
use super::locate::Files;
use super::records::{self, Format};
use super::{Dataset, Error, Example, Input, Label, Objective, grouped, present, text};
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use tupate_tasks::{Metric, TaskClass};

/// One example in `HELD_OUT` is held out where there is no development file.
const HELD_OUT: usize = 10;

/// More classes than this, and more than half as many as examples, are taken
/// for free text.
const MANY_CLASSES: usize = 20;

/// One file's examples.
struct Part {
    file: PathBuf,
    rows: Vec<Raw>,
}

/// Reads the files of a task.
pub(super) fn assemble(files: Files, seed: u64) -> Result<Dataset, Error> {
    let mut notes = Vec::new();
    let mut columns = None;
    let mut read = |paths: &[PathBuf], split, notes: &mut Vec<String>| {
        let parts = paths
            .iter()
            .map(|file| part(file, files.known, &mut columns, notes))
            .collect::<Result<Vec<_>, _>>()?;
        for part in &parts {
            let count = grouped(part.rows.len());
            notes.push(format!("{split}: {} ({count} examples)", part.file.display()));
        }
        Ok::<_, Error>(parts)
    };
    let train_parts = read(&files.train, "train", &mut notes)?;
    let dev_parts = read(&files.dev, "dev", &mut notes)?;
    let labels = match files.known {
        Some(known) => Labels::of_table(known),
        None => Labels::of_file(&train_parts, columns.as_ref())?,
    };
    let mut train = labels.examples(&files.task, &train_parts)?;
    let there = present(&train, labels.names.len());
    if let [only] = labels.of(&there).as_slice() {
        let file = train_parts.first().map(|part| part.file.clone()).unwrap_or_default();
        return Err(Error::OneClass { file, label: (*only).to_owned() });
    }
    let dev = if files.dev.is_empty() {
        let (kept, held) = hold_out(train, labels.names.len(), seed).map_err(|class| {
            let file = train_parts.first().map(|part| part.file.clone()).unwrap_or_default();
            Error::TooFewToHoldOut { file, label: labels.names[class].clone() }
        })?;
        notes.push(format!(
            "dev: no file for it; {} of the {} training examples are held out, one in {HELD_OUT} of \
             each class, drawn with seed {seed}",
            grouped(held.len()),
            grouped(kept.len() + held.len()),
        ));
        train = kept;
        held
    } else {
        let dev = labels.examples(&files.task, &dev_parts)?;
        labels.refuse_unseen(&there, &dev_parts)?;
        dev
    };
    let both = shared(&train, &dev);
    if both > 0 {
        let (both, of) = (grouped(both), grouped(dev.len()));
        notes.push(format!("{both} of the {of} dev examples are training examples, too"));
    }
    if files.known.is_none() {
        notes.push(format!("classes: {}", labels.names.join(", ")));
    }
    Ok(Dataset {
        name: files.info.map_or_else(|| files.task.clone(), |info| info.name.to_owned()),
        class: files.info.map_or(TaskClass::ClassificationRegression, |info| info.class),
        family: files.info.map_or("own", |info| info.family).to_owned(),
        objective: Objective::Classification,
        metric: files.info.map_or(Metric::Accuracy, |info| info.metric),
        task: files.task,
        label_names: labels.names,
        train_available: train.len(),
        train,
        dev,
        licence: files.known.map(|known| known.licence.to_owned()),
        notes,
    })
}

/// Reads one file. `chosen` are the columns guessed from an earlier file of
/// the task: every file must have the same.
fn part(
    file: &Path,
    known: Option<&'static Known>,
    chosen: &mut Option<Columns>,
    notes: &mut Vec<String>,
) -> Result<Part, Error> {
    let format = match (Format::of(file), known) {
        (Some(format), _) => format,
        // Distributed files end in .txt or in nothing, too; all are TSV.
        (None, Some(_)) => Format::Tsv,
        (None, None) if file.is_dir() => return Err(Error::IsFolder { path: file.to_owned() }),
        (None, None) => return Err(Error::UnknownFormat { file: file.to_owned() }),
    };
    let text = text::read(file)?;
    // A table without a header has one again when it was converted.
    let known_layout = known.filter(|known| match known.layout {
        Layout::Header { .. } => true,
        Layout::Places { .. } => format == Format::Tsv,
    });
    let width = known_layout.and_then(|known| match known.layout {
        Layout::Places { width, .. } => Some(width),
        Layout::Header { .. } => None,
    });
    let records = records::parse(file, &text, format, width)?;
    let columns = match (known_layout, &*chosen) {
        (Some(known), _) => known.columns(),
        (None, Some(columns)) => columns.clone(),
        (None, None) => {
            let columns = columns::guess(file, &records)?;
            notes.push(format!("columns, guessed from their names: {}", columns.shown()));
            chosen.insert(columns).clone()
        }
    };
    let leniency = known.map_or(Leniency::default(), Known::leniency);
    let found = columns::extract(file, records, &columns, width, leniency)?;
    note_passed_over(file, &found, notes);
    Ok(Part { file: file.to_owned(), rows: found.rows })
}

fn note_passed_over(file: &Path, found: &Extracted, notes: &mut Vec<String>) {
    for (count, what) in
        [(found.broken, "with a broken or an empty text"), (found.unlabelled, "without a label")]
    {
        if count > 0 {
            let lines = if count == 1 { "line" } else { "lines" };
            let count = grouped(count);
            notes.push(format!("{}: passed over {count} {lines} {what}", file.display()));
        }
    }
}

/// The finite number that a label spells.
fn number(label: &str) -> Option<f64> {
    label.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Labels that are all numbers are classes only if they count something.
fn refuse_fractions(parts: &[Part], columns: Option<&Columns>) -> Result<(), Error> {
    for part in parts {
        let fraction = |row: &&Raw| number(&row.label).is_some_and(|n| n.fract() != 0.0);
        if let Some(row) = part.rows.iter().find(fraction) {
            return Err(Error::FractionalLabel {
                file: part.file.clone(),
                line: row.line,
                column: columns.map_or_else(String::new, |columns| columns.label.shown()),
                label: row.label.clone(),
            });
        }
    }
    Ok(())
}

/// A task's classes: how files spell them and what they are called.
struct Labels {
    /// By class: what stands in the files.
    spelled: Vec<String>,
    /// By class: the name.
    names: Vec<String>,
    /// Fixed by a table rather than found in the training file.
    fixed: bool,
}

impl Labels {
    fn of_table(known: &Known) -> Self {
        let spelled = known.labels.iter().map(|(spelled, _)| (*spelled).to_owned()).collect();
        Self { spelled, names: known.label_names(), fixed: true }
    }

    fn of_file(parts: &[Part], columns: Option<&Columns>) -> Result<Self, Error> {
        let rows = || parts.iter().flat_map(|part| &part.rows);
        let distinct: BTreeSet<&str> = rows().map(|row| row.label.as_str()).collect();
        let (classes, rows) = (distinct.len(), rows().count());
        if classes > MANY_CLASSES && classes * 2 > rows {
            return Err(Error::TooManyClasses {
                file: parts.first().map(|part| part.file.clone()).unwrap_or_default(),
                column: columns.map_or_else(String::new, |columns| columns.label.shown()),
                classes,
                rows,
            });
        }
        let mut names: Vec<String> = distinct.into_iter().map(str::to_owned).collect();
        if names.iter().all(|name| number(name).is_some()) {
            refuse_fractions(parts, columns)?;
            // A stable sort: 1 and 1.0 keep the order of their spelling.
            names.sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(Ordering::Equal));
        }
        Ok(Self { spelled: names.clone(), names, fixed: false })
    }

    /// The names of the classes that `there` marks.
    fn of(&self, there: &[bool]) -> Vec<&str> {
        let marked = self.names.iter().zip(there).filter(|(_, there)| **there);
        marked.map(|(name, _)| name.as_str()).collect()
    }

    fn class(&self, label: &str) -> Option<usize> {
        let find = |names: &[String]| names.iter().position(|name| name == label);
        find(&self.spelled).or_else(|| find(&self.names))
    }

    fn examples(&self, task: &str, parts: &[Part]) -> Result<Vec<Example>, Error> {
        let mut examples = Vec::with_capacity(parts.iter().map(|part| part.rows.len()).sum());
        for part in parts {
            for row in &part.rows {
                let class = self.class(&row.label).ok_or_else(|| self.unknown(task, part, row))?;
                let input = match &row.second {
                    Some(second) => Input::Pair(row.first.clone(), second.clone()),
                    None => Input::Single(row.first.clone()),
                };
                examples.push(Example { input, label: Label::Class(class as u32) });
            }
        }
        Ok(examples)
    }

    fn unknown(&self, task: &str, part: &Part, row: &Raw) -> Error {
        let (file, line, label) = (part.file.clone(), row.line, row.label.clone());
        let known = self.spelled.clone();
        match self.fixed {
            true => Error::UnknownLabel { file, line, task: task.to_owned(), label, known },
            false => Error::UnseenLabel { file, line, label, known },
        }
    }

    /// A class of the table that is in the development file only.
    fn refuse_unseen(&self, there: &[bool], parts: &[Part]) -> Result<(), Error> {
        let unseen = |row: &Raw| self.class(&row.label).is_some_and(|class| !there[class]);
        for part in parts {
            if let Some(row) = part.rows.iter().find(|row| unseen(row)) {
                let known = self.of(there).into_iter().map(str::to_owned).collect();
                let (file, line, label) = (part.file.clone(), row.line, row.label.clone());
                return Err(Error::UnseenLabel { file, line, label, known });
            }
        }
        Ok(())
    }
}

/// Splits one in [`HELD_OUT`] of every class off, at least one; both halves
/// keep the file's order. `Err` is a class that has one example only.
fn hold_out(
    examples: Vec<Example>,
    classes: usize,
    seed: u64,
) -> Result<(Vec<Example>, Vec<Example>), usize> {
    let mut draw = Draw::new(seed, Purpose::HoldOut);
    let mut of_class = vec![Vec::new(); classes];
    for (i, example) in examples.iter().enumerate() {
        for class in example.label.classes() {
            of_class[*class as usize].push(i);
        }
    }
    let mut held = HashSet::new();
    for (class, members) in of_class.iter_mut().enumerate() {
        if members.len() == 1 {
            return Err(class);
        }
        draw.shuffle(members);
        let count = ((members.len() + HELD_OUT / 2) / HELD_OUT).max(1);
        held.extend(members.iter().take(count).copied());
    }
    let (mut kept, mut out) = (Vec::new(), Vec::new());
    for (i, example) in examples.into_iter().enumerate() {
        if held.contains(&i) { &mut out } else { &mut kept }.push(example);
    }
    Ok((kept, out))
}

/// How many of `dev` have the very texts of a training example.
fn shared(train: &[Example], dev: &[Example]) -> usize {
    let seen: HashSet<_> = train.iter().map(|example| example.input.texts()).collect();
    dev.iter().filter(|example| seen.contains(&example.input.texts())).count()
}
