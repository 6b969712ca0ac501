//! The two forms into which whole families of data sets were converted: MRQA
//! and MultiQA.

use super::collect::Collector;
use super::find::Match;
use super::forms::{Id, YES_NO};
use crate::data::Error;
use crate::data::error::Spot;
use crate::data::json::Ordered;
use serde::Deserialize;
use serde_json::Value;
use std::slice::from_ref;

/// MRQA marks where the answers were detected, both ends included.
#[derive(Deserialize)]
pub(super) struct Mrqa {
    context: String,
    qas: Vec<MrqaQuestion>,
}

#[derive(Deserialize)]
struct MrqaQuestion {
    #[serde(default)]
    qid: Option<Id>,
    #[serde(default)]
    id: Option<Id>,
    question: String,
    #[serde(default)]
    answers: Vec<String>,
    detected_answers: Vec<Detected>,
}

#[derive(Deserialize)]
struct Detected {
    char_spans: Vec<(i64, i64)>,
}

pub(super) fn mrqa(at: &Spot, row: Mrqa, all: &mut Collector<'_>) -> Result<(), Error> {
    all.about(&row.context);
    for qa in row.qas {
        let id = Id::shown(qa.qid.as_ref().or(qa.id.as_ref()));
        let at = all.spot(id.as_deref(), at.clone())?;
        let spans = qa.detected_answers.iter().flat_map(|detected| &detected.char_spans);
        let spans: Vec<_> = spans.map(|(first, last)| (*first, last.saturating_add(1))).collect();
        if spans.is_empty() {
            all.leave_out("without a detected answer");
        } else {
            all.between(at, qa.question, row.context.clone(), &spans, qa.answers)?;
        }
    }
    Ok(())
}

#[derive(Deserialize)]
pub(super) struct MultiQa {
    context: Documents,
    qas: Vec<MultiQaQuestion>,
}

#[derive(Deserialize)]
struct Documents {
    documents: Vec<Ordered<Value>>,
}

#[derive(Deserialize)]
struct MultiQaQuestion {
    #[serde(default)]
    qid: Option<Id>,
    question: String,
    answers: Value,
}

/// The texts of a document that are shown to the encoder, in this order.
const PARTS: [&str; 5] = ["title", "text", "snippet", "snippets", "body"];

/// The documents' titles and texts make one context. Answers are looked for in
/// it: the instances that the format may carry name the same first places.
pub(super) fn multiqa(at: &Spot, row: MultiQa, all: &mut Collector<'_>) -> Result<(), Error> {
    let mut context = YES_NO.to_owned();
    let mut texts = Vec::new();
    for document in &row.context.documents {
        for part in PARTS {
            let part = document.0.iter().find(|(name, _)| name == part).map(|(_, value)| value);
            strings(part, &mut texts);
        }
    }
    context += &texts.join(" ");
    all.next_group();
    for qa in row.qas {
        let at = all.spot(Id::shown(qa.qid.as_ref()).as_deref(), at.clone())?;
        let (mut answers, mut yes_no) = (Vec::new(), Vec::new());
        let open = qa.answers.get("open-ended");
        let cannot = open.and_then(|open| open.get("cannot_answer"));
        if cannot.is_some_and(|cannot| cannot.as_str() != Some("no")) {
            all.unanswerable(at, qa.question, context.clone())?;
            continue;
        }
        let candidates = ["annotators_answer_candidates", "answer_candidates"];
        for candidate in candidates.iter().filter_map(|name| open?.get(name)) {
            candidate_answers(candidate, "", &mut answers, &mut yes_no);
        }
        let prefix = 0..YES_NO.len();
        let documents = YES_NO.len()..context.len();
        match (answers.is_empty(), yes_no.is_empty()) {
            (true, true) => all.leave_out("whose answer is no text"),
            (true, false) => {
                all.looked_for(
                    at,
                    qa.question,
                    context.clone(),
                    &yes_no,
                    from_ref(&prefix),
                    Match::Words,
                )?;
            }
            _ => all.looked_for(
                at,
                qa.question,
                context.clone(),
                &answers,
                from_ref(&documents),
                Match::Words,
            )?,
        }
    }
    Ok(())
}

/// A text, or the texts of a list.
fn strings<'a>(value: Option<&'a Value>, texts: &mut Vec<&'a str>) {
    match value {
        Some(Value::String(text)) if !text.trim().is_empty() => texts.push(text),
        Some(Value::Array(list)) => list.iter().for_each(|value| strings(Some(value), texts)),
        _ => {}
    }
}

/// The extractive and yes/no answers in a MultiQA answer candidate: releases
/// of the format nest `single_answer`, `list` and `extractive` both ways.
fn candidate_answers<'a>(
    value: &'a Value,
    under: &str,
    answers: &mut Vec<&'a str>,
    yes_no: &mut Vec<&'a str>,
) {
    match value {
        Value::Array(list) => {
            list.iter().for_each(|value| candidate_answers(value, under, answers, yes_no));
        }
        Value::Object(fields) => {
            // The main answer before its aliases, as the format has them.
            let aliases = fields.get("aliases");
            for value in fields.get("answer").into_iter().chain(aliases) {
                strings(Some(value), answers);
            }
            for (name, value) in fields {
                match name.as_str() {
                    "answer" | "aliases" | "instances" | "date" | "number" | "generated_text" => {}
                    "extractive" | "yesno" => candidate_answers(value, name, answers, yes_no),
                    _ => candidate_answers(value, under, answers, yes_no),
                }
            }
        }
        Value::String(text) if under == "yesno" => yes_no.push(text),
        _ => {}
    }
}
