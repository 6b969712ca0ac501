//! Questions as they are gathered from a file: checked, with the places of
//! their answers in bytes.

use super::find::{Match, find};
use crate::data::error::Spot;
use crate::data::json;
use crate::data::raw::{Extracted, Group, Raw, Target};
use crate::data::{Answer, Error, Input, counted, grouped};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::path::Path;

/// How many characters a distributed offset may be off: more than this is no
/// slip of the annotation.
const SLACK: i64 = 2;

/// The questions of one file.
pub(in crate::data) struct Collector<'a> {
    file: &'a Path,
    rows: Vec<Raw>,
    ids: HashSet<String>,
    group: Group,
    /// The number of articles or texts that were begun.
    begun: u32,
    questions: usize,
    nowhere: usize,
    others: Vec<(&'static str, usize)>,
    moved: usize,
}

/// An answer with its place, in characters from 0.
#[derive(Debug, Deserialize)]
pub(in crate::data) struct Offset {
    pub(in crate::data) text: String,
    #[serde(default)]
    pub(in crate::data) answer_start: Option<i64>,
}

/// The answers of a list.
pub(in crate::data) enum Listed<'a> {
    /// Texts whose places are not said.
    Texts(Vec<&'a str>),
    /// Texts with their places.
    Offsets(Vec<Offset>),
}

/// The answers in the list that `field` holds: all texts, or all with a place.
pub(in crate::data) fn listed<'a>(
    file: &Path,
    at: &Spot,
    field: &str,
    list: &'a [Value],
) -> Result<Listed<'a>, Error> {
    if let Some(texts) = list.iter().map(Value::as_str).collect() {
        return Ok(Listed::Texts(texts));
    }
    if !list.iter().all(Value::is_object) {
        let (file, at, field) = (file.into(), at.clone(), field.to_owned());
        let expected = "a list of strings, or of {\"text\": …, \"answer_start\": …}";
        return Err(Error::FieldType { file, at, field, found: "a list", expected });
    }
    let form = "{\"text\": …, \"answer_start\": …}";
    let offset = |value: &Value| json::entry(file, at, value.clone(), form);
    Ok(Listed::Offsets(list.iter().map(offset).collect::<Result<_, _>>()?))
}

impl<'a> Collector<'a> {
    pub(in crate::data) fn new(file: &'a Path) -> Self {
        Self {
            file,
            rows: Vec::new(),
            ids: HashSet::new(),
            group: Group::NONE,
            begun: 0,
            questions: 0,
            nowhere: 0,
            others: Vec::new(),
            moved: 0,
        }
    }

    /// What follows is about another article or text.
    pub(super) fn next_group(&mut self) {
        self.begun += 1;
        self.group = Group::Nth(self.begun);
    }

    /// What follows is about this text, or the article of this title. Neither
    /// tables nor their shards need keep questions about one text together.
    pub(in crate::data) fn about(&mut self, text: &str) {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        self.group = Group::About(hasher.finish());
    }

    /// The place called `id`, which no other question may have; without an
    /// id, `other`.
    pub(super) fn spot(&mut self, id: Option<&str>, other: Spot) -> Result<Spot, Error> {
        let Some(id) = id.filter(|id| !id.is_empty()) else { return Ok(other) };
        let at = Spot::Question(id.to_owned());
        if self.ids.insert(id.to_owned()) {
            return Ok(at);
        }
        Err(Error::DuplicateId { file: self.file.into(), at })
    }

    /// Leaves a question out and counts it.
    pub(super) fn leave_out(&mut self, why: &'static str) {
        self.questions += 1;
        match self.others.iter_mut().find(|(other, _)| *other == why) {
            Some((_, count)) => *count += 1,
            None => self.others.push((why, 1)),
        }
    }

    /// A question whose text has no answer.
    pub(in crate::data) fn unanswerable(
        &mut self,
        at: Spot,
        question: String,
        context: String,
    ) -> Result<(), Error> {
        self.push(at, question, context, Vec::new())
    }

