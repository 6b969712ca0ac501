//! From outputs to scores: every objective on hand-made cases.

use super::*;
use crate::batch::{Tokenised, Tokens, Window};
use crate::data::{Answer, Dataset, Example, Input, Label};
use crate::train;
use candle_core::Device;
use tupate_tasks::Metric;

fn dataset(objective: Objective, metric: Metric, labels: &[&str], dev: Vec<Example>) -> Dataset {
    Dataset {
        objective,
        metric,
        label_names: labels.iter().map(|name| (*name).to_owned()).collect(),
        train: dev.clone(),
        dev,
        ..train::tests::dataset(2, 2)
    }
}

fn sequence(example: usize, target: Target) -> Tokens {
    Tokens { example, input_ids: vec![2, 3], token_type_ids: vec![0, 0], target }
}

fn tokenised(dataset: &Dataset, sequences: Vec<Tokens>) -> Tokenised<'_> {
    Tokenised { examples: &dataset.dev, sequences, truncated: 0 }
}

fn details(scores: &Scores) -> Vec<(&str, f64)> {
    scores.details.iter().map(|(name, value)| (name.as_str(), *value)).collect()
}

/// A question about `one two three`; byte offsets of the words.
const CONTEXT: &str = "one two three";

fn question(answers: &[&str]) -> Example {
    let answer = |text: &&str| Answer { text: (*text).to_owned(), start: CONTEXT.find(*text) };
    Example {
        input: Input::Question { question: "which?".into(), context: CONTEXT.into() },
        label: Label::Answers(answers.iter().map(answer).collect()),
    }
}

fn window() -> Target {
    Target::Span(Window { gold: (0, 0), context: 1..2, offsets: vec![(0, 3)] })
}

fn said(span: (usize, usize), score: f32, none: f32) -> Prediction {
    Prediction::Spans { spans: vec![Span { start: span.0, end: span.1, score }], none }
}

#[test]
fn the_best_window_answers_and_no_answer_wins_only_where_there_may_be_none() {
    let examples = vec![question(&["two"]), question(&["three"]), question(&[])];
    let answerable = examples[..2].to_vec();
    let sequences =
        |questions: &[usize]| questions.iter().map(|&q| sequence(q, window())).collect();
    // The second window of the first question is surer; no answer would win.
    let predictions = [said((0, 3), 1.0, 9.0), said((4, 7), 2.0, 9.0), said((4, 13), 5.0, 0.0)];
    let all = dataset(Objective::SpanExtraction, Metric::TokenF1, &[], answerable);
    let scores = score(&all, &tokenised(&all, sequences(&[0, 0, 1])), &predictions).unwrap();
    // "two" is right; "two three" has F1 2/3 against "three".
    let f1 = (1.0 + 2.0 / 3.0) / 2.0;
    assert!((scores.score - f1).abs() < 1e-9);
    assert_eq!(scores.details["exact_match"], 0.5);
    assert_eq!(trivial(&all).unwrap(), 0.0);

    let some = dataset(Objective::SpanExtraction, Metric::TokenF1, &[], examples);
    // Question 0: one window sees no answer, the other one does not believe it:
    // the least sure "no answer" of the windows counts.
    let predictions = [
        said((4, 7), 2.0, 9.0),
        said((0, 3), 1.0, 1.5),
        said((8, 13), 5.0, 6.0),
        said((0, 3), 1.0, 2.0),
    ];
    let scores = score(&some, &tokenised(&some, sequences(&[0, 0, 1, 2])), &predictions).unwrap();
    // Right, wrongly none, rightly none.
    assert!((scores.score - 2.0 / 3.0).abs() < 1e-9, "{scores:?}");
    assert_eq!(scores.details["no_answer_accuracy"], 1.0);
    assert!((trivial(&some).unwrap() - 1.0 / 3.0).abs() < 1e-9);
}

