//! Ranking measures against scikit-learn, scipy and numpy
//! (`golden/ranking.py`).

use serde_json::Value;
use tupate_metrics::{Judged, MEASURES, measures, paired_test};

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/ranking.json")).unwrap()
}

fn list(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn measures_are_those_of_the_references() {
    let golden = golden();
    let cases = golden["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let (predicted, truth) = (list(&case["predicted"]), list(&case["truth"]));
        let ids: Vec<String> = (0..truth.len()).map(|i| format!("{i:02}")).collect();
        let judged = Judged::new(&predicted, &truth, &ids, case["no_transfer"].as_f64()).unwrap();
        for (measure, found) in MEASURES.iter().zip(measures(&judged)) {
            let wanted = case["measures"][measure.name].as_f64().unwrap();
            let found = found.unwrap();
            assert!(
                (found - wanted).abs() < 1e-10,
                "{}: {found} instead of {wanted} for {case}",
                measure.name
            );
        }
    }
}

#[test]
fn the_paired_test_is_scipys() {
    let paired = &golden()["paired"];
    let side = |name: &str| list(&paired[name]).into_iter().map(Some).collect::<Vec<_>>();
    let (draws, seed) = (paired["draws"].as_u64().unwrap(), paired["seed"].as_u64().unwrap());
    let test = paired_test(&side("first"), &side("second"), draws as usize, seed).unwrap();
    let close = |found: f64, wanted: &Value| (found - wanted.as_f64().unwrap()).abs() < 1e-12;
    assert!(test.exact && test.targets == 11);
    assert!(close(test.difference, &paired["difference"]), "{test:?}");
    assert!(close(test.p_value, &paired["p_value"]), "{test:?}");
    let [low, high] = test.interval.unwrap();
    assert!(close(low, &paired["interval"][0]) && close(high, &paired["interval"][1]), "{test:?}");
}

#[test]
fn drawn_flips_come_close_to_all_flips() {
    // 20 targets: beyond what is counted exactly. By symmetry of ±1 differences
    // the exact p is that of a binomial: P(|heads − 10| ≥ 4) = 0.11532…
    let first: Vec<_> = (0..20).map(|i| Some(if i < 14 { 1.0 } else { -1.0 })).collect();
    let second = vec![Some(0.0); 20];
    let test = paired_test(&first, &second, 50_000, 1).unwrap();
    assert!(!test.exact);
    assert!((test.p_value - 0.115_318).abs() < 0.005, "{}", test.p_value);
}
