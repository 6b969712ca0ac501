//! Which column plays which role: by the table, by the user's word, or by its
//! name.

use super::choice::{ColumnChoice, Role};
use super::error::Spot;
use super::records::{Record, Records};
use super::{Error, Objective};
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

/// Names of the parts of a question whose answer is a span. A passage with an
/// answer is more often a yes/no question, so that only a context is one here.
const QUESTIONS: &[&str] = &["question", "query"];
const CONTEXTS: &[&str] = &["context"];
const ANSWERS: &[&str] = &["answers", "answer", "answertext"];

/// Names of lists of words and of their labels.
const WORDS: &[&str] = &["words", "tokens"];
const TAGS: &[&str] = &["tags", "nertags", "postags", "chunktags", "labels"];

/// Where one value of an example stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// The first of these names that is there.
    Named(Vec<String>),
    /// A place in a table without a header, from 0.
    At(usize),
}

/// Where an example's values stand.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Columns {
    /// One or two texts, and a class or (`score`) a number.
    Texts { first: Column, second: Option<Column>, label: Column, score: bool },
    /// A question, the text that holds its answer, and the answer.
    Questions { question: Column, context: Column, answer: Column },
    /// A list of words and a list of their labels.
    Words { words: Column, tags: Column },
}

impl Column {
    pub(super) fn named(name: &str) -> Self {
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
        let parts: Vec<_> = match self {
            Self::Texts { first, second: None, label, score } => {
                vec![("text", first), (target(*score), label)]
            }
            Self::Texts { first, second: Some(second), label, score } => {
                vec![("first text", first), ("second text", second), (target(*score), label)]
            }
            Self::Questions { question, context, answer } => {
                vec![("question", question), ("context", context), ("answer", answer)]
            }
            Self::Words { words, tags } => vec![("words", words), ("tag", tags)],
        };
        let shown = parts.iter().map(|(role, column)| format!("{role} = {}", column.shown()));
        shown.collect::<Vec<_>>().join(", ")
    }

    /// What such columns are read for.
    pub(super) fn objective(&self) -> Objective {
        match self {
            Self::Texts { score: false, .. } => Objective::Classification,
            Self::Texts { score: true, .. } => Objective::Regression,
            Self::Questions { .. } => Objective::SpanExtraction,
            Self::Words { .. } => Objective::TokenClassification,
        }
    }

    /// The column of the label, for messages.
    pub(super) fn label(&self) -> &Column {
        match self {
            Self::Texts { label, .. } => label,
            Self::Questions { answer, .. } => answer,
            Self::Words { tags, .. } => tags,
        }
    }
}

fn target(score: bool) -> &'static str {
    if score { "score" } else { "label" }
}

