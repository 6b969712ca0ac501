//! Evaluation against numpy (`golden/evaluate.py`), truths inside zoos, seeds,
//! and refusals.

mod common;

use common::{embedding, zoo};
use serde_json::{Value, json};
use tupate_tasks::Checkpoint;
use tupate_zoo::evaluate::{Report, Settings, evaluate, evaluate_scores};
use tupate_zoo::lab;
use tupate_zoo::npy::Array;
use tupate_zoo::{Dtype, Error, Reduce, ScoreTable, Similarity, TransferMatrix, Zoo, import};

const TRUTH: &[u8] = include_bytes!("golden/truth.csv");

fn arrays() -> Vec<(&'static str, &'static [u8])> {
    vec![
        ("ape", include_bytes!("golden/npy/ape.npy") as &[u8]),
        ("bee", include_bytes!("golden/npy/bee.npy")),
        ("cat", include_bytes!("golden/npy/cat.npy")),
        ("dog", include_bytes!("golden/npy/dog.npy")),
        ("eel", include_bytes!("golden/npy/eel.npy")),
        ("fox", include_bytes!("golden/npy/fox.npy")),
        ("noise", include_bytes!("golden/npy/noise.npy")),
    ]
}

fn imported(reduce: Option<Reduce>) -> Result<Zoo, Error> {
    let arrays = arrays()
        .into_iter()
        .map(|(name, bytes)| (common::task(name), Array::parse(bytes).unwrap()))
        .collect();
    import("animals", "a script", "none", arrays, reduce)
}

fn truth() -> TransferMatrix {
    TransferMatrix::from_csv(TRUTH, "invented", "accuracy").unwrap()
}

fn judge(zoo: &Zoo, truth: &TransferMatrix, exclude: &[String]) -> Result<Report, Error> {
    let similarity = Similarity::named("cosine").unwrap();
    evaluate(zoo, truth, &Settings { method: None, similarity, exclude, seed: 0 })
}

/// Every number of `wanted` must be at the same place in `found`.
#[track_caller]
fn within(found: &Value, wanted: &Value, path: &str) {
    match wanted {
        Value::Object(fields) => {
            for (key, value) in fields {
                within(&found[key], value, &format!("{path}.{key}"));
            }
        }
        Value::Number(number) => {
            let (found, wanted) = (found.as_f64(), number.as_f64().unwrap());
            let close = found.is_some_and(|found| (found - wanted).abs() < 1e-9);
            assert!(close, "{path}: {found:?} instead of {wanted}");
        }
        other => assert_eq!(found, other, "{path}"),
    }
}

#[test]
fn numbers_are_numpys() {
    let golden: Value = serde_json::from_str(include_str!("golden/evaluate.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let reduce = match case["reduce"].as_str().unwrap() {
            "flatten" => Reduce::Flatten,
            _ => Reduce::MeanRows,
        };
        let similarity = Similarity::named(case["similarity"].as_str().unwrap()).unwrap();
        let exclude: Vec<String> = serde_json::from_value(case["exclude"].clone()).unwrap();
        let settings = Settings { method: None, similarity, exclude: &exclude, seed: 0 };
        let report = evaluate(&imported(Some(reduce)).unwrap(), &truth(), &settings).unwrap();
        let found = report.to_json();
        let targets = case["targets"].as_array().unwrap();
        assert_eq!(report.targets.len(), targets.len());
        for (i, wanted) in targets.iter().enumerate() {
            within(&found["targets"][i], wanted, &format!("{similarity:?} {exclude:?}"));
        }
        let mean = targets.iter().map(|t| t["rank_of_best"].as_f64().unwrap()).sum::<f64>() / 6.0;
        within(&found["mean"]["rho"], &json!(mean), "rho");
        assert_eq!(report.without_vector, ["gnu"]);
    }
}

#[test]
fn the_shape_of_the_json() {
    let report = judge(&imported(Some(Reduce::Flatten)).unwrap(), &truth(), &[]).unwrap();
    let json = report.to_json();
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    for (part, rank) in [("mean", "rho"), ("random", "rho"), ("interval95", "rho")] {
        let mut wanted = vec!["ndcg", "regret", "regret_of_means", "kendall_tau", "spearman", rank];
        wanted.sort_unstable();
        let mut found = keys(&json[part]);
        found.sort_unstable();
        assert_eq!(found, wanted, "{part}");
        for relevance in ["percent", "fraction", "rank", "gain"] {
            assert!(!json[part]["ndcg"][relevance].is_null(), "{part} {relevance}");
        }
    }
    let [low, high] = [0, 1].map(|i| json["interval95"]["rho"][i].as_f64().unwrap());
    let mean = json["mean"]["rho"].as_f64().unwrap();
    assert!(low <= mean && mean <= high && low < high, "{low} {mean} {high}");
    assert!(json.get("ceiling").is_none(), "one table has no seeds");
    // Targets have 6, 6, 5, … sources left: the mean of (n + 1)/2.
    let n: f64 = report.targets.iter().map(|t| (t.sources.len() + 1) as f64 / 2.0).sum();
    within(&json["random"]["rho"], &json!(n / 6.0), "random");
    assert_eq!(json["targets"][0]["rank_of_best"], report.targets[0].values[0].unwrap());
}

