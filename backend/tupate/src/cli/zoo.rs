//! The commands that make, show, rank and judge zoos.

use super::Output;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use tupate_zoo::Preferred;

/// Commands about zoos.
#[derive(Debug, Subcommand)]
pub enum ZooCommand {
    /// Pack finished runs into one file.
    #[command(after_long_help = "Example:\n  tupate zoo pack runs/* --out samples.safetensors")]
    Pack {
        /// Finished runs, or folders of them.
        #[arg(required = true, value_name = "DIR")]
        runs: Vec<PathBuf>,
        /// What the embeddings are made of, as for `tupate embed`. A key may be
        /// repeated: every combination becomes a set of its own.
        #[arg(long, value_name = "KEY=VALUE")]
        recipe: Vec<String>,
        /// Take the mean of runs of one task that differ by their seed.
        #[arg(long)]
        mean: bool,
        #[command(flatten)]
        new: NewZoo,
        #[command(flatten)]
        beside: BesideArgs,
    },
    /// Make a zoo of NumPy vectors, one NAME.npy a task.
    #[command(
        name = "import-npy",
        after_long_help = "Example:\n  tupate zoo import-npy prompts/ --reduce mean-rows --out prompts.safetensors"
    )]
    ImportNpy {
        #[command(flatten)]
        npy: NpyArgs,
        /// Where the vectors come from, in words; without it the folder's name.
        #[arg(long, value_name = "TEXT")]
        source: Option<String>,
        /// Which encoder they are of, in words.
        #[arg(long, value_name = "NAME", default_value = "unknown")]
        encoder: String,
        /// Project the vectors to so many dimensions, a multiple of 8.
        #[arg(long, value_name = "DIM")]
        projection: Option<usize>,
        #[command(flatten)]
        new: NewZoo,
        #[command(flatten)]
        beside: BesideArgs,
    },
    /// Join zoos of equal recipes into one.
    #[command(
        after_long_help = "Example:\n  tupate zoo merge ours.safetensors theirs.safetensors --out both.safetensors"
    )]
    Merge {
        /// Zoo files, or their http(s) addresses.
        #[arg(required = true, num_args = 2.., value_name = "FILE|URL")]
        zoos: Vec<String>,
        /// Take the mean of embeddings of one task, which are of tunings by several seeds;
        /// without it they must be the same.
        #[arg(long)]
        mean: bool,
        #[command(flatten)]
        new: NewZoo,
        #[command(flatten)]
        beside: BesideArgs,
    },
    /// Say in what two zoos differ: tasks, sets, facts, ranks.
    #[command(
        after_long_help = "Example:\n  tupate zoo diff old.safetensors new.safetensors --similarity centred"
    )]
    Diff {
        /// A zoo file, or its http(s) address.
        #[arg(value_name = "FILE|URL")]
        old: String,
        /// Another one.
        #[arg(value_name = "FILE|URL")]
        new: String,
        /// How embeddings are compared.
        #[arg(long, default_value = "cosine", value_parser = similarities())]
        similarity: String,
        #[command(flatten)]
        output: Output,
    },
    /// Print a zoo's card in Markdown: what it holds, from where, how to use it.
    #[command(after_long_help = "Example:\n  tupate zoo card samples.safetensors > README.md")]
    Card {
        /// A zoo file, or its http(s) address.
        #[arg(value_name = "FILE|URL")]
        zoo: String,
    },
    /// Cut zoos of equal recipes into shards, beside an index that names them.
    ///
    /// A zoo in shards may have more tasks than one file should hold. The index and the
    /// shards lie in one folder, on any file host; `tupate rank --zoo`, `tupate zoo show`,
    /// `tupate zoo verify` and the page take the index.
    #[command(
        after_long_help = "Example:\n  tupate zoo shard part-*.safetensors --tasks 50000 --dtype int8 --out adapters/\n  tupate rank --zoo adapters/index.json --target mine --top 10"
    )]
    Shard(ShardArgs),
    /// Say what is in a zoo.
    #[command(after_long_help = "Example:\n  tupate zoo show samples.safetensors")]
    Show {
        /// A zoo file or an index of shards, or its http(s) address.
        #[arg(value_name = "FILE|URL")]
        zoo: String,
        #[command(flatten)]
        output: Output,
    },
    /// Check every checksum of a zoo.
    #[command(after_long_help = "Example:\n  tupate zoo verify samples.safetensors")]
    Verify {
        /// A zoo file or an index of shards, or its http(s) address.
        #[arg(value_name = "FILE|URL")]
        zoo: String,
        #[command(flatten)]
        output: Output,
    },
}

