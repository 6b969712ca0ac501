//! Task metrics against scikit-learn, scipy, seqeval and SQuAD's official
//! evaluation (`golden/tasks.py`).

use serde_json::Value;
use tupate_metrics::{
    answer_f1, average_ranks, exact_match, f_beta, kendall_tau, pearson, span_f1, spearman,
};

fn golden(section: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("golden/tasks.json")).unwrap();
    let cases = all[section].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap()
}

#[track_caller]
fn close(found: f64, wanted: &Value, case: &Value) {
    let wanted = wanted.as_f64().unwrap();
    assert!((found - wanted).abs() < 1e-12, "{found} instead of {wanted}: {case}");
}

#[test]
fn correlations_are_scipys() {
    for case in golden("correlations") {
        let (a, b) = (list(&case["a"]), list(&case["b"]));
        close(pearson(&a, &b).unwrap(), &case["pearson"], &case);
        close(spearman(&a, &b).unwrap(), &case["spearman"], &case);
        close(kendall_tau(&a, &b).unwrap(), &case["kendall_tau"], &case);
        assert_eq!(average_ranks(&b), list::<f64>(&case["ranks_of_b"]));
    }
}

#[test]
fn span_f1_is_seqevals() {
    for case in golden("spans") {
        let (gold, predicted): (Vec<Vec<String>>, Vec<Vec<String>>) =
            (list(&case["gold"]), list(&case["predicted"]));
        close(span_f1(&gold, &predicted), &case["f1"], &case);
    }
}

#[test]
fn f_beta_is_scikit_learns() {
    for case in golden("f_beta") {
        let beta = case["beta"].as_f64().unwrap();
        let score = f_beta(&list::<u32>(&case["gold"]), &list::<u32>(&case["predicted"]), beta);
        close(score, &case["score"], &case);
    }
}

#[test]
fn answers_are_scored_as_by_squad() {
    for case in golden("answers") {
        let answers: Vec<String> = list(&case["answers"]);
        let prediction = case["prediction"].as_str().unwrap();
        close(exact_match(&answers, prediction), &case["exact_match"], &case);
        close(answer_f1(&answers, prediction), &case["answer_f1"], &case);
    }
}
