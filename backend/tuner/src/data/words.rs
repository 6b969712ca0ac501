//! Sentences of labelled words: CoNLL-style columns and CoNLL-U.

use super::columns::Column;
use super::error::Spot;
use super::raw::{Extracted, Group, Raw, Target};
use super::text::lines;
use super::{ColumnChoice, Role};
use super::{Error, Input};
use std::path::Path;

/// Which column of a CoNLL-style file holds the labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagColumn {
    /// The last one.
    Last,
    /// The one at this place, from 0.
    At(usize),
}

/// The columns of CoNLL-U that may be asked for by name, with their places.
const CONLLU: [(&str, usize); 3] = [("upos", 3), ("xpos", 4), ("deprel", 7)];

/// Columns of a line of CoNLL-U.
const CONLLU_WIDTH: usize = 10;

/// The marker of a new document in the files of the CoNLL-2003 task.
const DOCUMENT: &str = "-DOCSTART-";

/// What CoNLL-U writes where a value is not given.
const UNSPECIFIED: &str = "_";

/// Sentences as they are gathered.
#[derive(Default)]
pub(super) struct Sentences {
    found: Extracted,
    words: Vec<String>,
    tags: Vec<String>,
    lines: Vec<usize>,
}

impl Sentences {
    pub(super) fn word(&mut self, line: usize, word: &str, tag: &str) {
        self.words.push(word.to_owned());
        self.tags.push(tag.to_owned());
        self.lines.push(line);
    }

    pub(super) fn end(&mut self) {
        let Some(first) = self.lines.first() else { return };
        self.found.rows.push(Raw {
            at: Spot::Line(*first),
            input: Input::Words(std::mem::take(&mut self.words)),
            target: Target::Tags(std::mem::take(&mut self.tags), std::mem::take(&mut self.lines)),
            group: Group::NONE,
        });
    }

    pub(super) fn finish(mut self, file: &Path) -> Result<Extracted, Error> {
        self.end();
        match self.found.rows.is_empty() {
            true => Err(Error::EmptyFile { file: file.into() }),
            false => Ok(self.found),
        }
    }
}

/// Reads a word and its label a line, columns separated by one tab each or by
/// any spaces, and a blank line (or one of spaces) after each sentence.
///
/// `#` is a word, too. A line that begins with it is a comment where it has not as
/// many columns as the words do, where it alone has a tab, and in front of a sentence
/// if every sentence has such a line in front.
pub(super) fn conll(
    file: &Path,
    text: &str,
    word: usize,
    tag: TagColumn,
) -> Result<Extracted, Error> {
    let first = lines(text)
        .map(|(_, line)| line)
        .find(|line| !line.trim().is_empty() && !line.starts_with('#') && !is_document(line))
        .unwrap_or("");
    let tabs = first.contains('\t');
    let width = columns(first, tabs).len();
    let needed = 1 + match tag {
        TagColumn::Last => word + 1,
        TagColumn::At(tag) => tag.max(word),
    };
    let in_front = if tabs { 0 } else { comments_in_front(text) };
    let mut sentences = Sentences::default();
    let mut passed = 0;
    for (line, content) in lines(text) {
        if content.trim().is_empty() || is_document(content) {
            sentences.end();
            passed = 0;
            continue;
        }
        passed += 1;
        let cells = columns(content, tabs);
        let found = cells.len();
        let alone = found != width || passed <= in_front || (!tabs && content.contains('\t'));
        if content.starts_with('#') && alone {
            continue;
        }
        let cell = |place: usize| cells.get(place).map_or("", |cell| cell.trim());
        let tag = match tag {
            TagColumn::Last => found.saturating_sub(1).max(needed - 1),
            TagColumn::At(place) => place,
        };
        let (word, tag) = (cell(word), cell(tag));
        if tag.is_empty() {
            let expected = needed.max(width);
            return Err(Error::NoTag {
                file: file.into(),
                line,
                word: word.into(),
                expected,
                found,
            });
        }
        if word.is_empty() {
            return Err(Error::NoWord { file: file.into(), line, expected: width, found });
        }
        if found != width {
            return Err(Error::WordColumns { file: file.into(), line, expected: width, found });
        }
        sentences.word(line, word, tag);
    }
    sentences.finish(file)
}

fn is_document(line: &str) -> bool {
    line.split_whitespace().next() == Some(DOCUMENT)
}

