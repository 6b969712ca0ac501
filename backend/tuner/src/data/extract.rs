//! From records to examples, by their columns.

use super::columns::{Column, Columns, is_missing};
use super::error::Spot;
use super::parquet::BYTES;
use super::questions::{Collector, Listed, listed};
use super::raw::{Extracted, Group, Raw, Target};
use super::records::{Record, Records};
use super::{Error, Input};
use super::{counted, grouped};
use serde_json::Value;
use std::path::Path;

/// What a data set is known to hold besides good examples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Leniency {
    /// Pass over lines with another number of columns or an empty text.
    pub(super) broken_lines: bool,
    /// The label of an example that has none.
    pub(super) unlabelled: Option<&'static str>,
}

/// How many columns a table without a header has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Width {
    /// As many as its first line.
    First,
    /// This many.
    Exactly(usize),
    /// This many, and some lines more.
    AtLeast(usize),
}

/// The examples in `records`, in their order.
pub(super) fn extract(
    file: &Path,
    records: Records,
    columns: &Columns,
    width: Width,
    leniency: Leniency,
) -> Result<Extracted, Error> {
    let mut found = match columns {
        Columns::Texts { .. } => texts(file, records, columns, width, leniency)?,
        Columns::Questions { .. } => questions(file, records, columns, width)?,
        Columns::Words { words, tags } => lists(file, records, words, tags)?,
    };
    if found.rows.is_empty() {
        return Err(Error::NoExamples { file: file.into() });
    }
    found.rows.shrink_to_fit();
    Ok(found)
}

/// One record's values, taken out of it.
struct Values<'a> {
    file: &'a Path,
    at: Spot,
    record: Record,
}

impl Values<'_> {
    /// The value in a column; `place` is the column's place in a table.
    fn take(&mut self, column: &Column, place: usize) -> Result<(String, Value), Error> {
        match &mut self.record {
            Record::Cells(cells) => {
                let cell = cells.get_mut(place).map(std::mem::take).unwrap_or_default();
                Ok((column.shown(), Value::String(cell)))
            }
            Record::Fields(object) => {
                let wanted = match column {
                    Column::Named(names) => names.clone(),
                    Column::At(place) => vec![(place + 1).to_string()],
                };
                let place = |name: &String| object.0.iter().position(|(field, _)| field == name);
                let Some(i) = wanted.iter().find_map(place) else {
                    let fields = object.0.iter().map(|(name, _)| name.clone()).collect();
                    let (file, at) = (self.file.into(), self.at.clone());
                    return Err(Error::MissingField { file, at, wanted, fields });
                };
                Ok((object.0[i].0.clone(), object.0[i].1.take()))
            }
        }
    }

    /// The text in a column; one that is not there is an empty one.
    fn text_or_none(&mut self, column: &Column, place: usize) -> Result<String, Error> {
        match self.take(column, place)? {
            (_, Value::String(text)) => Ok(text),
            (_, Value::Null) => Ok(String::new()),
            (field, other) => Err(self.wrong(field, &other, "a string")),
        }
    }

    fn text(&mut self, column: &Column, place: usize) -> Result<String, Error> {
        match self.take(column, place)? {
            (_, Value::String(text)) => Ok(text),
            (field, other) => Err(self.wrong(field, &other, "a string")),
        }
    }

    fn wrong(&self, field: String, value: &Value, expected: &'static str) -> Error {
        let (file, at) = (self.file.into(), self.at.clone());
        Error::FieldType { file, at, field, found: kind(value), expected }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(fields) if fields.contains_key(BYTES) => BYTES,
        Value::Object(_) => "an object",
    }
}

/// The places of columns in a table; 0 for JSON, where they are not used.
fn places<const N: usize>(
    file: &Path,
    records: &Records,
    width: Width,
    columns: [&Column; N],
) -> Result<[usize; N], Error> {
    let there = match (&records.header, records.rows.first(), width) {
        (Some((_, names)), ..) => Some(names.len()),
        (None, _, Width::Exactly(n) | Width::AtLeast(n)) => Some(n),
        (None, Some((_, Record::Cells(cells))), Width::First) => Some(cells.len()),
        _ => None,
    };
    let mut places = [0; N];
    for (place, column) in places.iter_mut().zip(columns) {
        *place = match (column, &records.header, there) {
            (Column::At(place), _, Some(columns)) if *place >= columns => {
                let line = match records.rows.first() {
                    Some((Spot::Line(line), _)) => *line,
                    _ => 1,
                };
                return Err(Error::NoPlace { file: file.into(), line, place: place + 1, columns });
            }
            (Column::At(place), ..) => *place,
            (Column::Named(_), None, _) => 0,
            (Column::Named(wanted), Some((line, names)), _) => wanted
                .iter()
                .find_map(|name| names.iter().position(|n| n == name))
                .ok_or_else(|| Error::NoColumn {
                    file: file.into(),
                    line: *line,
                    wanted: wanted.clone(),
                    columns: names.clone(),
                })?,
        };
    }
    Ok(places)
}