#[test]
fn words_without_a_token_count_as_wrong() {
    let example = Example {
        input: Input::Words(["a", "b", "c", "d"].map(str::to_owned).to_vec()),
        label: Label::Tags(vec![0, 1, 0, 0]),
    };
    let target = Target::Tags(vec![]);
    let predictions = [Prediction::Tags(vec![(0, 0), (1, 1), (2, 1)])];
    let of = |metric, labels: &[&str]| {
        let data = dataset(Objective::TokenClassification, metric, labels, vec![example.clone()]);
        let split = tokenised(&data, vec![sequence(0, target.clone())]);
        score(&data, &split, &predictions).unwrap()
    };
    assert_eq!(of(Metric::Accuracy, &["x", "y"]).score, 0.5);
    // Gold: one span, word 1. Predicted: word 1, and word 2 as another one.
    let spans = of(Metric::SpanF1, &["O", "B-X"]);
    assert!((spans.score - 2.0 / 3.0).abs() < 1e-9, "{spans:?}");
    // Precision 1/2, recall 1: 1.25·0.5 / (0.25·0.5 + 1).
    let f05 = of(Metric::F05, &["c", "i"]);
    assert!((f05.score - 0.625 / 1.125).abs() < 1e-9, "{f05:?}");
    assert_eq!(details(&of(Metric::Accuracy, &["x", "y"])), [("accuracy", 0.5)]);
}

#[test]
fn a_constant_prediction_has_no_correlation() {
    let example = |score| Example { input: Input::Single("x".into()), label: Label::Score(score) };
    let data = dataset(
        Objective::Regression,
        Metric::PearsonSpearman,
        &[],
        vec![example(1.0), example(2.0), example(4.0)],
    );
    let split = tokenised(&data, vec![sequence(0, Target::Score(0.0)); 3]);
    let said = |scores: [f32; 3]| scores.map(Prediction::Score);
    assert_eq!(score(&data, &split, &said([1.0, 1.0, 1.0])).unwrap().score, 0.0);
    assert!((score(&data, &split, &said([2.0, 4.0, 8.0])).unwrap().score - 1.0).abs() < 1e-9);
    assert_eq!(trivial(&data).unwrap(), 0.0);
}

#[test]
fn a_metric_of_another_objective_is_refused() {
    let example = Example { input: Input::Single("x".into()), label: Label::Class(0) };
    let data = dataset(Objective::Classification, Metric::TokenF1, &["a", "b"], vec![example]);
    let split = tokenised(&data, vec![sequence(0, Target::Class(0))]);
    let error = score(&data, &split, &[Prediction::Class(0)]).unwrap_err().to_string();
    assert!(error.starts_with("token_f1 does not fit"), "{error}");
}

#[test]
fn labels_go_to_the_words_that_carry_them() {
    let tag = |token, word, class| Tag { token, word, class };
    let sequences = [
        sequence(0, Target::Tags(vec![tag(0, 0, 1), tag(1, 3, 0)])),
        sequence(1, Target::Tags(vec![tag(1, 2, 1)])),
    ];
    let batch = Batch::new(&sequences, &[0, 1], 0);
    let outputs =
        Tensor::new(&[[[0.0_f32, 1.0], [3.0, 2.0]], [[9.0, 0.0], [0.0, 1.0]]], &Device::Cpu)
            .unwrap();
    let predictions = Objective::TokenClassification.predict(&outputs, &batch).unwrap();
    assert_eq!(
        predictions,
        [Prediction::Tags(vec![(0, 1), (3, 0)]), Prediction::Tags(vec![(2, 1)])]
    );
    let loss = Objective::TokenClassification.loss(&outputs, &batch).unwrap();
    let row = |gold: f64, other: f64| (1.0 + (other - gold).exp()).ln();
    let wanted = (row(1.0, 0.0) + row(3.0, 2.0) + row(1.0, 0.0)) / 3.0;
    assert!((f64::from(loss.to_scalar::<f32>().unwrap()) - wanted).abs() < 1e-6);
}
