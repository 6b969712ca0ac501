//! Every method of a zoo, judged by the same truth: the figures of `tupate evaluate`,
//! method beside method.

use crate::ensemble::FUSIONS;
use crate::evaluate::{Report, Settings, evaluate_in_pieces, evaluate_scores_in_pieces};
use crate::{ScoreTable, Similarity, TransferMatrix, Zoo};
use tupate_metrics::{MEASURES, Measure, PairedTest};
use tupate_tasks::Checkpoint;

/// One method and its figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The method, as `tupate evaluate --method` takes it, or a table's name.
    pub method: String,
    /// Whether it is a table of scores.
    pub is_table: bool,
    /// Its figures, or why there are none.
    pub report: Result<Report, String>,
}

/// How one method does against another by one measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// First minus second.
    pub test: PairedTest,
    /// Whether the first is the better one; `None` where
    /// [`PairedTest::first_is_greater`] cannot tell.
    pub first_is_better: Option<bool>,
}

/// The methods of a zoo: its sets, and every fusion that it can make of them.
pub fn methods(zoo: &Zoo) -> Vec<String> {
    let mut names: Vec<String> = zoo.sets().map(|set| set.key.clone()).collect();
    for fusion in FUSIONS {
        for checkpoint in [Checkpoint::Early, Checkpoint::Late] {
            if fusion.is_possible(zoo.sets(), Some(checkpoint)) {
                names.push(format!("{}.{}", fusion.name, checkpoint.name()));
            }
        }
    }
    names
}

/// Of these methods, those that are there early and late, as places among them: early
/// first.
pub fn early_and_late(methods: &[String]) -> Vec<[usize; 2]> {
    let late = |method: &String| {
        let parts = method.split('.');
        let parts = parts.map(|part| if part == "early" { "late" } else { part });
        parts.collect::<Vec<_>>().join(".")
    };
    let pair = |(early, method): (usize, &String)| {
        let wanted = late(method);
        let found = methods.iter().position(|other| *other == wanted)?;
        (found != early).then_some([early, found])
    };
    methods.iter().enumerate().filter_map(pair).collect()
}

/// Judges all [`methods`] of a zoo, its tables of scores, and further ones beside them. A
/// further one of the same name stands in place of the zoo's. What takes long awaits `pause`
/// between pieces of a few milliseconds.
pub async fn judge(
    zoo: &Zoo,
    further: &[ScoreTable],
    truth: &TransferMatrix,
    similarity: &Similarity,
    seed: u64,
    pause: &impl AsyncFn(),
) -> Vec<Row> {
    let mut rows = Vec::new();
    for method in methods(zoo) {
        let settings = Settings { method: Some(&method), similarity, exclude: &[], seed };
        let report = evaluate_in_pieces(zoo, truth, &settings, pause).await;
        rows.push(Row { report: report.map_err(|e| e.to_string()), method, is_table: false });
    }
    let is_replaced = |own: &&ScoreTable| further.iter().any(|table| table.name == own.name);
    let own = zoo.scores().iter().filter(|own| !is_replaced(own));
    for table in own.chain(further) {
        let report = evaluate_scores_in_pieces(table, truth, &[], seed, pause).await;
        let report = report.map_err(|e| e.to_string());
        rows.push(Row { method: table.name.clone(), is_table: true, report });
    }
    rows
}

/// Compares two reports by one of [`MEASURES`]; `None` where they share no target with
/// the same sources.
///
/// # Panics
/// When there is no such measure.
pub fn verdict(first: &Report, second: &Report, measure: usize, seed: u64) -> Option<Verdict> {
    let test = first.compare_by(second, measure, seed)?;
    let greater = test.first_is_greater();
    let first_is_better = greater.map(|greater| greater == MEASURES[measure].greater_is_better);
    Some(Verdict { test, first_is_better })
}

/// The place of a measure among [`MEASURES`].
pub fn measure(name: &str) -> Option<usize> {
    MEASURES.iter().position(|measure: &Measure| measure.name == name)
}

/// The figures as CSV: a line a method; of each measure the mean over targets with its
/// 95 % interval, that of a random order, and the ceiling, where it is of the same targets.
/// Blank where undefined.
pub fn to_csv(rows: &[Row]) -> String {
    let mut text = String::from("method,targets");
    for Measure { name, .. } in MEASURES {
        for part in ["", ".low", ".high", ".random", ".ceiling"] {
            text.push_str(&format!(",{name}{part}"));
        }
    }
    text.push('\n');
    for row in rows {
        text.push_str(&csv_field(&row.method));
        let Ok(report) = &row.report else {
            text.push(',');
            text.push_str(&",".repeat(5 * MEASURES.len()));
            text.push('\n');
            continue;
        };
        text.push_str(&format!(",{}", report.targets.len()));
        for m in 0..MEASURES.len() {
            let ends = report.interval[m];
            let ceiling = report.ceiling_beside().and_then(|ceiling| ceiling[m]);
            let cells =
                [report.mean[m], ends.map(|e| e[0]), ends.map(|e| e[1]), report.random[m], ceiling];
            for cell in cells {
                text.push(',');
                text.push_str(&cell.map_or_else(String::new, |value| value.to_string()));
            }
        }
        text.push('\n');
    }
    text
}

/// A text as a field of a CSV file (RFC 4180); what a spreadsheet would take for a formula
/// is no longer one.
pub fn csv_field(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let field = if formula { format!("'{field}") } else { field.to_owned() };
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}
