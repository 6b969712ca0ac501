//! One reader for each form of questions.

use super::collect::{Collector, Listed, Offset, listed};
use super::converted::{mrqa, multiqa};
use super::find::Match;
use super::{Content, Form, Wanted};
use crate::data::Error;
use crate::data::error::Spot;
use crate::data::json::{self, Ordered};
use crate::data::raw::Extracted;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ops::Range;
use std::path::Path;

/// What stands in front of every context of a data set with yes/no questions:
/// their answers are spans of it, as in the MultiQA conversion to SQuAD.
pub(super) const YES_NO: &str = "yes no ";

/// Bad questions are those that an annotator could not make sense of.
const BAD: &str = "that their annotators call bad";

pub(super) fn read(
    file: &Path,
    form: Form,
    content: Content<'_>,
    wanted: Wanted<'_>,
) -> Result<Extracted, Error> {
    let mut questions = Collector::new(file);
    let all = &mut questions;
    match form {
        Form::Squad => squad(file, content, all)?,
        Form::NewsQa => newsqa(file, content, wanted, all)?,
        Form::Drop => drop(file, content, all)?,
        Form::SquadRow => each(file, form, content, |at, row| squad_row(file, at, row, all))?,
        Form::Mrqa => each(file, form, content, |at, row| mrqa(&at, row, all))?,
        Form::MultiQa => each(file, form, content, |at, row| multiqa(&at, row, all))?,
        Form::HotpotQa => each(file, form, content, |at, row| hotpotqa(at, row, all))?,
        Form::DuoRc => each(file, form, content, |at, row| duorc(&at, row, all))?,
        Form::WikiHop => each(file, form, content, |at, row| wikihop(at, row, all))?,
    }
    questions.finish()
}

/// Every entry of a list, or of lines or rows.
fn each<T: DeserializeOwned>(
    file: &Path,
    form: Form,
    content: Content<'_>,
    mut read: impl FnMut(Spot, T) -> Result<(), Error>,
) -> Result<(), Error> {
    let form = format!("the form of {}", form.name());
    match content {
        Content::Document(text) => {
            let entries: Vec<T> = json::document(file, text, &form)?;
            let mut entries = entries.into_iter().enumerate();
            entries.try_for_each(|(i, entry)| read(Spot::Item(i + 1), entry))
        }
        Content::Rows(rows) => rows.into_iter().try_for_each(|(at, row)| {
            let entry = json::entry(file, &at, row, &form)?;
            read(at, entry)
        }),
    }
}

/// The whole document.
fn whole<T: DeserializeOwned>(file: &Path, form: Form, content: Content<'_>) -> Result<T, Error> {
    let shown = format!("the form of {}", form.name());
    match content {
        Content::Document(text) => json::document(file, text, &shown),
        Content::Rows(rows) => {
            let fields = rows.first().map(|(_, row)| super::field_names(row)).unwrap_or_default();
            let help = format!("{} comes as one document, not as lines", form.name());
            Err(Error::UnknownForm { file: file.into(), fields, help })
        }
    }
}

/// An id as a string: some are numbers.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Id {
    Text(String),
    Number(i64),
}

impl Id {
    pub(super) fn shown(id: Option<&Self>) -> Option<String> {
        id.map(|id| match id {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        })
    }
}

