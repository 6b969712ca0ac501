//! Transfer matrices: what each source did to each target, measured.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most cells of a matrix, counting seeds.
pub const MAX_CELLS: usize = 10_000_000;

/// The column of a truth table that holds the target's score without transfer.
pub const NO_TRANSFER: &str = "no-transfer";

/// The targets' scores after training on each source first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransferMatrix {
    /// Which data sizes and which way of transfer, such as `full-limited`.
    pub setting: String,
    /// What the scores are, such as `accuracy`, or `each target's own`.
    pub metric: String,
    /// The seeds of the runs.
    pub seeds: Vec<u64>,
    /// The rows.
    pub targets: Vec<String>,
    /// The columns.
    pub sources: Vec<String>,
    /// `[targets, sources, seeds]`; `null` where not run.
    pub scores: Vec<Vec<Vec<Option<f64>>>>,
    /// `[targets, seeds]`: the target's score without any transfer; `null`
    /// where not run.
    pub no_transfer: Vec<Vec<Option<f64>>>,
}

impl TransferMatrix {
    /// The score of `target` after `source`, averaged over the seeds that were
    /// run; `None` for none.
    pub fn score(&self, target: usize, source: usize) -> Option<f64> {
        mean(&self.scores[target][source])
    }

    /// The score of `target` without transfer, averaged over the seeds that
    /// were run; `None` for none.
    pub fn baseline(&self, target: usize) -> Option<f64> {
        mean(&self.no_transfer[target])
    }

    /// Checks that every size fits the names and every score is finite.
    ///
    /// # Errors
    /// When something does not fit; the message says what.
    pub fn check(&self) -> Result<(), Error> {
        let grid = Grid {
            of: "the transfer matrix",
            name: &self.setting,
            targets: &self.targets,
            sources: &self.sources,
            seeds: self.seeds.len(),
        };
        if grid.seeds == 0 {
            return grid.wrong("it names no seeds");
        }
        let seeds = self.scores.iter().flatten().chain(&self.no_transfer);
        if self.no_transfer.len() != grid.targets.len()
            || seeds.clone().any(|c| c.len() != grid.seeds)
        {
            return grid.misfit();
        }
        grid.check(
            self.scores.len(),
            &mut self.scores.iter().map(Vec::len),
            &mut seeds.flatten().flatten().copied(),
        )
    }

    /// Several matrices of one seed each as one of all seeds, numbered from 0.
    /// Targets and sources are those of any of them, in order of appearance.
    /// `None` for no matrix.
    pub fn of_seeds(matrices: &[Self]) -> Option<Self> {
        let first = matrices.first()?;
        let union = |names: fn(&Self) -> &Vec<String>| {
            let mut all: Vec<String> = Vec::new();
            let mut seen = std::collections::BTreeSet::new();
            for name in matrices.iter().flat_map(names) {
                if seen.insert(name) {
                    all.push(name.clone());
                }
            }
            all
        };
        let (targets, sources) = (union(|m| &m.targets), union(|m| &m.sources));
        let mut scores = vec![vec![Vec::new(); sources.len()]; targets.len()];
        let mut no_transfer = vec![Vec::new(); targets.len()];
        for matrix in matrices {
            let index = |names: &[String]| -> BTreeMap<String, usize> {
                names.iter().cloned().enumerate().map(|(i, name)| (name, i)).collect()
            };
            let (rows, columns) = (index(&matrix.targets), index(&matrix.sources));
            for (t, target) in targets.iter().enumerate() {
                let row = rows.get(target);
                no_transfer[t].push(row.and_then(|&row| matrix.baseline(row)));
                for (s, source) in sources.iter().enumerate() {
                    let cell = row.zip(columns.get(source));
                    scores[t][s].push(cell.and_then(|(&row, &column)| matrix.score(row, column)));
                }
            }
        }
        let seeds = (0..matrices.len() as u64).collect();
        let (setting, metric) = (first.setting.clone(), first.metric.clone());
        Some(Self { setting, metric, seeds, targets, sources, scores, no_transfer })
    }

    /// Reads a truth table: CSV whose first column is the target, whose header
    /// names the sources and whose cells are the target's scores; blank where
    /// not run. A column named [`NO_TRANSFER`] is the score without transfer.
    ///
    /// # Errors
    /// When it is no such table; the error names line and column.
    pub fn from_csv(bytes: &[u8], setting: &str, metric: &str) -> Result<Self, CsvError> {
        table(bytes).map(|mut matrix| {
            setting.clone_into(&mut matrix.setting);
            metric.clone_into(&mut matrix.metric);
            matrix
        })
    }
}

/// What matrices and tables of scores have in common.
pub(crate) struct Grid<'a> {
    /// What it is, in messages.
    pub of: &'static str,
    pub name: &'a str,
    pub targets: &'a [String],
    pub sources: &'a [String],
    /// Scores a cell.
    pub seeds: usize,
}

