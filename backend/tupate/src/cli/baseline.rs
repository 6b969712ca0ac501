//! `tupate baseline` on the command line.

use super::{Compute, Output};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Baselines.
#[derive(Debug, Subcommand)]
pub enum BaselineCommand {
    /// By the number of training examples.
    #[command(
        name = "datasize",
        after_long_help = "Example:\n  tupate baseline datasize --tasks \
                                                    snli,mnli,rte --paper-sizes --out size.csv"
    )]
    DataSize(DataSizeArgs),
    /// By the texts: mean hidden states of the frozen encoder.
    #[command(
        name = "textemb",
        after_long_help = "WORK/textemb/NAME.npy is a task's vector.\n\nExample:\n  tupate baseline \
                           textemb --tasks cola,rte,mrpc --data data/ --work work/ --out text.csv"
    )]
    TextEmb(TextEmbArgs),
    /// By the Fisher information of the fine-tuned encoder (Task2Vec on text).
    #[command(
        name = "taskemb",
        after_long_help = "WORK/taskemb/NAME.npy is a task's vector; WORK/tuned/ keeps the \
                           fine-tuned encoders, each as large as the encoder.\n\nExample:\n  tupate \
                           baseline taskemb --tasks cola,rte,mrpc --data data/ --max-train 10000 \
                           --work work/ --out task.csv"
    )]
    TaskEmb(TrainedArgs),
    /// By the steepness of the sources' training loss.
    #[command(
        name = "curvegrad",
        after_long_help = "Example:\n  tupate baseline curvegrad --sources mnli,qqp --targets rte \
                           --data data/ --work work/ --out curve.csv"
    )]
    CurveGrad(CurveGradArgs),
    /// By the evidence of the target's labels given the sources' fine-tuned encoders.
    #[command(
        name = "logme",
        after_long_help = "WORK/tuned/ keeps the fine-tuned encoders, each as large as the \
                           encoder.\n\nExample:\n  tupate baseline logme --sources mnli,squad_v1 \
                           --targets rte,cola --data data/ --max-train 10000 --work work/ --out \
                           logme.csv"
    )]
    LogMe(TrainedArgs),
}

/// Which tasks, and where the result goes.
#[derive(Debug, Args)]
pub struct BaselineTasks {
    /// The tasks, each a target and a source of all others: names or files.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', required_unless_present_all = ["sources", "targets"], conflicts_with_all = ["sources", "targets"])]
    pub tasks: Vec<String>,
    /// The sources, where they are not the targets.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', requires = "targets")]
    pub sources: Vec<String>,
    /// The targets.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', requires = "sources")]
    pub targets: Vec<String>,
    /// The folder that holds one folder a task.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Seed of subsets, the order of examples and the heads.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// The table to write, a row a target and a column a source, greater is closer.
    #[arg(long, value_name = "CSV")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
}

/// `tupate baseline datasize`.
#[derive(Debug, Args)]
pub struct DataSizeArgs {
    #[command(flatten)]
    pub tasks: BaselineTasks,
    /// The sizes that the paper states, without reading any files.
    #[arg(long)]
    pub paper_sizes: bool,
}

/// Which encoder, and how texts go through it.
#[derive(Debug, Args)]
pub struct BaselineEncoder {
    /// A name (see `tupate encoder list`), or a folder in Hugging Face layout.
    #[arg(long, value_name = "NAME|DIR", default_value = "minilm")]
    pub encoder: String,
    /// Sequences a step [default: 32, for questions with a context 12].
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,
    /// Most tokens of a sequence [default: 128, for questions with a context 384].
    #[arg(long, value_name = "N")]
    pub max_length: Option<usize>,
    /// Tokens that two neighbouring windows of a context share [default: 128, in
    /// windows of less than 324 tokens half of what the longest question leaves].
    #[arg(long, value_name = "N")]
    pub doc_stride: Option<usize>,
    #[command(flatten)]
    pub compute: Compute,
    /// The folder that keeps what is finished: the same command goes on from there
    /// when it was stopped, and other baselines use the same encoders.
    #[arg(long, value_name = "DIR")]
    pub work: PathBuf,
}

/// How the encoder is fine-tuned.
#[derive(Debug, Args)]
pub struct BaselineTraining {
    /// Passes over the training examples [default: 3].
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Learning rate at the start [default: 2e-5, for questions with a context 3e-5].
    #[arg(long, value_name = "X")]
    pub lr: Option<f64>,
}

/// `tupate baseline textemb`.
#[derive(Debug, Args)]
pub struct TextEmbArgs {
    #[command(flatten)]
    pub tasks: BaselineTasks,
    /// Keep this many training examples of a task, drawn with --seed.
    #[arg(long, value_name = "N")]
    pub max_train: Option<usize>,
    #[command(flatten)]
    pub encoder: BaselineEncoder,
}

/// `tupate baseline taskemb` and `logme`.
#[derive(Debug, Args)]
pub struct TrainedArgs {
    #[command(flatten)]
    pub tasks: BaselineTasks,
    /// Keep this many training examples of a task, drawn with --seed.
    #[arg(long, value_name = "N")]
    pub max_train: Option<usize>,
    #[command(flatten)]
    pub encoder: BaselineEncoder,
    #[command(flatten)]
    pub training: BaselineTraining,
}

/// `tupate baseline curvegrad`.
#[derive(Debug, Args)]
pub struct CurveGradArgs {
    #[command(flatten)]
    pub tasks: BaselineTasks,
    /// Keep this many training examples of a task, drawn with --seed.
    #[arg(long, value_name = "N", default_value_t = tupate_tuner::baseline::CURVEGRAD_MAX_TRAIN)]
    pub max_train: usize,
    #[command(flatten)]
    pub encoder: BaselineEncoder,
    #[command(flatten)]
    pub training: BaselineTraining,
}

#[cfg(test)]
mod tests {
    use crate::cli::Cli;
    use clap::CommandFactory;
    use tupate_tuner::data::Objective;
    use tupate_tuner::train;

    #[test]
    fn defaults_in_the_help_are_those_of_fine_tuning() {
        let cli = Cli::command();
        let taskemb = cli.find_subcommand("baseline").unwrap().find_subcommand("taskemb").unwrap();
        let help = taskemb.clone().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let [(text, rate), (spans, span_rate)] =
            [Objective::Classification, Objective::SpanExtraction].map(train::baseline);
        for shown in [
            format!("{}, for questions with a context {}", text.batch_size, spans.batch_size),
            format!("{}, for questions with a context {}", text.max_length, spans.max_length),
            format!("{rate:e}, for questions with a context {span_rate:e}"),
            format!("share [default: {}, in windows of less than 324", text.doc_stride),
            format!("examples [default: {}]", text.epochs),
        ] {
            assert!(help.contains(&shown), "{shown}");
        }
        assert_eq!(text.epochs, spans.epochs);
    }
}