fn squad(file: &Path, content: Content<'_>, all: &mut Collector<'_>) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Squad {
        data: Vec<Article>,
    }
    #[derive(Deserialize)]
    struct Article {
        #[serde(default)]
        title: Option<String>,
        paragraphs: Vec<Paragraph>,
    }
    #[derive(Deserialize)]
    struct Paragraph {
        context: String,
        qas: Vec<Qa>,
    }
    #[derive(Deserialize)]
    struct Qa {
        #[serde(default)]
        id: Option<Id>,
        question: String,
        #[serde(default)]
        answers: Vec<Offset>,
        #[serde(default)]
        is_impossible: Option<bool>,
    }
    let squad: Squad = whole(file, Form::Squad, content)?;
    let mut number = 0;
    for article in squad.data {
        // Paragraphs of an untitled article need not belong together.
        let titled = article.title.is_some_and(|title| !title.is_empty());
        all.next_group();
        for paragraph in article.paragraphs {
            if !titled {
                all.next_group();
            }
            for qa in paragraph.qas {
                number += 1;
                let at = all.spot(Id::shown(qa.id.as_ref()).as_deref(), Spot::Item(number))?;
                let context = paragraph.context.clone();
                match (qa.is_impossible, qa.answers.is_empty()) {
                    (Some(true), _) => all.unanswerable(at, qa.question, context)?,
                    (_, true) => return Err(Error::NoAnswer { file: file.into(), at }),
                    _ => all.at_offsets(at, qa.question, context, qa.answers)?,
                }
            }
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct SquadRow {
    #[serde(default)]
    id: Option<Id>,
    #[serde(default)]
    title: Option<String>,
    question: String,
    context: String,
    answers: Value,
}

fn squad_row(file: &Path, at: Spot, row: SquadRow, all: &mut Collector<'_>) -> Result<(), Error> {
    let at = all.spot(Id::shown(row.id.as_ref()).as_deref(), at)?;
    match row.title.filter(|title| !title.is_empty()) {
        Some(title) => all.about(&title),
        None => all.about(&row.context),
    }
    match row.answers {
        Value::Array(list) if list.is_empty() => all.unanswerable(at, row.question, row.context),
        Value::Array(list) => match listed(file, &at, "answers", &list)? {
            Listed::Texts(texts) => {
                all.looked_for(at, row.question, row.context, &texts, &[], Match::Words)
            }
            Listed::Offsets(answers) => all.at_offsets(at, row.question, row.context, answers),
        },
        answers => all.squad_row(at, row.question, row.context, answers),
    }
}

fn newsqa(
    file: &Path,
    content: Content<'_>,
    wanted: Wanted<'_>,
    all: &mut Collector<'_>,
) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct NewsQa {
        data: Vec<Story>,
    }
    #[derive(Deserialize)]
    struct Story {
        #[serde(rename = "storyId", default)]
        id: String,
        #[serde(rename = "type", default)]
        split: Option<String>,
        text: String,
        questions: Vec<Asked>,
    }
    #[derive(Deserialize)]
    struct Asked {
        q: String,
        consensus: Consensus,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Consensus {
        s: Option<i64>,
        e: Option<i64>,
        #[serde(default)]
        no_answer: bool,
        #[serde(default)]
        bad_question: bool,
    }
    let news: NewsQa = whole(file, Form::NewsQa, content)?;
    let mut any = false;
    for (i, story) in news.data.into_iter().enumerate() {
        if story.split.is_some_and(|split| split != wanted.split) {
            continue;
        }
        any = true;
        all.next_group();
        for (j, asked) in story.questions.into_iter().enumerate() {
            let id = (!story.id.is_empty()).then(|| format!("{}#{}", story.id, j + 1));
            let at = all.spot(id.as_deref(), Spot::Item(i + 1))?;
            let text = story.text.clone();
            match asked.consensus {
                Consensus { bad_question: true, .. } => all.leave_out(BAD),
                Consensus { no_answer: true, .. } => all.unanswerable(at, asked.q, text)?,
                Consensus { s: Some(start), e: Some(end), .. } => {
                    all.between(at, asked.q, text, &[(start, end)], Vec::new())?;
                }
                _ => return Err(Error::NoAnswer { file: file.into(), at }),
            }
        }
    }
    match any {
        true => Ok(()),
        false => Err(Error::NoStories { file: file.into(), split: wanted.split }),
    }
}

#[derive(Deserialize)]
struct HotpotQa {
    #[serde(alias = "_id", default)]
    id: Option<Id>,
    question: String,
    answer: String,
    context: Paragraphs,
    #[serde(default)]
    supporting_facts: Option<Facts>,
}

/// The distributed files pair titles and sentences; the hub has two lists.
#[derive(Deserialize)]
#[serde(untagged)]
enum Paragraphs {
    Pairs(Vec<(String, Vec<String>)>),
    Lists { title: Vec<String>, sentences: Vec<Vec<String>> },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Facts {
    Pairs(Vec<(String, Value)>),
    Lists { title: Vec<String> },
}

/// All paragraphs, title first, make one context. The answer is looked for in
/// the supporting paragraphs before the others.
fn hotpotqa(at: Spot, row: HotpotQa, all: &mut Collector<'_>) -> Result<(), Error> {
    let at = all.spot(Id::shown(row.id.as_ref()).as_deref(), at)?;
    let paragraphs = match row.context {
        Paragraphs::Pairs(pairs) => pairs,
        Paragraphs::Lists { title, sentences } => title.into_iter().zip(sentences).collect(),
    };
    let supporting: Vec<String> = match row.supporting_facts {
        Some(Facts::Pairs(pairs)) => pairs.into_iter().map(|(title, _)| title).collect(),
        Some(Facts::Lists { title }) => title,
        None => Vec::new(),
    };
    let mut context = YES_NO.trim_end().to_owned();
    let (mut places, mut others): (Vec<Range<usize>>, Vec<_>) = (Vec::new(), Vec::new());
    for (title, sentences) in paragraphs {
        context.push(' ');
        let start = context.len();
        context.push_str(&title);
        context.push(' ');
        // Sentences carry the space between them.
        context.push_str(sentences.concat().trim());
        let place = start..context.len();
        if supporting.contains(&title) { &mut places } else { &mut others }.push(place);
    }
    all.about(&context);
    places.append(&mut others);
    let answer = row.answer.trim();
    if ["yes", "no"].iter().any(|word| answer.eq_ignore_ascii_case(word)) {
        places.clear();
        places.push(0..YES_NO.trim_end().len());
    }
    // Every answer stands in the paragraphs, a few as a part of a word.
    all.looked_for(at, row.question, context, &[answer], &places, Match::Anything)
}

/// A plot with its questions, or one of them a row, as on the hub.
#[derive(Deserialize)]
struct DuoRc {
    plot: String,
    #[serde(default)]
    qa: Vec<DuoRcQuestion>,
    #[serde(flatten)]
    row: Option<DuoRcQuestion>,
}

#[derive(Deserialize)]
struct DuoRcQuestion {
    #[serde(default, alias = "question_id")]
    id: Option<Id>,
    question: String,
    answers: Vec<String>,
    no_answer: bool,
}

fn duorc(at: &Spot, row: DuoRc, all: &mut Collector<'_>) -> Result<(), Error> {
    all.about(&row.plot);
    for (i, qa) in row.qa.into_iter().chain(row.row).enumerate() {
        let at = match Id::shown(qa.id.as_ref()).filter(|id| !id.is_empty()) {
            Some(id) => Spot::Question(id),
            None => match at {
                Spot::Item(item) => Spot::Question(format!("{} of film {item}", i + 1)),
                other => other.clone(),
            },
        };
        if qa.no_answer || qa.answers.is_empty() {
            all.unanswerable(at, qa.question, row.plot.clone())?;
            continue;
        }
        let answers: Vec<_> = qa.answers.iter().map(|answer| answer.trim()).collect();
        all.looked_for(at, qa.question, row.plot.clone(), &answers, &[], Match::Words)?;
    }
    Ok(())
}

/// DROP's first span only; numbers and dates are no spans.
fn drop(file: &Path, content: Content<'_>, all: &mut Collector<'_>) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Passage {
        passage: String,
        qa_pairs: Vec<Pair>,
    }
    #[derive(Deserialize)]
    struct Pair {
        question: String,
        #[serde(default)]
        query_id: Option<Id>,
        answer: Spans,
        #[serde(default)]
        validated_answers: Vec<Spans>,
    }
    #[derive(Deserialize)]
    struct Spans {
        #[serde(default)]
        spans: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Row {
        #[serde(default)]
        query_id: Option<Id>,
        passage: String,
        question: String,
        answers_spans: Types,
    }
    /// The hub lists numbers and dates among the spans and says which are.
    #[derive(Deserialize)]
    struct Types {
        spans: Vec<String>,
        #[serde(default)]
        types: Vec<String>,
    }
    let Content::Document(text) = content else {
        return each(file, Form::Drop, content, |at, row: Row| {
            all.about(&row.passage);
            let at = all.spot(Id::shown(row.query_id.as_ref()).as_deref(), at)?;
            let spans = &row.answers_spans;
            let is_span = spans.types.first().is_none_or(|kind| kind == "span");
            let first = spans.spans.first().filter(|_| is_span);
            first_spans(at, row.question, row.passage, first.into_iter(), all)
        });
    };
    let passages: Ordered<Passage> = json::document(file, text, "the form of DROP")?;
    for (id, passage) in passages.0 {
        all.next_group();
        for (i, pair) in passage.qa_pairs.into_iter().enumerate() {
            let other = Spot::Question(format!("{id}#{}", i + 1));
            let at = all.spot(Id::shown(pair.query_id.as_ref()).as_deref(), other)?;
            // What validators answered counts, but what the author did decides
            // whether the answer is a span.
            let validated = pair.validated_answers.iter().filter_map(|answer| answer.spans.first());
            let author = pair.answer.spans.first();
            let answers = author.into_iter().chain(validated.filter(|_| author.is_some()));
            first_spans(at, pair.question, passage.passage.clone(), answers, all)?;
        }
    }
    Ok(())
}

fn first_spans<'a>(
    at: Spot,
    question: String,
    passage: String,
    spans: impl Iterator<Item = &'a String>,
    all: &mut Collector<'_>,
) -> Result<(), Error> {
    let spans: Vec<_> = spans.map(|span| span.trim()).collect();
    if spans.is_empty() {
        all.leave_out("whose answer is a number or a date, not a span");
        return Ok(());
    }
    all.looked_for(at, question, passage, &spans, &[], Match::Words)
}

#[derive(Deserialize)]
struct WikiHop {
    #[serde(default)]
    id: Option<Id>,
    query: String,
    answer: String,
    supports: Vec<String>,
}

/// All supports, one after the other; the query as it is (`relation subject`).
fn wikihop(at: Spot, row: WikiHop, all: &mut Collector<'_>) -> Result<(), Error> {
    let at = all.spot(Id::shown(row.id.as_ref()).as_deref(), at)?;
    let context = row.supports.join(" ");
    all.about(&context);
    all.looked_for(at, row.query, context, &[row.answer.trim()], &[], Match::Words)
}
