//! Baselines: orders of sources that no tuned parameters decide, for TuPaTE's to
//! be compared with.
//!
//! | baseline | score of a source for a target | after |
//! |---|---|---|
//! | datasize | number of training examples | the paper, section 4.2 |
//! | textemb | cosine of mean hidden states of the frozen encoder | Vu et al. 2020, section 4.1 |
//! | taskemb | cosines of Fisher information by component, fused | Achille et al. 2019; Vu et al. 2020, section 4.2 |
//! | curvegrad | steepness of the source's training loss, fused over five moments | Bingel and Søgaard 2017 |
//! | logme | evidence of the target's labels given the tuned source encoder's features | You et al. 2021 |
//!
//! What is expensive is kept in a folder as it is finished, task by task:
//!
//! ```text
//! WORK/
//!   textemb/NAME.npy            mean hidden state, [H]
//!   tuned/NAME.safetensors      the fine-tuned encoder and its head
//!   taskemb/NAME.npy            Fisher information, all components behind one another
//!   */NAME.json                 what it was made from, and the rest; written last, so that
//!                               its presence says "finished"
//! ```
//!
//! A command that was stopped goes on from there to the same result to the bit.
//! What was made with other settings or from other data is refused, and the
//! message names the difference.

mod curvegrad;
mod datasize;
mod evidence;
mod kept;
mod logme;
mod matrix;
mod npy;
mod options;
mod taskemb;
mod textemb;
mod tuned;
mod work;

#[cfg(test)]
mod tests;

pub use curvegrad::MAX_TRAIN as CURVEGRAD_MAX_TRAIN;
pub use datasize::{datasize, paper_size};
pub use matrix::{Matrix, Ranked, Ranking};
pub use options::Options;

use crate::Error;
use crate::data::Dataset;
use crate::encoder::Encoder;
use crate::train::Observer;
use std::collections::HashSet;
use std::path::Path;
use work::Work;

/// A baseline that needs an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Similar texts.
    TextEmb,
    /// Similar Fisher information.
    TaskEmb,
    /// A training loss that still falls.
    CurveGrad,
    /// Features in which the target's labels are likely.
    LogMe,
}

impl Baseline {
    /// The name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::TextEmb => "textemb",
            Self::TaskEmb => "taskemb",
            Self::CurveGrad => "curvegrad",
            Self::LogMe => "logme",
        }
    }
}

/// What to compute.
pub struct Request<'a> {
    /// Which baseline.
    pub baseline: Baseline,
    /// The encoder, as it was before any task.
    pub encoder: &'a Encoder,
    /// The sources, by the names that `load` knows.
    pub sources: &'a [String],
    /// The targets; one that is a source, too, is none of its own.
    pub targets: &'a [String],
    /// How to compute it.
    pub options: &'a Options,
    /// The folder that keeps what is finished.
    pub work: &'a Path,
}

/// Gives the data set of a name with at most so many training examples.
pub type Load<'a> = dyn FnMut(&str, Option<usize>) -> Result<Dataset, Error> + 'a;

/// Computes a baseline.
///
/// # Errors
/// When settings or data are unusable, training diverges, the observer stops it,
/// or the folder holds results of other settings or data.
pub fn run(
    request: &Request<'_>,
    load: &mut Load<'_>,
    observer: &mut dyn Observer,
) -> Result<Matrix, Error> {
    let Request { sources, targets, .. } = *request;
    let mut work = Work {
        encoder: request.encoder,
        options: request.options,
        folder: request.work,
        load,
        observer,
        told: HashSet::new(),
    };
    match request.baseline {
        Baseline::TextEmb => textemb::matrix(&mut work, sources, targets),
        Baseline::TaskEmb => taskemb::matrix(&mut work, sources, targets),
        Baseline::CurveGrad => curvegrad::matrix(&mut work, sources, targets),
        Baseline::LogMe => logme::matrix(&mut work, sources, targets),
    }
}
