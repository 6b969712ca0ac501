//! Which reader a task's file is for, and which columns it has.

use super::columns::{self, Column, Columns};
use super::extract::{Width, extract};
use super::known::{Known, Layout, Tree};
use super::labels::Part;
use super::locate::Files;
use super::questions::{self, Form, Wanted};
use super::raw::{Extracted, Target};
use super::records::{self, Format, Records};
use super::words::{self, TagColumn};
use super::{ColumnChoice, Error, Objective, Role, grouped, json, parquet, text, trees};
use std::path::{Path, PathBuf};

/// What is known of a task while its files are read.
pub(super) struct Reading<'a> {
    pub(super) files: &'a Files,
    pub(super) choice: Option<&'a ColumnChoice>,
    /// The columns found in an earlier file of the task: every file must have
    /// the same.
    pub(super) columns: Option<Columns>,
    pub(super) notes: Vec<String>,
}

impl Reading<'_> {
    /// Reads the files of one split.
    pub(super) fn parts(
        &mut self,
        paths: &[PathBuf],
        split: &'static str,
    ) -> Result<Vec<Part>, Error> {
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
                let text = text::read(file)?;
                let column = Column::named(conllu);
                if self.choice.is_none()
                    && words::is_conllu(&text)
                    && let Ok(place) = words::conllu_column(file, &column)
                {
                    let shown = column.shown();
                    self.note_once(format!("its lines are those of CoNLL-U: tag = {shown}"));
                    return words::conllu(file, &text, place);
                }
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
                words::conll(file, &text, word, tag)
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
        let words = self.choice.filter(|choice| choice.any(&[Role::Words, Role::Tag]));
        let format = match Format::of(file) {
            // The cells of a table hold no lists: such places are those of a word a line.
            Some(Format::Tsv | Format::Csv) if words.is_some_and(ColumnChoice::by_place) => {
                Format::Conll
            }
            Some(format) => format,
            None if file.is_dir() => return Err(Error::IsFolder { path: file.to_owned() }),
            None if words.is_some() => Format::Conll,
            // Who names columns says that it is a table.
            None if self.choice.is_some() => Format::Tsv,
            None => return Err(Error::UnknownFormat { file: file.to_owned() }),
        };
        let task = self.files.task.clone();
        let read = |form: Form, text: &str| {
            questions::read(file, text, Wanted { task: &task, own: Some(form), split })
        };
        match format {
            Format::Conll | Format::Conllu => self.words(file, 0, TagColumn::Last, "upos"),
            Format::Json | Format::JsonLines if self.choice.is_none() => {
                let text = text::read(file)?;
                if text.trim().is_empty() {
                    return Err(Error::EmptyFile { file: file.to_owned() });
                }
                let (format, form) = match format == Format::JsonLines || json::is_lines(&text) {
                    true => (Format::JsonLines, questions::form_of_lines(&text)),
                    false => (Format::Json, questions::form_of_document(file, &text)?),
                };
                match form {
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
            (Some(Format::Json), _) if json::is_lines(&text) => Format::JsonLines,
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
        let header = match by_place {
            true => is_numbering(format, first_line(&text)),
            false => !matches!(layout, Some(Layout::Places { .. })),
        };
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
            (
                Layout::Header { first, label, .. },
                Some((format @ (Format::Tsv | Format::Csv), line)),
            ) => {
                let has = |names: &[&str]| header(format, line).any(|cell| names.contains(&cell));
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
        if self.choice.is_some_and(ColumnChoice::by_place) {
            columns::refuse_header(file, &records, &columns)?;
        }
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

/// The names in a table's first line, if it is a header.
fn header(format: Format, line: &str) -> impl Iterator<Item = &str> {
    let (delimiter, quote) = if format == Format::Csv { (',', "\"") } else { ('\t', "") };
    line.split(delimiter).map(move |cell| {
        let cell = cell.trim();
        cell.strip_prefix(quote).and_then(|cell| cell.strip_suffix(quote)).unwrap_or(cell)
    })
}

/// Whether a table's first line is `0,1,2`, as libraries write it for columns that
/// have no names: a header, though it names none.
fn is_numbering(format: Format, line: &str) -> bool {
    matches!(format, Format::Tsv | Format::Csv)
        && header(format, line).enumerate().all(|(i, name)| name == i.to_string())
}

fn first_line(text: &str) -> &str {
    text::lines(text).map(|(_, line)| line).find(|line| !line.is_empty()).unwrap_or("")
}
