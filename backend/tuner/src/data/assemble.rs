//! From a task's files to a data set: labels, held-out split, notes.

use super::holdout;
use super::labels::{Labels, Part, groups};
use super::locate::Files;
use super::reading::Reading;
use super::{ColumnChoice, Dataset, Error, Example, Label, Objective, grouped, present};
use std::collections::HashSet;
use std::path::Path;
use tupate_tasks::{Metric, TaskClass};

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
