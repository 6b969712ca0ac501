//! The lab: the figures of an evaluation, method beside method.

mod common;

use common::{embedding, recipe};
use tupate_metrics::{MEASURES, at_once, no_pause, random};
use tupate_tasks::{Checkpoint, MethodSpec, Recipe};
use tupate_zoo::evaluate::{Settings, evaluate};
use tupate_zoo::lab::{Row, early_and_late, judge, measure, methods, to_csv, verdict};
use tupate_zoo::{NewEmbedding, ScoreTable, Similarity, TransferMatrix, Zoo};

fn number(seed: u64, i: u64) -> f64 {
    random(seed, i) as f64 / u64::MAX as f64
}

fn zoo() -> Zoo {
    let methods = [
        MethodSpec::BitFit,
        MethodSpec::Lora { rank: 1, alpha: 1.0, targets: vec!["query".into()] },
    ];
    let mut all = Vec::new();
    for (m, method) in methods.iter().enumerate() {
        for checkpoint in [Checkpoint::Early, Checkpoint::Late] {
            for t in 0..10 {
                let seed = 100 * m as u64 + t + if checkpoint == Checkpoint::Late { 50 } else { 0 };
                let values: Vec<f32> = (0..6).map(|i| number(seed, i) as f32).collect();
                let recipe = Recipe { method: method.clone(), ..recipe(checkpoint) };
                let made = embedding(&format!("t{t}"), checkpoint, &values);
                all.push(NewEmbedding { recipe, ..made });
            }
        }
    }
    Zoo::pack("lab", "", all).unwrap()
}

fn table(seed: u64) -> TransferMatrix {
    let mut text = String::from("target,no-transfer");
    (0..10).for_each(|s| text.push_str(&format!(",t{s}")));
    for t in 0..10 {
        text.push_str(&format!("\nt{t},{:.3}", 0.3 + 0.2 * number(seed, 1000 + t)));
        (0..10).for_each(|s| text.push_str(&format!(",{:.3}", number(seed, 10 * t + s))));
    }
    TransferMatrix::from_csv(text.as_bytes(), "drawn", "accuracy").unwrap()
}

fn cosine() -> &'static Similarity {
    Similarity::named("cosine").unwrap()
}

fn rows(tables: &[ScoreTable]) -> Vec<Row> {
    at_once(judge(&zoo(), tables, &table(1), cosine(), 0, &no_pause))
}

#[test]
fn every_method_has_the_figures_of_its_evaluation() {
    let zoo = zoo();
    let truth = TransferMatrix::of_seeds(&[table(1), table(2)]).unwrap();
    let rows = at_once(judge(&zoo, &[], &truth, cosine(), 3, &no_pause));
    let names: Vec<&str> = rows.iter().map(|row| row.method.as_str()).collect();
    let sets = ["bitfit.early", "bitfit.late", "lora.early", "lora.late"];
    let fusions = ["ensemble.early", "ensemble.late", "rrf.early", "rrf.late"];
    assert_eq!(names, [sets, fusions].concat());
    for row in &rows {
        let settings =
            Settings { method: Some(&row.method), similarity: cosine(), exclude: &[], seed: 3 };
        let wanted = evaluate(&zoo, &truth, &settings).unwrap();
        assert_eq!(row.report.as_ref().unwrap(), &wanted, "{}", row.method);
        assert!(wanted.ceiling.is_some());
    }
    assert_eq!(early_and_late(&methods(&zoo)), [[0, 1], [2, 3], [4, 5], [6, 7]]);
    // One method alone makes no ensemble.
    assert_eq!(methods(&common::zoo()), ["lora.early", "lora.late"]);
    assert_eq!(early_and_late(&["early".into(), "x.late".into()]), [[0_usize; 2]; 0]);
}

