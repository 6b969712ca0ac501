//! The definition of `tupate transfer`.

use super::{Compute, Output};
use clap::Args;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// `tupate transfer`.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Every source × target × seed is a cell: a file that is written once and \
                             never computed again, so that a sweep can be stopped anywhere, resumed, \
                             and grown by further tasks and seeds. Several programs may work \
                             in one folder, the later ones with --resume. matrix.csv has the means over \
                             seeds; the column no-transfer has the scores without any.\n\n\
                             Example:\n  tupate transfer --sources mnli,qqp,sst2 --targets rte,mrpc \
                             --setting limited-limited --data data/ --out sweeps/small"
)]
pub struct TransferArgs {
    /// Tasks to transfer from: names, folders' names or files.
    #[arg(long, value_name = "LIST", value_delimiter = ',', required = true)]
    pub sources: Vec<String>,
    /// Tasks to transfer to.
    #[arg(long, value_name = "LIST", value_delimiter = ',', required = true)]
    pub targets: Vec<String>,
    /// How much of source and target is trained on.
    #[arg(long, value_parser = settings())]
    pub setting: String,
    /// The folder that holds one folder a task.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A name (see `tupate encoder list`), or a folder in Hugging Face layout.
    #[arg(long, value_name = "NAME|DIR", default_value = "minilm")]
    pub encoder: String,
    /// Seeds of heads, orders of examples and limited parts.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "0,1,2")]
    pub seeds: Vec<u64>,
    /// Training examples of a limited part.
    #[arg(long, value_name = "N", default_value_t = tupate_tuner::transfer::LIMITED)]
    pub limited: usize,
    /// The most training examples that a full part may have, drawn with seed 0.
    #[arg(long, value_name = "N")]
    pub max_train: Option<usize>,
    /// Score on this many validation examples of a task, drawn with seed 0.
    #[arg(long, value_name = "N")]
    pub max_dev: Option<NonZeroUsize>,
    /// Transfer only between tasks of one class.
    #[arg(long)]
    pub in_class: bool,
    /// Passes over the training examples [default: 3].
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Learning rate at the start, falling linearly [default: 2e-5, for questions
    /// with a context 3e-5].
    #[arg(long, value_name = "X")]
    pub lr: Option<f64>,
    /// Sequences a step [default: 32, for questions with a context 12].
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,
    /// Most tokens of a sequence [default: 128, for questions with a context 384].
    #[arg(long, value_name = "N")]
    pub max_length: Option<usize>,
    /// Keep the fine-tuned source encoders.
    #[arg(long)]
    pub keep_sources: bool,
    #[command(flatten)]
    pub compute: Compute,
    /// Go on with the sweep in --out.
    #[arg(long)]
    pub resume: bool,
    /// The folder for the sweep.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub output: Output,
}

fn settings() -> clap::builder::PossibleValuesParser {
    tupate_tuner::transfer::SETTINGS.map(|(_, name)| name).into()
}