impl Grid<'_> {
    pub fn wrong(&self, what: &str) -> Result<(), Error> {
        Err(Error::Inconsistent(format!("{} {}: {what}", self.of, self.name)))
    }

    pub fn misfit(&self) -> Result<(), Error> {
        let (t, s, n) = (self.targets.len(), self.sources.len(), self.seeds);
        self.wrong(&format!("its scores are not {t} targets × {s} sources × {n} seeds"))
    }

    /// Checks names, the number of rows and their lengths, and that all scores are finite.
    pub fn check(
        &self,
        rows: usize,
        mut lengths: &mut dyn Iterator<Item = usize>,
        mut scores: &mut dyn Iterator<Item = f64>,
    ) -> Result<(), Error> {
        let (t, s) = (self.targets.len(), self.sources.len());
        let cells = t.saturating_mul(s).saturating_mul(self.seeds);
        Error::within("the number of cells of a table", cells as u64, MAX_CELLS as u64)?;
        for (what, names) in [("target", self.targets), ("source", self.sources)] {
            let mut seen = std::collections::BTreeSet::new();
            for name in names {
                crate::manifest::check_id(name)?;
                if !seen.insert(name.as_str()) {
                    return self.wrong(&format!("{what} {name} is listed twice"));
                }
            }
        }
        if rows != t || Iterator::any(&mut lengths, |length| length != s) {
            return self.misfit();
        }
        if Iterator::any(&mut scores, |score| !score.is_finite()) {
            return self.wrong("a score is not finite");
        }
        Ok(())
    }
}

fn mean(scores: &[Option<f64>]) -> Option<f64> {
    let count = scores.iter().flatten().count();
    (count > 0).then(|| scores.iter().flatten().sum::<f64>() / count as f64)
}

/// Where and why a truth table cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {what}", column.as_ref().map(|c| format!(", column {c}")).unwrap_or_default())]
pub struct CsvError {
    /// The line, from 1, on which the record begins.
    pub line: u64,
    /// The column: its number from 1, with its name where it has one.
    pub column: Option<String>,
    /// What is wrong and what mends it.
    pub what: String,
}

fn at(line: u64, column: Option<(usize, &str)>, what: impl Into<String>) -> CsvError {
    let column = column.map(|(index, name)| match name {
        "" => format!("{}", index + 1),
        name => format!("{} ({name})", index + 1),
    });
    CsvError { line, column, what: what.into() }
}

fn table(bytes: &[u8]) -> Result<TransferMatrix, CsvError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let mut records = reader.records();
    let header = match records.next() {
        Some(record) => record.map_err(|e| unreadable(&e))?,
        None => return Err(at(1, None, "the table is empty; the first line names the sources")),
    };
    let mut columns: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, name) in header.iter().enumerate().skip(1) {
        if crate::manifest::check_id(name).is_err() {
            return Err(at(1, Some((i, "")), format!("{name:?} is no name of a source")));
        }
        if let Some(before) = columns.insert(name, i) {
            let what = format!("source {name} is also column {}", before + 1);
            return Err(at(1, Some((i, "")), what));
        }
    }
    let baseline = columns.remove(NO_TRANSFER);
    if columns.is_empty() {
        return Err(at(1, None, "no sources; the first line is `target,SOURCE,SOURCE,…`"));
    }
    let is_source = |i: usize| i > 0 && Some(i) != baseline;
    let (mut targets, mut scores, mut no_transfer) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for record in records {
        let record = record.map_err(|e| unreadable(&e))?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            let what = format!("expected {} columns, found {}", header.len(), record.len());
            return Err(at(line, None, what));
        }
        let target = &record[0];
        if crate::manifest::check_id(target).is_err() {
            return Err(at(
                line,
                Some((0, &header[0])),
                format!("{target:?} is no name of a target"),
            ));
        }
        if let Some(before) = seen.insert(target.to_owned(), line) {
            let what = format!("target {target} is also on line {before}");
            return Err(at(line, Some((0, &header[0])), what));
        }
        let mut row = Vec::with_capacity(columns.len());
        let mut without = None;
        for (i, cell) in record.iter().enumerate().skip(1) {
            let score = match cell {
                "" => None,
                cell => {
                    Some(cell.parse().ok().filter(|x: &f64| x.is_finite()).ok_or_else(|| {
                        let what =
                            format!("{cell:?} is no finite number; leave blank what was not run");
                        at(line, Some((i, &header[i])), what)
                    })?)
                }
            };
            if is_source(i) {
                row.push(vec![score]);
            } else {
                without = score;
            }
        }
        targets.push(target.to_owned());
        scores.push(row);
        no_transfer.push(vec![without]);
    }
    if targets.is_empty() {
        return Err(at(
            1,
            None,
            "no targets; every line after the first is `TARGET,SCORE,SCORE,…`",
        ));
    }
    let sources: Vec<String> = header
        .iter()
        .enumerate()
        .filter(|(i, _)| is_source(*i))
        .map(|(_, n)| n.to_owned())
        .collect();
    Ok(TransferMatrix {
        setting: String::new(),
        metric: String::new(),
        seeds: vec![0],
        targets,
        sources,
        scores,
        no_transfer,
    })
}