/// Refuses lines of a table that have another number of columns; `false` for
/// one that is to be passed over.
fn fits(
    file: &Path,
    (at, record): &(Spot, Record),
    header: Option<usize>,
    width: Width,
    first: &mut Option<usize>,
    delimiter: char,
    lenient: bool,
) -> Result<bool, Error> {
    let (Record::Cells(cells), Spot::Line(line)) = (record, at) else { return Ok(true) };
    let expected = match (header, width) {
        (Some(names), _) => names,
        (None, Width::Exactly(n)) => n,
        (None, Width::AtLeast(n)) if cells.len() >= n => return Ok(true),
        (None, Width::AtLeast(n)) => n,
        (None, Width::First) => *first.get_or_insert(cells.len()),
    };
    let found = cells.len();
    if found == expected {
        return Ok(true);
    }
    match lenient {
        true => Ok(false),
        false => {
            Err(Error::ColumnCount { file: file.into(), line: *line, expected, found, delimiter })
        }
    }
}

/// Large tables have a few examples without a text or a label: up to so many in a hundred
/// are passed over.
const LACKING_PERCENT: usize = 1;

/// The examples of a file that lack something.
struct Lacking<'a> {
    file: &'a Path,
    what: &'static str,
    /// Place and column of the first one.
    first: Option<(Spot, String)>,
    count: usize,
}

impl<'a> Lacking<'a> {
    fn new(file: &'a Path, what: &'static str) -> Self {
        Self { file, what, first: None, count: 0 }
    }

    fn add(&mut self, at: &Spot, column: &Column) {
        self.first.get_or_insert_with(|| (at.clone(), column.shown()));
        self.count += 1;
    }

    /// What there is to tell of them; too many of the file's `all` are an error.
    fn told(self, all: usize) -> Result<Option<String>, Error> {
        let Self { file, what, first, count } = self;
        let Some((at, column)) = first else { return Ok(None) };
        if count * 100 > all * LACKING_PERCENT {
            let file = file.into();
            return Err(Error::Empty { file, at, what, column, count, all });
        }
        let percent = 100.0 * count as f64 / all as f64;
        Ok(Some(format!(
            "passed over {} of {} ({percent:.1} %) without a {what}, the first {}",
            grouped(count),
            counted(all, "example"),
            at.named()
        )))
    }
}

fn texts(
    file: &Path,
    records: Records,
    columns: &Columns,
    width: Width,
    leniency: Leniency,
) -> Result<Extracted, Error> {
    let Columns::Texts { first, second, label, score } = columns else { unreachable!() };
    let places = places(file, &records, width, [first, second.as_ref().unwrap_or(first), label])?;
    let header = records.header.as_ref().map(|(_, names)| names.len());
    let (mut first_width, mut broken, mut unlabelled) = (None, 0, 0);
    let (mut textless, mut labelless) = (Lacking::new(file, "text"), Lacking::new(file, "label"));
    let all = records.rows.len();
    let mut found = Extracted::default();
    for row in records.rows {
        let lenient = leniency.broken_lines;
        if !fits(file, &row, header, width, &mut first_width, records.delimiter, lenient)? {
            broken += 1;
            continue;
        }
        let mut values = Values { file, at: row.0, record: row.1 };
        let a = values.text_or_none(first, places[0])?;
        let b = second.as_ref().map(|column| values.text_or_none(column, places[1])).transpose()?;
        let (field, value) = values.take(label, places[2])?;
        let spelled = match value {
            Value::String(text) => text.trim().to_owned(),
            // Whether fractions are classes is decided by all of them together.
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) if !score => truth.to_string(),
            Value::Null if leniency.unlabelled.is_some() => {
                unlabelled += 1;
                continue;
            }
            Value::Null => String::new(),
            other if *score => return Err(values.wrong(field, &other, "a number")),
            other => {
                let expected = "a string, an integer, true or false";
                return Err(values.wrong(field, &other, expected));
            }
        };
        if leniency.unlabelled == Some(spelled.as_str()) {
            unlabelled += 1;
            continue;
        }
        let empty = |text: &str| text.trim().is_empty();
        let column = match (empty(&a), second) {
            (true, _) => Some(first),
            (false, Some(column)) if b.as_deref().is_some_and(empty) => Some(column),
            _ => None,
        };
        let at = values.at.clone();
        match column {
            Some(_) if leniency.broken_lines => {
                broken += 1;
                continue;
            }
            Some(column) => {
                textless.add(&at, column);
                continue;
            }
            None if spelled.is_empty() => {
                labelless.add(&at, label);
                continue;
            }
            None => {}
        }
        let target = match score {
            false => Target::Class(spelled),
            true => Target::Score(number(file, &at, label, &spelled)?),
        };
        let input = match b {
            Some(b) => Input::Pair(a, b),
            None => Input::Single(a),
        };
        found.rows.push(Raw { at, input, target, group: Group::NONE });
    }
    for (count, what) in
        [(broken, "with a broken or an empty text"), (unlabelled, "without a label")]
    {
        if count > 0 {
            found.notes.push(format!("passed over {} {what}", counted(count, "line")));
        }
    }
    for lacking in [textless, labelless] {
        found.notes.extend(lacking.told(all)?);
    }
    Ok(found)
}

