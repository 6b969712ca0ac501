//! From a task's files to a data set: which reader, labels, held-out split,
//! notes.

use super::columns::{self, Column, Columns};
use super::extract::{Width, extract};
use super::holdout;
use super::known::{Known, Layout, Tree};
use super::labels::{Labels, Part, groups};
use super::locate::Files;
use super::questions::{self, Form, Wanted};
use super::raw::{Extracted, Target};
use super::records::{self, Format, Records};
use super::words::{self, TagColumn};
use super::{ColumnChoice, Role};
use super::{Dataset, Error, Example, Label, Objective, grouped, parquet, present, text, trees};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use tupate_tasks::{Metric, TaskClass};

/// What is known of a task while its files are read.
struct Reading<'a> {
    files: &'a Files,
    choice: Option<&'a ColumnChoice>,
    /// The columns found in an earlier file of the task: every file must have
    /// the same.
    columns: Option<Columns>,
    notes: Vec<String>,
}

/// Reads the files of a task.
pub(super) fn assemble(
    files: Files,
    choice: Option<&ColumnChoice>,
    seed: u64,
) -> Result<Dataset, Error> {
    let mut reading = Reading { files: &files, choice, columns: None, notes: Vec::new() };
    let train_parts = reading.parts(&files.train, "train")?;
    let dev_parts = reading.parts(&files.dev, "dev")?;
    let Reading { columns, mut notes, .. } = reading;
    let objective = one_objective(&files, &train_parts, &dev_parts)?;
    let train_file = train_parts.first().map(|part| part.file.clone()).unwrap_or_default();

    let with_table = files.known.filter(|known| !known.labels.is_empty());
    let mut labels = match (objective, with_table) {
        (Objective::Regression | Objective::SpanExtraction, _) => Labels::none(),
        (_, Some(known)) => Labels::of_table(known),
        (_, None) => Labels::of_file(&train_parts, columns.as_ref(), objective)?,
    };
    if objective == Objective::TokenClassification {
        notes.extend(labels.add_unseen_tags(&dev_parts));
    }
    let metric = metric(&files, objective, &train_parts, &dev_parts)?;
    let groups = groups(&train_parts);
    let mut train = labels.examples(&files.task, train_parts)?;
    let there = present(&train, labels.names.len());
    refuse_sameness(&train_file, objective, &train, &labels.of(&there))?;
    let dev = if files.dev.is_empty() {
        let split = match objective {
            Objective::Classification => holdout::by_class(train, labels.names.len(), seed)
                .map_err(|class| {
                    let label = labels.names[class].clone();
                    Error::TooFewToHoldOut { file: train_file.clone(), label }
                })?,
            Objective::SpanExtraction => holdout::by_group(train, &groups, seed)
                .ok_or(Error::TooFewToSplit { file: train_file, what: "articles or texts" })?,
            _ => holdout::at_random(train, seed)
                .ok_or(Error::TooFewToSplit { file: train_file, what: "examples" })?,
        };
        notes.push(format!(
            "dev: no file for it; {} of the {} training examples are held out, {}, drawn with seed \
             {seed}",
            grouped(split.held.len()),
            grouped(split.kept.len() + split.held.len()),
            split.how,
        ));
        if let Some(info) = files.info {
            notes.push(format!(
                "a score on them is no score on the development set of {}",
                info.name
            ));
        }
        train = split.kept;
        split.held
    } else {
        if objective == Objective::Classification {
            labels.refuse_unseen(&there, &dev_parts)?;
        }
        labels.examples(&files.task, dev_parts)?
    };
    let both = shared(&train, &dev);
    if both > 0 {
        let (both, of) = (grouped(both), grouped(dev.len()));
        notes.push(format!("{both} of the {of} dev examples are training examples, too"));
    }
    if files.known.is_none() && !labels.names.is_empty() {
        notes.push(format!("classes: {}", labels.names.join(", ")));
    }
    Ok(Dataset {
        name: files.info.map_or_else(|| files.task.clone(), |info| info.name.to_owned()),
        class: files.info.map_or_else(|| class(objective), |info| info.class),
        family: files.info.map_or("own", |info| info.family).to_owned(),
        objective,
        metric,
        task: files.task,
        label_names: labels.names,
        train_available: train.len(),
        train,
        dev,
        licence: files.known.map(|known| known.licence.to_owned()),
        notes,
    })
}