fn unreadable(error: &csv::Error) -> CsvError {
    let line = error.position().map_or(1, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::Utf8 { err, .. } => {
            at(line, Some((err.field(), "")), "it is not UTF-8; save the table as UTF-8")
        }
        _ => at(line, None, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<TransferMatrix, CsvError> {
        TransferMatrix::from_csv(text.as_bytes(), "s", "accuracy")
    }

    #[test]
    fn a_table_with_blanks_and_a_baseline() {
        let matrix = read("t\\s,a,no-transfer,\"b, c\"\r\na,0.5,0.4,\n\nb, 1 ,,-2e-1\n").unwrap();
        assert_eq!(matrix.targets, ["a", "b"]);
        assert_eq!(matrix.sources, ["a", "b, c"]);
        assert_eq!([matrix.score(0, 0), matrix.score(0, 1)], [Some(0.5), None]);
        assert_eq!([matrix.score(1, 0), matrix.score(1, 1)], [Some(1.0), Some(-0.2)]);
        assert_eq!([matrix.baseline(0), matrix.baseline(1)], [Some(0.4), None]);
        matrix.check().unwrap();
        assert_eq!(read("\u{feff}x,a\nb,1").unwrap().sources, ["a"]);
    }

    #[test]
    fn errors_name_line_and_column() {
        for (text, wanted) in [
            ("", "line 1: the table is empty; the first line names the sources"),
            ("t", "line 1: no sources; the first line is `target,SOURCE,SOURCE,…`"),
            ("t,a", "line 1: no targets; every line after the first is `TARGET,SCORE,SCORE,…`"),
            (
                "t,a,b\nx,1,2\ny,1,high\n",
                "line 3, column 3 (b): \"high\" is no finite number; \
                                          leave blank what was not run",
            ),
            (
                "t,a\nx,NaN\n",
                "line 2, column 2 (a): \"NaN\" is no finite number; leave blank what was not run",
            ),
            ("t,a,b\nx,1\n", "line 2: expected 3 columns, found 2"),
            ("t,a,a\nx,1,2\n", "line 1, column 3: source a is also column 2"),
            ("t,a,\nx,1,2\n", "line 1, column 3: \"\" is no name of a source"),
            ("t,a\nx,1\ny,1\nx,1\n", "line 4, column 1 (t): target x is also on line 2"),
            ("t,a\n,1\n", "line 2, column 1 (t): \"\" is no name of a target"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), wanted, "{text:?}");
        }
        let latin1 = TransferMatrix::from_csv(b"t,a\nx,1\n\xe9,1\n", "", "").unwrap_err();
        assert_eq!(
            latin1.to_string(),
            "line 3, column 1: it is not UTF-8; save the table as UTF-8"
        );
    }

    #[test]
    fn seeds_are_joined_by_name() {
        let one = read("t,a,b\nx,0.5,0.6\ny,0.1,0.2\n").unwrap();
        let two = read("t,b,c\nx,0.8,0.9\n").unwrap();
        let both = TransferMatrix::of_seeds(&[one, two]).unwrap();
        both.check().unwrap();
        assert_eq!(both.sources, ["a", "b", "c"]);
        assert_eq!(both.scores[0], [[Some(0.5), None], [Some(0.6), Some(0.8)], [None, Some(0.9)]]);
        assert_eq!(both.scores[1][1], [Some(0.2), None]);
        assert!((both.score(0, 1).unwrap() - 0.7).abs() < 1e-12);
        assert_eq!(both.seeds, [0, 1]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let good = read("t,a,b\nx,0.5,0.6\n").unwrap();
        let refuse = |change: fn(&mut TransferMatrix)| {
            let mut bad = good.clone();
            change(&mut bad);
            assert!(bad.check().is_err(), "{bad:?}");
        };
        good.check().unwrap();
        refuse(|m| m.seeds.clear());
        refuse(|m| m.seeds.push(1));
        refuse(|m| m.targets.push("y".into()));
        refuse(|m| m.sources[1] = "a".into());
        refuse(|m| m.scores[0].truncate(1));
        refuse(|m| m.scores[0][0].push(None));
        refuse(|m| m.no_transfer.clear());
        refuse(|m| m.scores[0][0][0] = Some(f64::INFINITY));
        refuse(|m| m.sources[0] = "\n".into());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ab,\"\n0.-]{0,60}") {
            if let Ok(matrix) = read(&text) {
                prop_assert!(matrix.check().is_ok());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = TransferMatrix::from_csv(&bytes, "", "");
        }
    }
}