/// `tupate zoo shard`.
#[derive(Debug, Args)]
pub struct ShardArgs {
    /// Zoo files, or their http(s) addresses; no two with the same task.
    #[arg(required = true, value_name = "FILE|URL")]
    pub zoos: Vec<String>,
    /// The folder to write to, new or empty.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Tasks in a shard, at most.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub tasks: u32,
    /// The zoo's name; without it the first file's.
    #[arg(long)]
    pub name: Option<String>,
    /// What the zoo is, in a sentence or two; without it the first file's.
    #[arg(long)]
    pub description: Option<String>,
    /// How values are stored.
    #[arg(long, value_enum, default_value_t = Precision::F16)]
    pub dtype: Precision,
}

/// A zoo that is to be written.
#[derive(Debug, Args)]
pub struct NewZoo {
    /// The zoo file to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The zoo's name; without it the file's.
    #[arg(long)]
    pub name: Option<String>,
    /// What the zoo is, in a sentence or two.
    #[arg(long, default_value = "")]
    pub description: String,
    /// How values are stored.
    #[arg(long, value_enum, default_value_t = Precision::F16)]
    pub dtype: Precision,
}

impl NewZoo {
    /// The name that was given, or else the file's.
    pub fn name(&self) -> String {
        let stem = self.out.file_stem().and_then(|s| s.to_str()).unwrap_or("zoo");
        self.name.as_deref().unwrap_or(stem).to_owned()
    }
}

/// What a new zoo holds beside embeddings.
#[derive(Debug, Args)]
pub struct BesideArgs {
    #[command(flatten)]
    pub truth: TruthArgs,
    /// A table of scores to be judged beside the zoo's methods, as `tupate baseline --out`
    /// writes it, under a name of yours; repeat it for several.
    #[arg(long, value_name = "NAME=CSV", value_parser = scores)]
    pub scores: Vec<(String, PathBuf)>,
    /// What to say of tasks, in place of what is known of them: a JSON object with, for a
    /// task's id, an object of `name`, `family`, `licence` and `link`, each optional.
    #[arg(long, value_name = "JSON")]
    pub facts: Option<PathBuf>,
    /// How to rank by the zoo: a method or embedding set, a comma and the similarity. The page
    /// opens the zoo so.
    #[arg(long, value_name = "METHOD,SIMILARITY", value_parser = preferred)]
    pub prefer: Option<Preferred>,
}

fn preferred(given: &str) -> Result<Preferred, String> {
    let parts = given.rsplit_once(',').filter(|(method, _)| !method.is_empty());
    let (method, similarity) =
        parts.ok_or("a method and a similarity, such as lora.early,centred")?;
    Ok(Preferred { method: method.to_owned(), similarity: similarity.to_owned() })
}

fn scores(given: &str) -> Result<(String, PathBuf), String> {
    let parts = given.split_once('=').filter(|(name, path)| !name.is_empty() && !path.is_empty());
    let (name, path) = parts.ok_or("a name, =, and the table's file, such as textemb=text.csv")?;
    Ok((name.to_owned(), path.into()))
}

/// A transfer matrix.
#[derive(Debug, Args)]
pub struct TruthArgs {
    /// Measured transfer as CSV: first column the target, header the sources,
    /// cells the target's score, blank = not run; a column `no-transfer` holds
    /// the score without. Repeat it for one table a seed. Or the transfer.json of
    /// `tupate transfer`, which has all seeds and its setting.
    #[arg(long, value_name = "CSV|JSON")]
    pub truth: Vec<PathBuf>,
    /// The setting of tables in CSV, such as full-limited; of a zoo with several matrices,
    /// which one to judge by.
    #[arg(long, value_name = "NAME")]
    pub setting: Option<String>,
}

/// Vectors in NumPy's format.
#[derive(Debug, Args)]
pub struct NpyArgs {
    /// A folder with one NAME.npy a task: little-endian f4 or f8, C order.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// How arrays of two dimensions become vectors.
    #[arg(long, value_enum)]
    pub reduce: Option<Reduction>,
}

/// How a matrix becomes one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reduction {
    /// The mean of the rows.
    MeanRows,
    /// The rows one after the other.
    Flatten,
}

