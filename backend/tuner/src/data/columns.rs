//! Which column is the text, which the label: by the table or by its name.

use super::Error;
use super::records::{Record, Records};
use serde_json::Value;
use std::path::Path;

/// Names that a pair of texts goes by in the data sets people have, most
/// telling first.
const PAIRS: &[(&str, &str)] = &[
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("texta", "textb"),
    ("sentencea", "sentenceb"),
    ("question", "passage"),
    ("question", "sentence"),
    ("question", "context"),
    ("query", "document"),
    ("query", "passage"),
    ("claim", "evidence"),
];

/// Names of a single text.
const TEXTS: &[&str] = &[
    "text",
    "sentence",
    "sentence1",
    "review",
    "content",
    "utterance",
    "question",
    "premise",
    "tweet",
    "message",
    "comment",
    "document",
    "passage",
    "body",
    "query",
    "title",
];

/// Names of a label.
const LABELS: &[&str] = &[
    "label",
    "labels",
    "goldlabel",
    "class",
    "category",
    "target",
    "sentiment",
    "intent",
    "topic",
    "rating",
    "stars",
    "polarity",
    "isduplicate",
    "quality",
    "answer",
    "y",
];

/// Where one value of an example stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Column {
    /// The first of these names that is there.
    Named(Vec<String>),
    /// A place in a table without a header, from 0.
    At(usize),
}

/// Where an example's values stand.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Columns {
    pub(super) first: Column,
    pub(super) second: Option<Column>,
    pub(super) label: Column,
}

/// An example as it stands in a file.
pub(super) struct Raw {
    pub(super) line: usize,
    pub(super) first: String,
    pub(super) second: Option<String>,
    pub(super) label: String,
}

/// What became of a file's records.
#[derive(Default)]
pub(super) struct Extracted {
    pub(super) rows: Vec<Raw>,
    /// Records of a file that is known to have broken lines.
    pub(super) broken: usize,
    /// Records that carry the data set's mark for "no label".
    pub(super) unlabelled: usize,
}

/// What a data set is known to hold besides good examples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Leniency {
    /// Pass over lines with another number of columns or an empty text.
    pub(super) broken_lines: bool,
    /// The label of an example that has none.
    pub(super) unlabelled: Option<&'static str>,
}

impl Column {
    fn named(name: &str) -> Self {
        Self::Named(vec![name.to_owned()])
    }

    /// The name for messages: what the file calls it, or its place from 1.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Named(names) => format!("{:?}", names.first().map_or("", String::as_str)),
            Self::At(place) => (place + 1).to_string(),
        }
    }
}

impl Columns {
    /// `text = "review", label = "stars"`.
    pub(super) fn shown(&self) -> String {
        let (first, label) = (self.first.shown(), self.label.shown());
        match &self.second {
            None => format!("text = {first}, label = {label}"),
            Some(second) => {
                format!("first text = {first}, second text = {}, label = {label}", second.shown())
            }
        }
    }
}

/// Lower case, letters and digits only: `Sentence_1` and `sentence1` are one.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The columns of a file that no table describes.
pub(super) fn guess(file: &Path, records: &Records) -> Result<Columns, Error> {
    let (line, names) = names(records);
    let find = |wanted: &str| names.iter().find(|name| plain(name) == wanted);
    let unknown =
        |role| Error::UnknownColumn { file: file.into(), line, role, columns: names.clone() };
    let pair = PAIRS.iter().find_map(|(a, b)| Some((find(a)?, find(b)?)));
    let single = TEXTS.iter().find_map(|name| find(name));
    let texts = pair.map(|(a, b)| (a, Some(b))).or(single.map(|a| (a, None)));
    let free = |name: &&String| {
        texts.is_none_or(|(a, b)| *name != a && Some(*name) != b) && !name.is_empty()
    };
    let label = LABELS.iter().find_map(|wanted| find(wanted).filter(free));
    // Of two columns, what one is says what the other is.
    let other = |known: &String| match names.as_slice() {
        [a, b] => [a, b].into_iter().find(|name| *name != known && !name.is_empty()),
        _ => None,
    };
    let (texts, label) = match (texts, label) {
        (Some(texts), Some(label)) => (texts, label),
        (Some((a, None)), None) => ((a, None), other(a).ok_or_else(|| unknown("label"))?),
        (Some(_), None) => return Err(unknown("label")),
        (None, Some(label)) => ((other(label).ok_or_else(|| unknown("text"))?, None), label),
        (None, None) => return Err(unknown("text")),
    };
    Ok(Columns {
        first: Column::named(texts.0),
        second: texts.1.map(|name| Column::named(name)),
        label: Column::named(label),
    })
}