/// Lower case, letters and digits only: `Sentence_1` and `sentence1` are one.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The columns of a file that no table describes: what the user said, and by
/// their names what is left to say.
pub(super) fn guess(
    file: &Path,
    records: &Records,
    choice: Option<&ColumnChoice>,
) -> Result<Columns, Error> {
    let chosen = |role| choice.and_then(|choice| choice.get(role)).cloned();
    let (line, names) = names(records);
    if let Some(given) = choice.filter(|choice| choice.by_place()).and_then(ColumnChoice::named) {
        return Err(Error::MixedColumns { file: file.into(), line, given: given.to_owned() });
    }
    // Names mean nothing in a file without a header.
    let names = if choice.is_some_and(ColumnChoice::by_place) { Vec::new() } else { names };
    let find = |wanted: &str| names.iter().find(|name| plain(name) == wanted);
    let first_of = |wanted: &[&str]| wanted.iter().find_map(|name| find(name));
    let unknown =
        |role| Error::UnknownColumn { file: file.into(), line, role, columns: names.clone() };
    let or_found = |role: Role, word, wanted: &[&str]| {
        let found = || first_of(wanted).map(|name| Column::named(name));
        chosen(role).or_else(found).ok_or_else(|| unknown(word))
    };

    let asked = |roles: &[Role]| choice.is_some_and(|choice| choice.any(roles));
    let lists = |name: &&String| match records.rows.first() {
        Some((_, Record::Fields(object))) => {
            object.0.iter().any(|(field, value)| field == *name && value.is_array())
        }
        _ => false,
    };
    let questions = || {
        first_of(QUESTIONS).is_some() && first_of(CONTEXTS).is_some() && first_of(ANSWERS).is_some()
    };
    let words = || first_of(WORDS).is_some_and(|name| lists(&name)) && first_of(TAGS).is_some();
    if asked(&[Role::Question, Role::Context, Role::Answer]) || (choice.is_none() && questions()) {
        return Ok(Columns::Questions {
            question: or_found(Role::Question, "question", QUESTIONS)?,
            context: or_found(
                Role::Context,
                "context",
                &["context", "passage", "document", "text"],
            )?,
            answer: or_found(Role::Answer, "answer", ANSWERS)?,
        });
    }
    if asked(&[Role::Words, Role::Tag]) || (choice.is_none() && words()) {
        return Ok(Columns::Words {
            words: or_found(Role::Words, "words", WORDS)?,
            tags: or_found(Role::Tag, "tag", TAGS)?,
        });
    }

    let texts = match (chosen(Role::Text), chosen(Role::Text1), chosen(Role::Text2)) {
        (Some(text), ..) => Some((text, None)),
        (None, Some(first), Some(second)) => Some((first, Some(second))),
        _ => None,
    };
    let score = chosen(Role::Score);
    let label = score.clone().or_else(|| chosen(Role::Label));
    let taken =
        |name: &String, by: &Column| matches!(by, Column::Named(names) if names[0] == *name);
    // A column that plays another role already is not free.
    let free = |name: &String| {
        let texts = texts.iter().flat_map(|(a, b)| [Some(a), b.as_ref()]).flatten();
        !name.is_empty() && !texts.chain(&label).any(|by| taken(name, by))
    };
    let pair = PAIRS.iter().find_map(|(a, b)| {
        let pair = (find(a)?, find(b)?);
        (free(pair.0) && free(pair.1)).then_some(pair)
    });
    let single = TEXTS.iter().find_map(|name| find(name).filter(|name| free(name)));
    let guessed = pair
        .map(|(a, b)| (Column::named(a), Some(Column::named(b))))
        .or(single.map(|a| (Column::named(a), None)));
    let known_texts = texts.clone().or(guessed);
    let free_of_texts = |name: &&String| {
        let texts = known_texts.iter().flat_map(|(a, b)| [Some(a), b.as_ref()]).flatten();
        free(name) && !texts.into_iter().any(|by| taken(name, by))
    };
    let known_label = label.clone().or_else(|| {
        LABELS.iter().find_map(|name| find(name).filter(free_of_texts)).map(|n| Column::named(n))
    });
    // Of two columns, what one is says what the other is.
    let other = |known: &Column| match names.as_slice() {
        [a, b] => [a, b].into_iter().find(|name| !taken(name, known) && !name.is_empty()),
        _ => None,
    };
    let ((first, second), label) = match (known_texts, known_label) {
        (Some(texts), Some(label)) => (texts, label),
        (Some((a, None)), None) => {
            let label = Column::named(other(&a).ok_or_else(|| unknown("label"))?);
            ((a, None), label)
        }
        (Some(_), None) => return Err(unknown("label")),
        (None, Some(label)) => {
            let text = Column::named(other(&label).ok_or_else(|| unknown("text"))?);
            ((text, None), label)
        }
        (None, None) => return Err(unknown("text")),
    };
    Ok(Columns::Texts { first, second, label, score: score.is_some() })
}

/// The header's names and line, or the first object's.
fn names(records: &Records) -> (usize, Vec<String>) {
    match (&records.header, records.rows.first()) {
        (Some((line, names)), _) => (*line, names.clone()),
        (None, Some((at, Record::Fields(object)))) => {
            let line = if let Spot::Line(line) = at { *line } else { 1 };
            (line, object.0.iter().map(|(name, _)| name.clone()).collect())
        }
        _ => (1, Vec::new()),
    }
}

/// Whether a field holds something that is not there.
pub(super) fn is_missing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}