    /// A question whose answers come with offsets, in characters.
    pub(in crate::data) fn at_offsets(
        &mut self,
        at: Spot,
        question: String,
        context: String,
        answers: Vec<Offset>,
    ) -> Result<(), Error> {
        let mut found = Vec::with_capacity(answers.len());
        for Offset { text, answer_start } in answers {
            if text.is_empty() {
                return Err(Error::EmptyPart { file: self.file.into(), at, what: "answer" });
            }
            let Some(start) = answer_start else {
                return Err(Error::NoOffset { file: self.file.into(), at, text });
            };
            let length = text.chars().count() as i64;
            let byte = match self.bytes(&at, &context, start, start.saturating_add(length))? {
                range if context[range.clone()] == text => range.start,
                range => {
                    let near = (1..=SLACK).flat_map(|by| [-by, by]).find_map(|by| {
                        let range = byte_range(&context, start + by, start + by + length)?;
                        (context[range.clone()] == text).then_some(range.start)
                    });
                    let there = context[range].to_owned();
                    let file = self.file.into();
                    self.moved += 1;
                    near.ok_or(Error::AnswerElsewhere {
                        file,
                        at: at.clone(),
                        text: text.clone(),
                        start,
                        there,
                    })?
                }
            };
            add(&mut found, Answer { text, start: Some(byte) });
        }
        self.push(at, question, context, found)
    }

    /// A question whose answer is what stands between two offsets, in
    /// characters, the second one exclusive; spaces around it are no part of
    /// it. `accepted` are other spellings.
    pub(super) fn between(
        &mut self,
        at: Spot,
        question: String,
        context: String,
        spans: &[(i64, i64)],
        accepted: Vec<String>,
    ) -> Result<(), Error> {
        let mut found = Vec::new();
        for &(start, end) in spans {
            let range = self.bytes(&at, &context, start, end)?;
            let there = &context[range.clone()];
            let text = there.trim();
            if text.is_empty() {
                return Err(Error::EmptyPart { file: self.file.into(), at, what: "answer" });
            }
            let start = range.start + (there.len() - there.trim_start().len());
            add(&mut found, Answer { text: text.to_owned(), start: Some(start) });
        }
        for text in accepted {
            if !found.iter().any(|answer| answer.text == text) {
                found.push(Answer { text, start: None });
            }
        }
        self.push(at, question, context, found)
    }

    /// A question whose answers are looked for in the first of `places` that
    /// has them, or anywhere if there are no places; one with none of them is
    /// left out.
    pub(super) fn looked_for(
        &mut self,
        at: Spot,
        question: String,
        context: String,
        answers: &[&str],
        places: &[Range<usize>],
        how: Match,
    ) -> Result<(), Error> {
        let found = search(&context, answers, places, how);
        if found.iter().all(|answer| answer.start.is_none()) {
            self.questions += 1;
            self.nowhere += 1;
            return Ok(());
        }
        self.push(at, question, context, found)
    }

    /// A question whose answers must stand in the context.
    pub(in crate::data) fn standing(
        &mut self,
        at: Spot,
        question: String,
        context: String,
        answers: &[&str],
    ) -> Result<(), Error> {
        let found = search(&context, answers, &[], Match::Anything);
        if found.iter().all(|answer| answer.start.is_none()) {
            let text = answers.first().map_or_else(String::new, |text| (*text).to_owned());
            return Err(Error::AnswerNowhere { file: self.file.into(), at, text });
        }
        self.push(at, question, context, found)
    }

