//! Tables of scores: how close something other than a zoo's embeddings finds each source,
//! such as a baseline.

use crate::ensemble::Fusion;
use crate::manifest::{EmbeddingSet, check_id};
use crate::transfer::{CsvError, MAX_CELLS};
use crate::{Error, TransferMatrix};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The scores of sources for targets, greater is closer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreTable {
    /// What gave them, such as `textemb`; judged under that name beside the zoo's methods.
    pub name: String,
    /// The rows.
    pub targets: Vec<String>,
    /// The columns.
    pub sources: Vec<String>,
    /// `[targets, sources]`; `null` for none.
    pub scores: Vec<Vec<Option<f64>>>,
}

impl ScoreTable {
    /// The scores of a table that was read as one of measured transfer, which has the same
    /// form; of several seeds, their means.
    pub fn of_matrix(name: &str, matrix: &TransferMatrix) -> Self {
        let row = |target| (0..matrix.sources.len()).map(|s| matrix.score(target, s)).collect();
        Self {
            name: name.to_owned(),
            targets: matrix.targets.clone(),
            sources: matrix.sources.clone(),
            scores: (0..matrix.targets.len()).map(row).collect(),
        }
    }

    /// Reads a table as `tupate baseline --out` writes it: first column the target, header
    /// the sources, blank for no score.
    ///
    /// # Errors
    /// When it is no such table; the error names line and column.
    pub fn from_csv(bytes: &[u8], name: &str) -> Result<Self, CsvError> {
        Ok(Self::of_matrix(name, &TransferMatrix::from_csv(bytes, "scores", "scores")?))
    }

    /// Checks that every size fits the names, every score is finite, and no method of these
    /// sets is called like the table.
    ///
    /// # Errors
    /// When something does not fit; the message says what.
    pub fn check(&self, sets: &[EmbeddingSet]) -> Result<(), Error> {
        let wrong =
            |what: String| Err(Error::Inconsistent(format!("the scores of {}: {what}", self.name)));
        check_id(&self.name)?;
        let taken =
            |set: &EmbeddingSet| set.key == self.name || set.recipe.method.name() == self.name;
        if Fusion::named(&self.name).is_some() || sets.iter().any(taken) {
            return wrong("a method of embeddings has that name; give them another".into());
        }
        let (t, s) = (self.targets.len(), self.sources.len());
        let cells = t.saturating_mul(s);
        Error::within("the number of cells of a table of scores", cells as u64, MAX_CELLS as u64)?;
        for (what, names) in [("target", &self.targets), ("source", &self.sources)] {
            let mut seen = BTreeSet::new();
            for name in names {
                check_id(name)?;
                if !seen.insert(name) {
                    return wrong(format!("{what} {name} is listed twice"));
                }
            }
        }
        if self.scores.len() != t || self.scores.iter().any(|row| row.len() != s) {
            return wrong(format!("they are not {t} targets × {s} sources"));
        }
        if self.scores.iter().flatten().flatten().any(|score| !score.is_finite()) {
            return wrong("a score is not finite".into());
        }
        Ok(())
    }
}