impl Reading<'_> {
    fn parts(&mut self, paths: &[PathBuf], split: &'static str) -> Result<Vec<Part>, Error> {
        let parts = paths.iter().map(|file| self.part(file, split));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        for part in &parts {
            let count = grouped(part.rows.len());
            self.notes.push(format!("{split}: {} ({count} examples)", part.file.display()));
        }
        Ok(parts)
    }

    /// Reads one file.
    fn part(&mut self, file: &Path, split: &'static str) -> Result<Part, Error> {
        let found = match self.files.known.map(|known| (known, known.objective)) {
            Some((known, Objective::SpanExtraction)) => self.known_questions(file, known, split)?,
            Some((known, Objective::TokenClassification)) => self.known_words(file, known)?,
            Some((known, _)) => self.known_texts(file, known)?,
            None => self.own(file, split)?,
        };
        for note in found.notes {
            self.notes.push(format!("{}: {note}", file.display()));
        }
        Ok(Part { file: file.to_owned(), rows: found.rows })
    }

    fn known_questions(
        &mut self,
        file: &Path,
        known: &'static Known,
        split: &'static str,
    ) -> Result<Extracted, Error> {
        let own = known.layouts.iter().find_map(|layout| match layout {
            Layout::Questions { own } => *own,
            _ => None,
        });
        let wanted = Wanted { task: known.id, own, split };
        match Format::of(file) {
            // Tables, and whatever the user says the columns of.
            Some(Format::Csv | Format::Tsv) => self.records(file, Layout::never),
            Some(Format::JsonLines | Format::Json | Format::Parquet) if self.choice.is_some() => {
                self.records(file, Layout::never)
            }
            Some(Format::Parquet) => questions::read_parquet(file, wanted),
            _ => questions::read(file, &text::read(file)?, wanted),
        }
    }

    fn known_words(&mut self, file: &Path, known: &'static Known) -> Result<Extracted, Error> {
        let words = known.layouts.iter().find_map(|layout| match layout {
            Layout::Words { word, tag, conllu, tree } => Some((*word, *tag, *conllu, *tree)),
            _ => None,
        });
        let (word, tag, conllu, tree) = words.unwrap_or((0, TagColumn::Last, "", None));
        if let Some(tree) = tree.filter(|tree| text::ends_in(file, tree_names(*tree))) {
            if let Some(choice) = self.choice {
                return Err(words::does_not_fit(file, choice));
            }
            let text = text::read(file)?;
            return match tree {
                Tree::Penn(up) => trees::penn(file, &text, up),
                Tree::Ccgbank => trees::ccgbank(file, &text),
            };
        }
        // No column of CoNLL-U has the labels of some tasks; the message says
        // so of the task's name.
        self.words(file, word, tag, if conllu.is_empty() { known.id } else { conllu })
    }

    /// A file of sentences, in columns or in lists.
    fn words(
        &mut self,
        file: &Path,
        word: usize,
        tag: TagColumn,
        conllu: &str,
    ) -> Result<Extracted, Error> {
        match Format::of(file) {
            Some(Format::JsonLines | Format::Json | Format::Parquet) => {
                self.records(file, Layout::never)
            }
            Some(Format::Conllu) => {
                let chosen = self.choice.and_then(|choice| choice.get(Role::Tag)).cloned();
                let unfit = |choice: &&ColumnChoice| {
                    choice.get(Role::Tag).is_none() || choice.any(&[Role::Words])
                };
                if let Some(choice) = self.choice.filter(unfit) {
                    return Err(words::does_not_fit(file, choice));
                }
                let column = chosen.unwrap_or_else(|| Column::named(conllu));
                let place = words::conllu_column(file, &column)?;
                if self.files.known.is_none() || self.choice.is_some() {
                    self.note_once(format!("columns of CoNLL-U: tag = {}", column.shown()));
                }
                words::conllu(file, &text::read(file)?, place)
            }
            _ => {
                let (word, tag) = match self.choice {
                    Some(choice) => words::chosen(file, choice, word, tag)?,
                    None => (word, tag),
                };
                if self.files.known.is_none() || self.choice.is_some() {
                    let shown = match tag {
                        TagColumn::Last => "the last one".to_owned(),
                        TagColumn::At(place) => (place + 1).to_string(),
                    };
                    self.note_once(format!("columns: word = {}, tag = {shown}", word + 1));
                }
                words::conll(file, &text::read(file)?, word, tag)
            }
        }
    }

    fn known_texts(&mut self, file: &Path, known: &'static Known) -> Result<Extracted, Error> {
        let mut found = self.records(file, |layout| {
            matches!(layout, Layout::Header { .. } | Layout::Places { .. })
        })?;
        // The hub numbers classes in the order of the table; files without the
        // classes' names in them have the bare numbers.
        if Format::of(file) == Some(Format::Parquet) {
            for row in &mut found.rows {
                let Target::Class(label) = &mut row.target else { continue };
                let is = |(spelled, name): &(&str, &str)| label == spelled || label == name;
                let numbered = label.parse().ok().and_then(|i: usize| known.labels.get(i));
                if let Some((spelled, _)) = numbered.filter(|_| !known.labels.iter().any(is)) {
                    *label = (*spelled).to_owned();
                }
            }
        }
        Ok(found)
    }

    fn own(&mut self, file: &Path, split: &'static str) -> Result<Extracted, Error> {
        let words = self.choice.is_some_and(|choice| choice.any(&[Role::Words, Role::Tag]));
        let format = match Format::of(file) {
            Some(format) => format,
            None if file.is_dir() => return Err(Error::IsFolder { path: file.to_owned() }),
            None if words => Format::Conll,
            // Who names columns says that it is a table.
            None if self.choice.is_some() => Format::Tsv,
            None => return Err(Error::UnknownFormat { file: file.to_owned() }),
        };
        let task = self.files.task.clone();
        let read = |form: Form, text: &str| {
            questions::read(file, text, Wanted { task: &task, own: Some(form), split })
        };
        match format {
            Format::Conll => self.words(file, 0, TagColumn::Last, ""),
            Format::Conllu => self.words(file, 0, TagColumn::Last, "upos"),
            Format::Json if self.choice.is_none() => {
                let text = text::read(file)?;
                if text.trim().is_empty() {
                    return Err(Error::EmptyFile { file: file.to_owned() });
                }
                match questions::form_of_document(file, &text)? {
                    Some(form) if form != Form::SquadRow => read(form, &text),
                    _ => self.table(file, records::parse(file, &text, format, true)?, None),
                }
            }
            Format::JsonLines if self.choice.is_none() => {
                let text = text::read(file)?;
                match questions::form_of_lines(&text) {
                    Some(form) if form != Form::SquadRow => read(form, &text),
                    _ => self.table(file, records::parse(file, &text, format, true)?, None),
                }
            }
            _ => self.records(file, Layout::never),
        }
    }

    /// A file of records; `of` says which of the task's layouts may describe it.
    fn records(&mut self, file: &Path, of: fn(&Layout) -> bool) -> Result<Extracted, Error> {
        let by_place = self.choice.is_some_and(ColumnChoice::by_place);
        if Format::of(file) == Some(Format::Parquet) {
            let records = records::objects(file, parquet::objects(file)?)?;
            let layout = self.layout(of, None);
            return self.table(file, records, layout);
        }
        let text = text::read(file)?;
        let format = match (Format::of(file), self.files.known) {
            // Distributed files end in .txt or in nothing, too; most are TSV,
            // and some of those that end in .csv.
            (None, Some(_)) if text.trim_start().starts_with('{') => Format::JsonLines,
            (Some(Format::Csv), Some(_)) if first_line(&text).contains('\t') => Format::Tsv,
            (Some(format @ (Format::Tsv | Format::Csv | Format::JsonLines | Format::Json)), _) => {
                format
            }
            _ if first_line(&text).contains('\t') || self.choice.is_none() => Format::Tsv,
            _ => Format::Csv,
        };
        let layout = match self.choice {
            Some(_) => None,
            None => self.layout(of, Some((format, first_line(&text)))),
        };
        let header = !by_place && !matches!(layout, Some(Layout::Places { .. }));
        let records = records::parse(file, &text, format, header)?;
        self.table(file, records, layout)
    }

    /// The layout of the task's table that fits a file: by its first line,
    /// where there are several.
    fn layout(&self, of: fn(&Layout) -> bool, text: Option<(Format, &str)>) -> Option<Layout> {
        let known = self.files.known?;
        let several = known.layouts.len() > 1;
        let fits = |layout: &&Layout| match (layout, text) {
            (Layout::Places { .. }, text) => matches!(text, Some((Format::Tsv, _))),
            (Layout::Header { first, label, .. }, Some((Format::Tsv | Format::Csv, line))) => {
                let has = |names: &[&str]| {
                    names
                        .iter()
                        .any(|name| line.split(['\t', ',']).any(|cell| cell.trim() == *name))
                };
                !several || (has(first) && has(label))
            }
            _ => true,
        };
        known.layouts.iter().filter(|layout| of(layout)).find(fits).copied()
    }

    fn table(
        &mut self,
        file: &Path,
        records: Records,
        layout: Option<Layout>,
    ) -> Result<Extracted, Error> {
        let known = self.files.known;
        let score = known.is_some_and(|known| known.objective == Objective::Regression);
        let columns = match (layout.and_then(|layout| layout.columns(score)), &self.columns) {
            (Some(columns), _) => columns,
            (None, Some(columns)) => columns.clone(),
            (None, None) => {
                let columns = columns::guess(file, &records, self.choice)?;
                let how = match self.choice {
                    None => "columns, guessed from their names",
                    Some(_) => "columns",
                };
                let left = columns::unused(&records, &columns);
                self.notes.push(format!("{how}: {}{left}", columns.shown()));
                self.columns.insert(columns).clone()
            }
        };
        if let Some(known) = known.filter(|known| columns::objective(&columns) != known.objective) {
            return Err(Error::OtherObjective {
                file: file.to_owned(),
                task: known.id.to_owned(),
                found: columns::objective(&columns).holds(),
                expected: known.objective.asks(),
            });
        }
        let width = match layout {
            Some(Layout::Places { width, more: false, .. }) => Width::Exactly(width),
            Some(Layout::Places { width, more: true, .. }) => Width::AtLeast(width),
            _ => Width::First,
        };
        let mut leniency = known.map(Known::leniency).unwrap_or_default();
        if Format::of(file) == Some(Format::Parquet) && leniency.unlabelled.is_some() {
            leniency.unlabelled = Some("-1");
        }
        extract(file, records, &columns, width, leniency)
    }

    fn note_once(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// The extensions of files of trees.
fn tree_names(tree: Tree) -> &'static [&'static str] {
    match tree {
        Tree::Penn(_) => &[".ptb", ".mrg"],
        Tree::Ccgbank => &[".auto"],
    }
}