    /// A question whose answers are `{"text": […], "answer_start": […]}`.
    pub(in crate::data) fn squad_row(
        &mut self,
        at: Spot,
        question: String,
        context: String,
        answers: Value,
    ) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Answers {
            text: Vec<String>,
            answer_start: Vec<i64>,
        }
        let form = "{\"text\": […], \"answer_start\": […]}";
        let Answers { text, answer_start } = json::entry(self.file, &at, answers, form)?;
        if let Some(text) = text.get(answer_start.len()) {
            return Err(Error::NoOffset { file: self.file.into(), at, text: text.clone() });
        }
        let pairs = text.into_iter().zip(answer_start);
        let answers = pairs.map(|(text, start)| Offset { text, answer_start: Some(start) });
        self.at_offsets(at, question, context, answers.collect())
    }

    fn push(
        &mut self,
        at: Spot,
        question: String,
        context: String,
        answers: Vec<Answer>,
    ) -> Result<(), Error> {
        for (text, what) in [(&question, "question"), (&context, "context")] {
            if text.trim().is_empty() {
                return Err(Error::EmptyPart { file: self.file.into(), at, what });
            }
        }
        self.questions += 1;
        let input = Input::Question { question, context };
        let (target, group) = (Target::Answers(answers), self.group);
        self.rows.push(Raw { at, input, target, group });
        Ok(())
    }

    fn bytes(&self, at: &Spot, context: &str, start: i64, end: i64) -> Result<Range<usize>, Error> {
        byte_range(context, start, end).ok_or_else(|| Error::OffsetPastEnd {
            file: self.file.into(),
            at: at.clone(),
            start,
            end,
            length: context.chars().count(),
        })
    }

    /// The questions, and what there is to tell of those left out.
    pub(in crate::data) fn finish(self) -> Result<Extracted, Error> {
        let mut notes = Vec::new();
        let share = |count: usize| {
            let percent = 100.0 * count as f64 / self.questions.max(1) as f64;
            format!(
                "{} of {} ({percent:.1} %)",
                grouped(count),
                counted(self.questions, "question")
            )
        };
        if self.nowhere > 0 {
            let count = share(self.nowhere);
            notes.push(format!("left out {count} whose answer stands nowhere in the text"));
        }
        for (why, count) in &self.others {
            notes.push(format!("left out {} {why}", share(*count)));
        }
        if self.moved > 0 {
            notes.push(format!(
                "{} up to {SLACK} characters beside the offset; the offset was mended",
                counted(self.moved, "answer")
            ));
        }
        if self.rows.is_empty() {
            let file = self.file.into();
            return Err(match self.questions {
                0 => Error::NoExamples { file },
                questions => Error::NothingFound { file, questions },
            });
        }
        Ok(Extracted { rows: self.rows, notes })
    }
}

/// The bytes between two characters of `text`; `None` where there are none.
fn byte_range(text: &str, start: i64, end: i64) -> Option<Range<usize>> {
    let (start, end) = (usize::try_from(start).ok()?, usize::try_from(end).ok()?);
    let ends = || text.char_indices().map(|(byte, _)| byte).chain([text.len()]);
    let length = end.checked_sub(start)?;
    let mut from = ends().skip(start);
    let first = from.next()?;
    let last = if length == 0 { first } else { from.nth(length - 1)? };
    Some(first..last)
}

fn add(answers: &mut Vec<Answer>, answer: Answer) {
    if !answers.contains(&answer) {
        answers.push(answer);
    }
}

/// Those of `answers` that stand in one of `places` (without any: anywhere),
/// and then the others.
fn search(context: &str, answers: &[&str], places: &[Range<usize>], how: Match) -> Vec<Answer> {
    let anywhere = 0..context.len();
    let places = if places.is_empty() { std::slice::from_ref(&anywhere) } else { places };
    let (mut there, mut elsewhere) = (Vec::new(), Vec::new());
    for answer in answers.iter().filter(|answer| !answer.trim().is_empty()) {
        let found = places.iter().find_map(|place| {
            let found = find(&context[place.clone()], answer, how)?;
            Some(place.start + found.start..place.start + found.end)
        });
        match found {
            Some(range) => {
                let text = context[range.clone()].to_owned();
                add(&mut there, Answer { text, start: Some(range.start) });
            }
            None => add(&mut elsewhere, Answer { text: (*answer).to_owned(), start: None }),
        }
    }
    there.append(&mut elsewhere);
    there
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_become_bytes() {
        let text = "aé€😀b";
        for (start, end, expected) in [
            (0, 1, Some("a")),
            (1, 4, Some("é€😀")),
            (4, 5, Some("b")),
            (5, 5, Some("")),
            (4, 6, None),
            (6, 7, None),
            (-1, 2, None),
            (3, 2, None),
            (i64::MAX, i64::MAX, None),
        ] {
            let found = byte_range(text, start, end).map(|range| &text[range]);
            assert_eq!(found, expected, "{start} to {end}");
        }
    }
}