impl Reduction {
    /// The same for the zoo crate.
    pub fn reduce(self) -> tupate_zoo::Reduce {
        match self {
            Self::MeanRows => tupate_zoo::Reduce::MeanRows,
            Self::Flatten => tupate_zoo::Reduce::Flatten,
        }
    }
}

/// How a zoo stores its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// 2 bytes a value; changes no ranking on the vectors it was tried on.
    F16,
    /// 4 bytes a value, exact.
    F32,
    /// 1 byte a value: the set's mean, and each task's difference from it.
    Int8,
}

impl Precision {
    /// The same for the zoo crate.
    pub fn dtype(self) -> tupate_zoo::Dtype {
        match self {
            Self::F16 => tupate_zoo::Dtype::F16,
            Self::F32 => tupate_zoo::Dtype::F32,
            Self::Int8 => tupate_zoo::Dtype::Int8,
        }
    }
}

/// `tupate rank`.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  tupate rank --zoo samples.safetensors --target \
                             sample_entailment --similarity centred --top 3\n  tupate rank --zoo \
                             tasks.safetensors --target runs/mine --method ensemble")]
pub struct RankArgs {
    /// A zoo file or the index of a zoo in shards, or its http(s) address.
    #[arg(long, value_name = "FILE|URL")]
    pub zoo: String,
    /// A task of the zoo, a run, an adapter folder, or a file of `tupate embed`. For all
    /// methods together, a folder of a run of each, or one `--target` for each.
    #[arg(long, value_name = "TASK|RUN_DIR|PEFT_DIR", required = true)]
    pub target: Vec<String>,
    /// A method, the key of an embedding set such as lora.early, or all methods
    /// together: ensemble (mean similarity) or rrf (reciprocal rank fusion). With neither
    /// this nor `--similarity`, what the zoo's makers advise, as far as the target has it.
    #[arg(long, value_name = "NAME")]
    pub method: Option<String>,
    /// How embeddings are compared: cosine, unless the zoo's makers advise another.
    #[arg(long, value_parser = similarities())]
    pub similarity: Option<String>,
    /// Print only the first K sources.
    #[arg(long, value_name = "K")]
    pub top: Option<usize>,
    #[command(flatten)]
    pub output: Output,
}

/// `tupate evaluate`.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Example:\n  tupate evaluate --npy prompts/ --reduce mean-rows --truth \
                             transfer.csv --exclude random\n  tupate evaluate --zoo tasks.safetensors \
                             --method ensemble --against lora --json"
)]
#[command(group(clap::ArgGroup::new("vectors").required(true).args(["zoo", "npy", "scores"])))]
pub struct EvaluateArgs {
    /// A zoo file, or its http(s) address.
    #[arg(long, value_name = "FILE|URL")]
    pub zoo: Option<String>,
    /// A folder with one NAME.npy a task: little-endian f4 or f8, C order.
    #[arg(long, value_name = "DIR")]
    pub npy: Option<PathBuf>,
    /// How arrays of two dimensions become vectors.
    #[arg(long, value_enum, requires = "npy")]
    pub reduce: Option<Reduction>,
    /// A table of scores, as `tupate baseline --out` writes it, in place of vectors: first
    /// column the target, header the sources, greater is closer.
    #[arg(long, value_name = "CSV", conflicts_with_all = ["method", "similarity"])]
    pub scores: Option<PathBuf>,
    #[command(flatten)]
    pub truth: TruthArgs,
    /// What counts as relevant in the headline's NDCG.
    #[arg(long, default_value = "percent", value_parser = relevances())]
    pub relevance: String,
    /// A method, the key of an embedding set, ensemble, rrf, or a table of scores in the zoo.
    #[arg(long, value_name = "NAME")]
    pub method: Option<String>,
    /// Another one to compare with, target by target, or the file of a table of scores.
    #[arg(long, value_name = "NAME|CSV")]
    pub against: Option<String>,
    /// How embeddings are compared.
    #[arg(long, default_value = "cosine", value_parser = similarities())]
    pub similarity: String,
    /// A task to leave out everywhere; repeat it for several.
    #[arg(long, value_name = "NAME")]
    pub exclude: Vec<String>,
    /// Seed of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub output: Output,
}

fn relevances() -> clap::builder::PossibleValuesParser {
    tupate_metrics::Relevance::ALL.map(tupate_metrics::Relevance::name).into()
}

pub fn similarities() -> clap::builder::PossibleValuesParser {
    tupate_zoo::SIMILARITIES.iter().map(|s| s.name).collect::<Vec<_>>().into()
}
