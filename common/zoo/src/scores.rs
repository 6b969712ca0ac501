//! Tables of scores: how close something other than a zoo's embeddings finds each source,
//! such as a baseline.

use crate::ensemble::Fusion;
use crate::manifest::{EmbeddingSet, check_id};
use crate::transfer::{CsvError, Grid};
use crate::{Error, TransferMatrix};
use serde::{Deserialize, Serialize};

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

    /// Checks that every size fits the names, every score is finite, and neither a method of
    /// these sets nor one of the other tables is called like the table.
    pub(crate) fn check(&self, sets: &[EmbeddingSet], others: &[Self]) -> Result<(), Error> {
        check_id(&self.name)?;
        let grid = Grid {
            of: "the scores of",
            name: &self.name,
            targets: &self.targets,
            sources: &self.sources,
            seeds: 1,
        };
        let taken =
            |set: &EmbeddingSet| set.key == self.name || set.recipe.method.name() == self.name;
        let taken = Fusion::named(&self.name).is_some()
            || sets.iter().any(taken)
            || others.iter().any(|other| other.name == self.name);
        if taken {
            return grid.wrong("a method or another table has that name");
        }
        grid.check(
            self.scores.len(),
            &mut self.scores.iter().map(Vec::len),
            &mut self.scores.iter().flatten().flatten().copied(),
        )
    }
}