fn first_line(text: &str) -> &str {
    text::lines(text).map(|(_, line)| line).find(|line| !line.is_empty()).unwrap_or("")
}

fn class(objective: Objective) -> TaskClass {
    match objective {
        Objective::Classification | Objective::Regression => TaskClass::ClassificationRegression,
        Objective::SpanExtraction => TaskClass::QuestionAnswering,
        Objective::TokenClassification => TaskClass::SequenceLabelling,
    }
}

/// What the files hold: all of them the same.
fn one_objective(files: &Files, train: &[Part], dev: &[Part]) -> Result<Objective, Error> {
    let of = |part: &Part| part.rows.first().map(|row| row.target.objective());
    let objectives = || train.iter().chain(dev).filter_map(|part| Some((part, of(part)?)));
    let Some((first, objective)) = objectives().next() else {
        return Err(Error::NoExamples { file: files.train.first().cloned().unwrap_or_default() });
    };
    match objectives().find(|(_, other)| *other != objective) {
        None => Ok(objective),
        Some((part, other)) => Err(Error::TwoObjectives {
            file: first.file.clone(),
            train: objective.holds(),
            dev_file: part.file.clone(),
            dev: other.holds(),
        }),
    }
}

/// The task's metric; for labelled words of one's own, spans count whole where
/// all labels are those of spans.
fn metric(
    files: &Files,
    objective: Objective,
    train: &[Part],
    dev: &[Part],
) -> Result<Metric, Error> {
    let parts = || train.iter().chain(dev);
    let metric = match (files.info, objective) {
        (Some(info), _) => info.metric,
        (None, Objective::Classification) => return Ok(Metric::Accuracy),
        (None, Objective::Regression) => return Ok(Metric::PearsonSpearman),
        (None, Objective::SpanExtraction) => return Ok(Metric::TokenF1),
        (None, Objective::TokenClassification) => {
            let tags = || parts().flat_map(|part| &part.rows).flat_map(|row| row.target.spelled());
            return Ok(match tags().all(|tag| is_span_tag(tag)) && tags().any(|tag| tag != "O") {
                true => Metric::SpanF1,
                false => Metric::Accuracy,
            });
        }
    };
    if metric == Metric::SpanF1 {
        for part in parts() {
            for row in &part.rows {
                if let Some(i) = row.target.spelled().iter().position(|tag| !is_span_tag(tag)) {
                    let (file, at) = (part.file.clone(), row.at(i));
                    return Err(Error::NoSpanTag {
                        file,
                        at,
                        tag: row.target.spelled()[i].clone(),
                    });
                }
            }
        }
    }
    Ok(metric)
}