/// How many lines in front of every sentence begin as comments do.
fn comments_in_front(text: &str) -> usize {
    let (mut fewest, mut before, mut counting) = (usize::MAX, 0, true);
    for (_, line) in lines(text) {
        if line.trim().is_empty() || is_document(line) {
            (before, counting) = (0, true);
        } else if counting && line.starts_with("# ") {
            before += 1;
        } else if counting {
            (fewest, counting) = (fewest.min(before), false);
        }
    }
    if fewest == usize::MAX { 0 } else { fewest }
}

/// Whether the first word's line is one of CoNLL-U, whatever the file is called.
pub(super) fn is_conllu(text: &str) -> bool {
    let mut words = lines(text).map(|(_, line)| line);
    let first = words.find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let cells: Vec<_> = first.unwrap_or("").split('\t').collect();
    let is_first = |id: &str| id == "1" || id.starts_with("1-");
    cells.len() == CONLLU_WIDTH && is_first(cells[0])
}

fn columns(line: &str, tabs: bool) -> Vec<&str> {
    match tabs {
        true => line.split('\t').collect(),
        false => line.split_whitespace().collect(),
    }
}

/// The place of the column of CoNLL-U that holds the labels: by name, or by
/// its place from 0.
pub(super) fn conllu_column(file: &Path, column: &Column) -> Result<usize, Error> {
    let (place, shown) = match column {
        Column::At(place) => (Some(*place), (place + 1).to_string()),
        Column::Named(names) => {
            let name = names.first().map_or("", String::as_str);
            let known = CONLLU.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            (known.map(|(_, place)| *place), name.to_owned())
        }
    };
    place
        .filter(|place| *place < CONLLU_WIDTH)
        .ok_or_else(|| Error::ConlluColumn { file: file.into(), column: shown })
}

/// Reads CoNLL-U. Lines of multi-word tokens (`1-2`) and of empty nodes
/// (`1.1`) stand beside the words and are passed over.
pub(super) fn conllu(file: &Path, text: &str, tag: usize) -> Result<Extracted, Error> {
    let mut sentences = Sentences::default();
    for (line, content) in lines(text) {
        if content.trim().is_empty() {
            sentences.end();
            continue;
        }
        if content.starts_with('#') {
            continue;
        }
        let cells: Vec<_> = content.split('\t').collect();
        let found = cells.len();
        if found != CONLLU_WIDTH {
            return Err(Error::ConlluColumns { file: file.into(), line, found });
        }
        let is_number = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
        let id = cells[0];
        if let Some((first, last)) = id.split_once(['-', '.'])
            && is_number(first)
            && is_number(last)
        {
            continue;
        }
        if !is_number(id) {
            return Err(Error::ConlluId { file: file.into(), line, id: id.to_owned() });
        }
        let (word, tag) = (cells[1].trim(), cells[tag].trim());
        let (expected, word_owned) = (CONLLU_WIDTH, word.to_owned());
        if tag.is_empty() || tag == UNSPECIFIED {
            return Err(Error::NoTag {
                file: file.into(),
                line,
                word: word_owned,
                expected,
                found,
            });
        }
        if word.is_empty() {
            return Err(Error::NoWord { file: file.into(), line, expected, found });
        }
        sentences.word(line, word, tag);
    }
    sentences.finish(file)
}

/// Where the words and labels of a CoNLL-style file stand by the user's word.
pub(super) fn chosen(
    file: &Path,
    choice: &ColumnChoice,
    word: usize,
    tag: TagColumn,
) -> Result<(usize, TagColumn), Error> {
    let place = |role| match choice.get(role) {
        Some(Column::At(place)) => Ok(Some(*place)),
        None => Ok(None),
        Some(Column::Named(_)) => Err(does_not_fit(file, choice)),
    };
    if !choice.any(&[Role::Words, Role::Tag]) {
        return Err(does_not_fit(file, choice));
    }
    let word = place(Role::Words)?.unwrap_or(word);
    Ok((word, place(Role::Tag)?.map_or(tag, TagColumn::At)))
}

/// A choice of columns that a file of words does not have.
pub(super) fn does_not_fit(file: &Path, choice: &ColumnChoice) -> Error {
    Error::ColumnsDoNotFit {
        file: file.into(),
        given: choice.written().to_owned(),
        what: "a file of a word and its label a line",
        help: "give their places, from 1, such as --columns word=1,tag=4",
    }
}