/// The header's names and line, or the first object's.
fn names(records: &Records) -> (usize, Vec<String>) {
    match (&records.header, records.rows.first()) {
        (Some((line, names)), _) => (*line, names.clone()),
        (None, Some((line, Record::Fields(object)))) => {
            (*line, object.0.iter().map(|(name, _)| name.clone()).collect())
        }
        _ => (1, Vec::new()),
    }
}

/// The examples in `records`, in their order.
pub(super) fn extract(
    file: &Path,
    records: Records,
    columns: &Columns,
    width: Option<usize>,
    leniency: Leniency,
) -> Result<Extracted, Error> {
    let header = records.header.as_ref();
    let width = header.map(|(_, names)| names.len()).or(width);
    let places = [Some(&columns.first), columns.second.as_ref(), Some(&columns.label)]
        .map(|column| column.map(|column| place(file, header, column)).transpose());
    let [first, second, label] = places;
    let places = [first?, second?, label?];
    let mut found = Extracted::default();
    for (line, record) in records.rows {
        let [first, second, label] = match record {
            Record::Cells(mut cells) => {
                let expected = width.unwrap_or(cells.len());
                if cells.len() != expected {
                    if leniency.broken_lines {
                        found.broken += 1;
                        continue;
                    }
                    return Err(Error::ColumnCount {
                        file: file.into(),
                        line,
                        expected,
                        found: cells.len(),
                        delimiter: records.delimiter,
                    });
                }
                places.map(|place| place.and_then(|p| cells.get_mut(p)).map(std::mem::take))
            }
            Record::Fields(object) => {
                let text = |column| field(file, line, &object.0, column, false);
                [
                    Some(text(&columns.first)?),
                    columns.second.as_ref().map(text).transpose()?,
                    Some(field(file, line, &object.0, &columns.label, true)?),
                ]
            }
        };
        let (first, label) = (first.unwrap_or_default(), label.unwrap_or_default());
        let label = label.trim().to_owned();
        if leniency.unlabelled == Some(label.as_str()) {
            found.unlabelled += 1;
            continue;
        }
        let empty = |text: &str| text.trim().is_empty();
        let column = match (empty(&first), &columns.second) {
            (true, _) => Some(&columns.first),
            (false, Some(column)) if second.as_deref().is_some_and(empty) => Some(column),
            _ => None,
        };
        match column.map(Column::shown) {
            Some(_) if leniency.broken_lines => found.broken += 1,
            Some(column) => return Err(Error::EmptyText { file: file.into(), line, column }),
            None if label.is_empty() => {
                let column = columns.label.shown();
                return Err(Error::EmptyLabel { file: file.into(), line, column });
            }
            None => found.rows.push(Raw { line, first, second, label }),
        }
    }
    if found.rows.is_empty() {
        return Err(Error::NoExamples { file: file.into() });
    }
    Ok(found)
}

/// The place of a column in a table; 0 for JSON, where it is not used.
fn place(
    file: &Path,
    header: Option<&(usize, Vec<String>)>,
    column: &Column,
) -> Result<usize, Error> {
    match (column, header) {
        (Column::At(place), _) => Ok(*place),
        (Column::Named(_), None) => Ok(0),
        (Column::Named(wanted), Some((line, names))) => wanted
            .iter()
            .find_map(|name| names.iter().position(|n| n == name))
            .ok_or_else(|| Error::NoColumn {
                file: file.into(),
                line: *line,
                wanted: wanted.clone(),
                columns: names.clone(),
            }),
    }
}

/// A JSON field as text. Labels may be integers and booleans, too.
fn field(
    file: &Path,
    line: usize,
    fields: &[(String, Value)],
    column: &Column,
    label: bool,
) -> Result<String, Error> {
    let wanted = match column {
        Column::Named(names) => names.clone(),
        Column::At(place) => vec![place.to_string()],
    };
    let find = |name: &String| fields.iter().find(|(field, _)| field == name);
    let Some((name, value)) = wanted.iter().find_map(find) else {
        let fields = fields.iter().map(|(name, _)| name.clone()).collect();
        return Err(Error::MissingField { file: file.into(), line, wanted, fields });
    };
    let found = match value {
        Value::String(text) => return Ok(text.clone()),
        Value::Number(number) if label && !number.is_f64() => return Ok(number.to_string()),
        Value::Bool(truth) if label => return Ok(truth.to_string()),
        Value::Number(_) => "a number",
        Value::Bool(_) => "true or false",
        Value::Null => "null",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    let expected = if label { "a string, an integer, true or false" } else { "a string" };
    Err(Error::FieldType { file: file.into(), line, field: name.clone(), found, expected })
}