#[test]
fn a_matrix_needs_to_be_told_how_it_becomes_a_vector() {
    let error = imported(None).unwrap_err().to_string();
    assert!(error.contains("shape [4, 5]") && error.contains("--reduce mean-rows"), "{error}");
}

#[test]
fn a_truth_of_other_tasks_is_refused() {
    let zoo = imported(Some(Reduce::Flatten)).unwrap();
    let read = |text: &str| TransferMatrix::from_csv(text.as_bytes(), "s", "m").unwrap();
    let error = judge(&zoo, &read("t,x,y\nape,1,2\n"), &[]).unwrap_err().to_string();
    assert!(error.contains("only 0 have an embedding (without one: x, y)"), "{error}");
    // One source is left for each target: nothing to rank.
    let error = judge(&zoo, &read("t,ape,bee\nape,1,2\nbee,1,2\n"), &[]).unwrap_err().to_string();
    assert!(error.contains("no target of the truth can be evaluated"), "{error}");
    // Where some targets are left, the others are named.
    let report =
        judge(&zoo, &read("t,ape,bee,cat\nape,1,2,3\nbee,1,2,\ngnu,1,2,3\n"), &[]).unwrap();
    assert_eq!(report.targets.len(), 1);
    assert_eq!(report.targets_without_vector, ["gnu"]);
    assert_eq!(report.targets_without_sources, ["bee"]);
}

#[test]
fn a_set_may_lack_tasks_that_the_zoo_has() {
    // The early set of the plane has a and b only.
    let truth = TransferMatrix::from_csv(b"t,a,b,c,d\na,.1,.2,.3,.4\n", "s", "m").unwrap();
    let similarity = Similarity::named("cosine").unwrap();
    let settings = Settings { method: Some("lora.early"), similarity, exclude: &[], seed: 0 };
    let error = evaluate(&zoo(), &truth, &settings).unwrap_err().to_string();
    assert!(error.contains("no target"), "{error}");
    let late = evaluate(&zoo(), &truth, &Settings { method: Some("lora.late"), ..settings });
    assert_eq!(late.unwrap().targets[0].sources, ["b", "c", "d"]);
}

#[test]
fn means_say_over_which_targets_they_are() {
    let seed = |of_b: &str| {
        // Without a gain for a, its NDCG by gain is undefined.
        let text = format!("t,a,b,c,d,no-transfer\na,,0.6,0.5,0.4,0.9\nb,{of_b},0.5\n");
        TransferMatrix::from_csv(text.as_bytes(), "full-full", "accuracy").unwrap()
    };
    // The second seed has b alone.
    let mut other = seed("0.6,,0.3,0.2");
    other.scores[0].iter_mut().flatten().for_each(|score| *score = None);
    let seeds = TransferMatrix::of_seeds(&[seed("0.6,,0.2,0.3"), other]).unwrap();
    let report = judge(&zoo(), &seeds, &[]).unwrap();
    let [gain, tau] = ["ndcg.gain", "kendall_tau"].map(|name| lab::measure(name).unwrap());
    assert_eq!([report.defined(gain), report.defined(tau)], [1, 2]);
    let ceiling = report.ceiling.as_ref().unwrap();
    assert_eq!(ceiling.targets, 1);
    assert_eq!(ceiling.random, report.targets[1].random);
    assert_eq!(report.ceiling_beside(), None, "it is of b alone");
    let json = report.to_json();
    assert_eq!(json["ceiling"]["targets"], 1);
    assert_eq!(json["ceiling"]["random"]["kendall_tau"], 0.0);

    let fewer = judge(&zoo(), &seeds, &["d".to_owned()]).unwrap();
    assert!(report.is_comparable(&report, tau) && !report.is_comparable(&fewer, tau));
    let against = report.against_chance(tau, 0).unwrap();
    assert_eq!((against.targets, against.difference), (2, report.mean[tau].unwrap()));
}

