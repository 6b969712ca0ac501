//! Questions whose answers are spans of a text, in the forms in which data
//! sets of them are distributed.
//!
//! The content decides which form a file has; a known task accepts its own and
//! those into which many data sets have been converted ([`Form::GENERAL`]).

mod collect;
mod converted;
mod find;
mod forms;

pub(super) use collect::{Collector, Listed, listed};

use super::error::Spot;
use super::json::{self, Outline};
use super::raw::Extracted;
use super::records::Format;
use super::text::lines;
use super::{Error, parquet};
use serde_json::Value;
use std::path::Path;

/// A form in which questions are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// SQuAD 1.1 and 2.0: articles, paragraphs, questions with offsets.
    Squad,
    /// One question a row with its context, as on the Hugging Face hub.
    SquadRow,
    /// The MRQA 2019 shared task: JSON lines of a context and its questions.
    Mrqa,
    /// MultiQA (Talmor and Berant 2019): JSON lines of documents and questions.
    MultiQa,
    /// NewsQA's combined file: stories with their splits.
    NewsQa,
    /// HotpotQA: ten titled paragraphs a question.
    HotpotQa,
    /// DuoRC: a plot and its questions.
    DuoRc,
    /// DROP: passages by id.
    Drop,
    /// WikiHop: supporting documents and a relation as the question.
    WikiHop,
}

impl Form {
    /// The forms that any task may come in.
    pub const GENERAL: &[Self] = &[Self::Squad, Self::SquadRow, Self::Mrqa, Self::MultiQa];

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Squad => "SQuAD",
            Self::SquadRow => "SQuAD rows",
            Self::Mrqa => "MRQA",
            Self::MultiQa => "MultiQA",
            Self::NewsQa => "NewsQA",
            Self::HotpotQa => "HotpotQA",
            Self::DuoRc => "DuoRC",
            Self::Drop => "DROP",
            Self::WikiHop => "WikiHop",
        }
    }

    /// The form of a document's first entry.
    fn of_entry(entry: &Value) -> Option<Self> {
        let has = |name: &str| entry.get(name).is_some();
        let all = |names: &[&str]| names.iter().all(|name| has(name));
        let context = entry.get("context");
        Some(match context {
            _ if has("paragraphs") => Self::Squad,
            _ if all(&["text", "questions"]) => Self::NewsQa,
            _ if all(&["passage", "qa_pairs"]) => Self::Drop,
            _ if all(&["passage", "question", "answers_spans"]) => Self::Drop,
            _ if all(&["plot", "qa"]) || all(&["plot", "question"]) => Self::DuoRc,
            _ if all(&["query", "supports"]) => Self::WikiHop,
            Some(Value::Object(context)) if context.contains_key("documents") => Self::MultiQa,
            Some(Value::String(_)) if has("qas") => Self::Mrqa,
            Some(Value::String(_)) if all(&["question", "answers"]) => Self::SquadRow,
            Some(Value::Array(_) | Value::Object(_)) if all(&["question", "answer"]) => {
                Self::HotpotQa
            }
            _ => return None,
        })
    }
}

/// What a file of questions is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// The task's id.
    pub(super) task: &'a str,
    /// The form that only this task has.
    pub(super) own: Option<Form>,
    /// `train` or `dev`, for files that hold both.
    pub(super) split: &'static str,
}

/// A file's content, as far apart as every form needs it.
enum Content<'a> {
    /// One JSON document.
    Document(&'a str),
    /// Its objects, one a line or row.
    Rows(Vec<(Spot, Value)>),
}

/// The form of a document of one's own, if it holds questions.
pub(super) fn form_of_document(file: &Path, text: &str) -> Result<Option<Form>, Error> {
    let outline = json::outline(file, text)?;
    Ok(outline.and_then(|outline| match outline {
        Outline::List(first) | Outline::Fields(_, first) => Form::of_entry(&first),
    }))
}

/// The form of JSON lines of one's own, if they hold questions with contexts
/// of many questions; a row a question is a matter of columns.
pub(super) fn form_of_lines(text: &str) -> Option<Form> {
    let filled = lines(text).map(|(_, line)| line).filter(|line| !line.trim().is_empty());
    let first = filled.take(2).filter_map(|line| serde_json::from_str::<Value>(line).ok());
    first.filter_map(|entry| Form::of_entry(&entry)).next()
}