/// `O`, or a letter of the schemes IOB, IOE, IOBES and BILOU, and a type.
fn is_span_tag(tag: &str) -> bool {
    tag == "O"
        || matches!(tag.split_once('-'), Some(("B" | "I" | "E" | "S" | "L" | "U", kind)) if !kind.is_empty())
}

/// Training examples that are all alike teach nothing.
fn refuse_sameness(
    file: &Path,
    objective: Objective,
    train: &[Example],
    there: &[&str],
) -> Result<(), Error> {
    let file = || file.to_owned();
    match objective {
        Objective::Classification | Objective::TokenClassification => match there {
            [only] => Err(Error::OneClass { file: file(), label: (*only).to_owned() }),
            _ => Ok(()),
        },
        Objective::Regression => match train.first().map(|example| &example.label) {
            Some(Label::Score(score)) if train.iter().all(|e| e.label == Label::Score(*score)) => {
                Err(Error::OneScore { file: file(), score: *score })
            }
            _ => Ok(()),
        },
        Objective::SpanExtraction => {
            let none =
                |e: &Example| matches!(&e.label, Label::Answers(answers) if answers.is_empty());
            match train.iter().all(none) {
                true => Err(Error::NothingAnswerable { file: file(), questions: train.len() }),
                false => Ok(()),
            }
        }
    }
}

/// How many of `dev` have the very texts of a training example.
fn shared(train: &[Example], dev: &[Example]) -> usize {
    let seen: HashSet<_> = train.iter().map(|example| example.input.texts()).collect();
    dev.iter().filter(|example| seen.contains(&example.input.texts())).count()
}