#[test]
fn seeds_give_a_ceiling_and_travel_in_the_zoo() {
    let seed = |shift: f64| {
        let text = format!(
            "t,a,b,c,d,no-transfer\na,,{},0.5,0.4,0.45\nb,0.6,,{},0.2,0.5\n",
            0.9 - shift,
            0.3 + shift
        );
        TransferMatrix::from_csv(text.as_bytes(), "full-full", "accuracy").unwrap()
    };
    let seeds = TransferMatrix::of_seeds(&[seed(0.0), seed(0.1), seed(0.2)]).unwrap();
    let carried = zoo().with_transfer(vec![seeds.clone()]).unwrap();
    for dtype in [Dtype::F16, Dtype::Int8] {
        let read = Zoo::parse(&carried.to_bytes(dtype).unwrap()).unwrap();
        assert_eq!(read.transfer(), std::slice::from_ref(&seeds));
    }
    let report = judge(&carried, &carried.transfer()[0], &[]).unwrap();
    let json = report.to_json();
    // Every seed has b first for a; for b, a before c throughout.
    assert_eq!(json["ceiling"]["rho"], 1.0);
    assert_eq!(json["ceiling"]["regret"]["1"], 0.0);
    assert!(json["mean"]["ndcg"]["gain"].is_number());
    let twice = zoo().with_transfer(vec![seeds.clone(), seeds]).unwrap_err().to_string();
    assert!(twice.contains("two transfer matrices are of the setting full-full"), "{twice}");
}

#[test]
fn two_methods_are_compared_over_the_same_targets() {
    let (zoo, truth) = (imported(Some(Reduce::Flatten)).unwrap(), truth());
    let report = judge(&zoo, &truth, &[]).unwrap();
    let same = report.compare(&report, 0);
    let rank = same[0].unwrap();
    assert_eq!((rank.targets, rank.difference, rank.p_value), (6, 0.0, 1.0));
    let other = imported(Some(Reduce::MeanRows)).unwrap();
    let other = judge(&other, &truth, &[]).unwrap();
    let test = report.compare(&other, 0)[0].unwrap();
    let difference = report.mean[0].unwrap() - other.mean[0].unwrap();
    assert!((test.difference - difference).abs() < 1e-12 && test.exact);
}

#[test]
fn two_methods_that_ranked_other_sources_are_not_compared() {
    let truth = TransferMatrix::from_csv(b"t,a,b,c\nx,.1,.2,.3\ny,.1,.2,.3\n", "s", "m").unwrap();
    let scored = |csv: &str| {
        let scores = ScoreTable::from_csv(csv.as_bytes(), "s").unwrap();
        evaluate_scores(&scores, &truth, &[], 0).unwrap()
    };
    let own = scored("t,a,b,c\nx,1,2,\ny,1,2,3\n");
    let other = scored("t,a,b,c\nx,,2,3\ny,3,2,1\n");
    // Of x both ranked two sources, and not the same.
    assert_eq!(own.compare(&own, 0)[0].unwrap().targets, 2);
    assert!(own.compare(&other, 0)[0].is_none_or(|test| test.targets == 1));
}

#[test]
fn a_measure_without_a_value_is_null_and_a_place_is_whole() {
    // Equal true scores have no correlation with anything.
    let truth = TransferMatrix::from_csv(b"t,a,b,c\na,,.5,.5\n", "s", "m").unwrap();
    let json = judge(&zoo_of_late(), &truth, &[]).unwrap().to_json();
    for part in [&json["targets"][0], &json["mean"], &json["random"], &json["interval95"]] {
        let fields = part.as_object().unwrap();
        assert!(fields["kendall_tau"].is_null() && fields["spearman"].is_null(), "{part}");
        // Without scores without transfer there is no gain.
        assert!(!fields["ndcg"].as_object().unwrap().contains_key("gain"), "{part}");
    }
    let truth = TransferMatrix::from_csv(b"t,a,b,c\na,,.4,.5\n", "s", "m").unwrap();
    let json = judge(&zoo_of_late(), &truth, &[]).unwrap().to_json();
    assert_eq!(json["targets"][0]["rank_of_best"].to_string(), "2");
}

/// The plane, by one set.
fn zoo_of_late() -> Zoo {
    let rows = [("a", [1.0, 0.0]), ("b", [2.0, 0.5]), ("c", [0.25, 1.0])];
    Zoo::pack("plane", "", rows.map(|(id, row)| embedding(id, Checkpoint::Late, &row))).unwrap()
}

#[test]
fn exclusion_is_as_if_the_task_had_never_been_there() {
    let rows = [("a", [1.0, 0.0]), ("b", [2.0, 0.5]), ("c", [0.25, 1.0])];
    let small = rows.iter().map(|(id, v)| embedding(id, Checkpoint::Late, v));
    let small = Zoo::pack("plane", "Four directions.", small).unwrap();
    let late = zoo().without(&["d".into()]);
    let of = |zoo: &Zoo| {
        let similarity = Similarity::named("centred").unwrap();
        let query = tupate_zoo::Query {
            target: tupate_zoo::Target::Task("a"),
            method: Some("lora.late"),
            similarity,
        };
        tupate_zoo::rank(zoo, &query).unwrap().sources
    };
    assert_eq!(of(&late), of(&small));
}