/// Reads a text file of questions.
pub(super) fn read(file: &Path, text: &str, wanted: Wanted<'_>) -> Result<Extracted, Error> {
    let begins = text.trim_start().chars().next();
    if begins.is_none() {
        return Err(Error::EmptyFile { file: file.into() });
    }
    if !matches!(begins, Some('{' | '[')) {
        return Err(not_json(file, text, wanted));
    }
    if Format::of(file) == Some(Format::JsonLines) || json::is_lines(text) {
        let rows = json::json_lines::<Value>(file, text)?;
        let rows = rows.into_iter().map(|(line, row)| (Spot::Line(line), row)).collect();
        return read_rows(file, rows, wanted);
    }
    let outline = json::outline(file, text)?;
    let (Outline::List(first) | Outline::Fields(_, first)) =
        outline.ok_or_else(|| unknown(file, &Value::Null, wanted))?;
    let form = form(file, &first, wanted)?;
    forms::read(file, form, Content::Document(text), wanted)
}

/// Reads a Parquet file of questions.
pub(super) fn read_parquet(file: &Path, wanted: Wanted<'_>) -> Result<Extracted, Error> {
    let rows = parquet::objects(file)?
        .into_iter()
        .map(|(at, object)| (at, Value::Object(object.0.into_iter().collect())));
    read_rows(file, rows.collect(), wanted)
}

fn read_rows(
    file: &Path,
    mut rows: Vec<(Spot, Value)>,
    wanted: Wanted<'_>,
) -> Result<Extracted, Error> {
    // MRQA and MultiQA say in the first line what follows.
    if rows.first().is_some_and(|(_, row)| row.get("header").is_some()) {
        rows.remove(0);
    }
    let Some((_, first)) = rows.first() else {
        return Err(Error::NoExamples { file: file.into() });
    };
    let form = form(file, first, wanted)?;
    forms::read(file, form, Content::Rows(rows), wanted)
}

fn form(file: &Path, first: &Value, wanted: Wanted<'_>) -> Result<Form, Error> {
    if first.get("cluster_id").is_some() && first.get("questions").is_some() {
        return Err(Error::NoContexts { file: file.into(), task: wanted.task.to_owned() });
    }
    let form = Form::of_entry(first).ok_or_else(|| unknown(file, first, wanted))?;
    if Form::GENERAL.contains(&form) || wanted.own == Some(form) {
        return Ok(form);
    }
    Err(Error::OtherForm {
        file: file.into(),
        found: form.name(),
        task: wanted.task.to_owned(),
        expected: expected(wanted),
    })
}

fn expected(wanted: Wanted<'_>) -> Vec<&'static str> {
    wanted.own.iter().chain(Form::GENERAL).map(|form| form.name()).collect()
}

fn unknown(file: &Path, entry: &Value, wanted: Wanted<'_>) -> Error {
    let fields = field_names(entry);
    let help = format!("{} comes in the form of {}", wanted.task, expected(wanted).join(" or "));
    Error::UnknownForm { file: file.into(), fields, help }
}

/// The names of an object's fields, sorted: whether JSON keeps the order of a file
/// depends on which crates are built along.
fn field_names(entry: &Value) -> Vec<String> {
    let mut names: Vec<String> =
        entry.as_object().map(|entry| entry.keys().cloned().collect()).unwrap_or_default();
    names.sort_unstable();
    names
}

/// `question<TAB>["answer", …]`, as ComplexQuestions is released, has no texts
/// to find the answers in.
fn not_json(file: &Path, text: &str, wanted: Wanted<'_>) -> Error {
    let first = lines(text).map(|(_, line)| line).find(|line| !line.trim().is_empty());
    let answers = first.and_then(|line| line.split_once('\t')).map(|(_, answers)| answers.trim());
    if answers.is_some_and(|answers| serde_json::from_str::<Vec<Value>>(answers).is_ok()) {
        return Error::NoContexts { file: file.into(), task: wanted.task.to_owned() };
    }
    unknown(file, &Value::Null, wanted)
}