/// The finite number that a score spells.
fn number(file: &Path, at: &Spot, column: &Column, spelled: &str) -> Result<f32, Error> {
    spelled.parse::<f32>().ok().filter(|score| score.is_finite()).ok_or_else(|| Error::BadScore {
        file: file.into(),
        at: at.clone(),
        column: column.shown(),
        found: spelled.to_owned(),
    })
}

/// Questions of flat records: the answer is a text, a list of texts or of texts
/// with their places, or SQuAD's `{"text": […], "answer_start": […]}`; none is no
/// answer.
fn questions(
    file: &Path,
    records: Records,
    columns: &Columns,
    width: Width,
) -> Result<Extracted, Error> {
    let Columns::Questions { question, context, answer } = columns else { unreachable!() };
    let places = places(file, &records, width, [question, context, answer])?;
    let header = records.header.as_ref().map(|(_, names)| names.len());
    let mut first_width = None;
    let mut questions = Collector::new(file);
    for row in records.rows {
        fits(file, &row, header, width, &mut first_width, records.delimiter, false)?;
        let mut values = Values { file, at: row.0, record: row.1 };
        let asked = values.text(question, places[0])?;
        let text = values.text(context, places[1])?;
        let (field, value) = values.take(answer, places[2])?;
        let at = values.at.clone();
        questions.about(&text);
        match value {
            value if is_missing(&value) => questions.unanswerable(at, asked, text)?,
            Value::String(answer) => questions.standing(at, asked, text, &[answer.trim()])?,
            Value::Array(list) => match listed(file, &at, &field, &list)? {
                Listed::Texts(texts) => questions.standing(at, asked, text, &texts)?,
                Listed::Offsets(answers) => questions.at_offsets(at, asked, text, answers)?,
            },
            value @ Value::Object(_) => questions.squad_row(at, asked, text, value)?,
            other => {
                let expected =
                    "a string, a list of strings, or {\"text\": […], \"answer_start\": […]}";
                return Err(values.wrong(field, &other, expected));
            }
        }
    }
    questions.finish()
}

/// Lists of words and of their labels.
fn lists(file: &Path, records: Records, words: &Column, tags: &Column) -> Result<Extracted, Error> {
    places(file, &records, Width::First, [words, tags])?;
    let mut found = Extracted::default();
    let mut empty = 0;
    for (at, record) in records.rows {
        let mut values = Values { file, at, record };
        let mut list = |column: &Column, label: bool| {
            let (field, value) = values.take(column, 0)?;
            let strings = value.as_array().and_then(|list| {
                let spelled = |value: &Value| match value {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(number) if label && !number.is_f64() => Some(number.to_string()),
                    _ => None,
                };
                list.iter().map(spelled).collect::<Option<Vec<_>>>()
            });
            let expected =
                if label { "a list of strings or integers" } else { "a list of strings" };
            strings.ok_or_else(|| values.wrong(field, &value, expected))
        };
        let (words, tags) = (list(words, false)?, list(tags, true)?);
        let at = values.at;
        if words.len() != tags.len() {
            let (words, tags) = (words.len(), tags.len());
            return Err(Error::WordsAndTags { file: file.into(), at, words, tags });
        }
        if words.iter().any(|word| word.trim().is_empty()) {
            return Err(Error::EmptyPart { file: file.into(), at, what: "word" });
        }
        if words.is_empty() {
            empty += 1;
            continue;
        }
        found.rows.push(Raw {
            at,
            input: Input::Words(words),
            target: Target::Tags(tags, Vec::new()),
            group: Group::NONE,
        });
    }
    if empty > 0 {
        found.notes.push(format!("passed over {} without words", counted(empty, "sentence")));
    }
    Ok(found)
}
