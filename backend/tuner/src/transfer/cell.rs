//! One finished cell of a sweep.

use super::{NO_TRANSFER, Setting};
use crate::Error;
use crate::train::FineTuneRecord;
use serde::{Deserialize, Serialize};
use tupate_tasks::{EncoderRef, Metric};

/// Version of a cell's file. One of another version is refused.
pub(super) const SCHEMA: u32 = 1;

/// Where a cell's numbers come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of the program.
    pub version: String,
    /// The pretrained encoder.
    pub encoder: EncoderRef,
    /// sha256 over the target's examples.
    pub target_sha256: String,
    /// sha256 of the source's fine-tuned weights.
    pub source_sha256: Option<String>,
}

/// A target after transfer from a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Version of this record's form.
    pub schema: u32,
    /// The target's id.
    pub target: String,
    /// The source's id; `None` for no transfer.
    pub source: Option<String>,
    /// The seed.
    pub seed: u64,
    /// How much was trained on.
    pub setting: Setting,
    /// What the score is.
    pub metric: Metric,
    /// Where the numbers come from.
    pub provenance: Provenance,
    /// Everything about the fine-tuning on the target.
    pub fine_tuning: FineTuneRecord,
}

impl Cell {
    /// Makes sure that the target was tuned from the source's weights: a transfer
    /// whose source was never loaded gives plausible numbers that all say the same.
    ///
    /// # Errors
    /// [`Error::Ledger`] that says what is wrong.
    pub(super) fn check(&self, pretrained_sha256: &str) -> Result<(), Error> {
        let start = &self.fine_tuning.start_sha256;
        let wrong = |what: &str| Err(Error::Ledger(vec![what.to_owned()]));
        match &self.provenance.source_sha256 {
            Some(source) if source != start => {
                wrong("the target did not start from the source's weights")
            }
            Some(_) if start == pretrained_sha256 => {
                wrong("the source's weights are those of the pretrained encoder")
            }
            None if start != pretrained_sha256 => {
                wrong("without transfer the target must start from the pretrained encoder")
            }
            _ => Ok(()),
        }
    }

    /// The file's stem within the target's folder.
    pub(super) fn stem(source: Option<&str>, seed: u64) -> String {
        format!("{}.{seed}", source.unwrap_or(NO_TRANSFER))
    }
}