#[test]
fn a_table_of_scores_is_judged_as_a_method() {
    // Scores that are the truth, and scores of half of the targets, with blanks.
    let own = ScoreTable::of_matrix("truth", &table(1));
    let half = b"t,t1,t2,t3\nt0,1,2,\nt1,5,1,1\nzz,1,1,1\n";
    let half = ScoreTable::from_csv(half, "half").unwrap();
    let alien = ScoreTable::from_csv(b"t,x,y\nz,1,2\n", "alien").unwrap();
    let rows = rows(&[own, half, alien]);
    let [truth, half, alien] = &rows[rows.len() - 3..] else { panic!("{rows:?}") };
    assert!(truth.is_table && !rows[0].is_table);
    let report = truth.report.as_ref().unwrap();
    for name in ["rank_of_best", "ndcg.percent", "ndcg.gain", "kendall_tau"] {
        assert!((report.mean[measure(name).unwrap()].unwrap() - 1.0).abs() < 1e-12, "{name}");
    }
    assert_eq!(report.mean[measure("regret.1").unwrap()], Some(0.0));
    let half = half.report.as_ref().unwrap();
    let judged: Vec<(&str, usize)> =
        half.targets.iter().map(|t| (t.target.as_str(), t.sources.len())).collect();
    // A target is never a source of its own.
    assert_eq!(judged, [("t0", 2), ("t1", 2)]);
    assert_eq!(half.targets_without_vector.len(), 8);
    let error = alien.report.as_ref().unwrap_err();
    assert!(error.contains("only 0 have a score"), "{error}");
}

#[test]
fn a_zoos_own_tables_are_judged_and_give_way_to_those_of_their_name() {
    let named = |name: &str, seed| ScoreTable::of_matrix(name, &table(seed));
    let zoo = zoo().with_scores(vec![named("b", 5), named("a", 1)]).unwrap();
    let judged = |further: &[ScoreTable]| {
        let rows = at_once(judge(&zoo, further, &table(1), cosine(), 0, &no_pause));
        let tables = rows.into_iter().filter(|row| row.is_table);
        let tau = measure("kendall_tau").unwrap();
        let tau = |row: Row| (row.report.unwrap().mean[tau].unwrap() * 1e6).round() / 1e6;
        tables.map(|row| (row.method.clone(), tau(row))).collect::<Vec<_>>()
    };
    let [(a, one), (b, other)] = &judged(&[])[..] else { panic!() };
    assert_eq!((a.as_str(), *one, b.as_str()), ("a", 1.0, "b"));
    assert!(*other < 1.0);
    let replaced = judged(&[named("b", 1), named("c", 5)]);
    assert_eq!(replaced, [("a".into(), 1.0), ("b".into(), 1.0), ("c".into(), *other)]);
}

#[test]
fn a_verdict_knows_which_way_is_better() {
    let rows = rows(&[ScoreTable::of_matrix("truth", &table(1))]);
    let report = |name: &str| {
        let row = rows.iter().find(|row| row.method == name).unwrap();
        row.report.as_ref().unwrap()
    };
    let (best, other) = (report("truth"), report("lora.late"));
    for name in ["rank_of_best", "ndcg.percent", "ndcg.rank", "regret.1", "kendall_tau"] {
        let m = measure(name).unwrap();
        let verdict = verdict(best, other, m, 0).unwrap();
        assert_eq!(verdict.first_is_better, Some(true), "{name} {verdict:?}");
        assert_eq!(verdict.test, best.compare(other, 0)[m].unwrap());
    }
    let ndcg = measure("ndcg.percent").unwrap();
    assert_eq!(verdict(other, best, ndcg, 0).unwrap().first_is_better, Some(false));
    assert_eq!(verdict(best, best, ndcg, 0).unwrap().first_is_better, None);
    assert_eq!(measure("ndcg"), None);
}

#[test]
fn the_figures_as_csv() {
    let alien = ScoreTable::from_csv(b"t,x,y\nz,1,2\n", "=1+\"2\",x").unwrap();
    let rows = rows(&[alien]);
    let text = to_csv(&rows);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    assert_eq!(header.len(), 2 + 5 * MEASURES.len());
    let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(lines.len(), rows.len());
    let column = |name: &str| header.iter().position(|h| h == name).unwrap();
    for (line, row) in lines.iter().zip(&rows) {
        let Ok(report) = &row.report else {
            assert_eq!(&line[0], "'=1+\"2\",x");
            assert!(line.iter().skip(1).all(str::is_empty));
            continue;
        };
        assert_eq!(line[0], row.method);
        let number = |name: &str| line[column(name)].parse::<f64>().ok();
        assert_eq!(number("targets"), Some(10.0));
        let m = measure("regret.3").unwrap();
        assert_eq!(number("regret.3"), report.mean[m]);
        assert_eq!(number("regret.3.low"), report.interval[m].map(|ends| ends[0]));
        assert_eq!(number("regret.3.random"), report.random[m]);
        assert_eq!(number("regret.3.ceiling"), None, "one table has no seeds");
    }
}
