//! What an experiment declares: `experiments/NAME/experiment.toml`.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

/// An experiment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it is, in a few words: the zoo's name.
    pub title: String,
    /// What it is, in a sentence or two.
    pub description: String,
    /// How to rank by the zoo, as `tupate zoo merge --prefer` takes it.
    pub prefer: Option<String>,
    /// The encoder, as `tupate --encoder` takes it.
    pub encoder: String,
    /// How embeddings are made.
    pub tuning: Tuning,
    /// What transfer is measured.
    #[serde(default)]
    pub truth: Vec<Truth>,
    /// What ranks without task embeddings.
    #[serde(default)]
    pub baseline: Vec<Baseline>,
    /// The tasks, each a target and a source of all others.
    pub task: Vec<Task>,
}

/// How every task is tuned by every method.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// The methods.
    pub method: Vec<Method>,
    /// Seeds of subsets, heads and orders of examples.
    pub seeds: Vec<u64>,
    /// Further seeds, with another learning rate or other initial parameters.
    #[serde(default)]
    pub variant: Vec<Variant>,
    /// Seed of the methods' initial parameters.
    pub init_seed: u64,
    /// Passes over the training examples.
    pub epochs: u64,
    /// Further options of `tupate tune`.
    pub options: Vec<String>,
}

/// How tuning differs from what is declared for all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its seed, which nothing else has.
    pub seed: u64,
    /// By what the methods' learning rates are multiplied.
    pub rate: Option<f64>,
    /// Seed of the methods' initial parameters.
    pub init_seed: Option<u64>,
}

/// How all tasks are tuned once.
#[derive(Debug, PartialEq)]
pub struct Combination {
    /// Of subsets, heads and orders of examples.
    pub seed: u64,
    rate: f64,
    init_seed: Option<u64>,
}

/// A tuning method.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// Its name.
    pub name: String,
    /// The learning rate.
    pub lr: String,
}

/// A transfer matrix.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    /// How much is trained on, as `tupate transfer --setting` takes it.
    pub setting: String,
    /// What is measured of it.
    pub part: Vec<Part>,
    /// Further options of `tupate transfer`.
    pub options: Vec<String>,
}

/// Cells of a transfer matrix: from every task.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// With these seeds.
    pub seeds: Vec<u64>,
    /// To these tasks, or to all.
    pub targets: Option<Vec<String>>,
}

/// A ranking without task embeddings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Its name, as `tupate baseline` takes it.
    pub name: String,
    /// Further options of `tupate baseline`.
    pub options: Vec<String>,
}

/// A task.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its name in files.
    pub id: String,
    /// Its name for people, where the program does not know it.
    pub name: Option<String>,
    /// The kind of decision, likewise.
    pub family: Option<String>,
    /// Its folder of the data, where that is not its name.
    pub folder: Option<String>,
    /// Its training file there, where that is not found by name.
    pub train: Option<String>,
    /// Its validation file.
    pub dev: Option<String>,
    /// A JSON file that holds both: SQuAD's articles or DROP's passages, of which one in
    /// five is for validation.
    pub split: Option<String>,
    /// Of questions in HotpotQA's form, whether those paragraphs alone are read that support
    /// their answers.
    #[serde(default)]
    pub supporting: bool,
    /// Whether it is run and kept, and not reported yet, as there is too little of it.
    #[serde(default)]
    pub pending: bool,
    /// The data's licence.
    pub licence: String,
    /// Where the data can be had.
    pub link: Option<String>,
    /// What was cut, and what stands in for what.
    pub note: Option<String>,
}

impl Task {
    /// Which files it is made from, and how.
    pub fn files(&self) -> String {
        let named = [&self.folder, &self.train, &self.dev, &self.split];
        let named = named.map(|name| name.as_deref().unwrap_or("-")).join(" ");
        if self.supporting { named + " supporting" } else { named }
    }
}

/// The folder of a seed's embeddings among the results, a file a task.
pub fn embeddings(results: &Path, seed: u64) -> PathBuf {
    results.join("embeddings").join(seed.to_string())
}

impl Plan {
    /// The experiment as it is reported.
    pub fn without_pending(mut self) -> Self {
        self.task.retain(|task| !task.pending);
        self
    }

    /// The tasks of the zoo and the report.
    pub fn reported(&self) -> impl Iterator<Item = &Task> {
        self.task.iter().filter(|task| !task.pending)
    }

    /// Whether the results have a seed's embeddings of all of them.
    pub fn has_embeddings(&self, results: &Path, seed: u64) -> bool {
        let folder = embeddings(results, seed);
        let there = |task: &Task| folder.join(format!("{}.safetensors", task.id)).is_file();
        self.reported().all(there)
    }

    /// Those seeds of which they have, and that differ from each other by nothing else.
    pub fn whole_seeds(&self, results: &Path) -> Vec<u64> {
        let seeds = self.tuning.seeds.iter().copied();
        seeds.filter(|seed| self.has_embeddings(results, *seed)).collect()
    }
}

impl Tuning {
    /// How all tasks are tuned, once for each seed.
    pub fn combinations(&self) -> Vec<Combination> {
        let plain = |seed: &u64| Combination { seed: *seed, rate: 1.0, init_seed: None };
        let variant = |variant: &Variant| Combination {
            rate: variant.rate.unwrap_or(1.0),
            init_seed: variant.init_seed,
            ..plain(&variant.seed)
        };
        self.seeds.iter().map(plain).chain(self.variant.iter().map(variant)).collect()
    }

    /// Whether tasks are tuned with this seed.
    pub fn has(&self, seed: u64) -> bool {
        self.combinations().iter().any(|one| one.seed == seed)
    }

    /// The learning rate of a method and the seed of its initial parameters.
    pub fn settings(&self, method: &Method, seed: u64) -> (String, u64) {
        let variant = self.variant.iter().find(|variant| variant.seed == seed);
        let rate = match variant.and_then(|variant| variant.rate) {
            Some(rate) => format!("{:e}", method.rate().unwrap_or(f64::NAN) * rate),
            None => method.lr.clone(),
        };
        (rate, variant.and_then(|variant| variant.init_seed).unwrap_or(self.init_seed))
    }
}

impl Method {
    /// The learning rate as a number.
    fn rate(&self) -> Option<f64> {
        self.lr.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
    }
}

impl Combination {
    /// Whether it differs from others by its seed alone.
    pub fn is_plain(&self) -> bool {
        self.rate == 1.0 && self.init_seed.is_none()
    }
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}", self.seed)?;
        if self.rate != 1.0 {
            write!(f, ", rate × {}", self.rate)?;
        }
        match self.init_seed {
            Some(init_seed) => write!(f, ", initial parameters of seed {init_seed}"),
            None => Ok(()),
        }
    }
}

impl Truth {
    /// The targets of a seed among these tasks; none where the seed is not measured.
    pub fn targets<'a>(
        &self,
        seed: u64,
        tasks: impl IntoIterator<Item = &'a Task>,
    ) -> Vec<&'a str> {
        let part = self.part.iter().find(|part| part.seeds.contains(&seed));
        let wanted = |id: &str| {
            part.is_some_and(|part| {
                part.targets.as_ref().is_none_or(|targets| targets.iter().any(|t| t == id))
            })
        };
        tasks.into_iter().map(|task| task.id.as_str()).filter(|id| wanted(id)).collect()
    }
}

impl Plan {
    /// Reads and checks a declaration.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        let plan: Self = toml::from_str(&text).with_context(|| format!("{shown}"))?;
        plan.check().with_context(|| format!("{shown}"))?;
        Ok(plan)
    }

    fn check(&self) -> Result<()> {
        let distinct = |what: &str, names: Vec<String>| {
            let mut seen = BTreeSet::new();
            let twice = names.into_iter().find(|name| !seen.insert(name.clone()));
            ensure!(twice.is_none(), "{what} {} is there twice", twice.unwrap_or_default());
            ensure!(!seen.is_empty(), "there is no {what}");
            Ok(())
        };
        let seeds = |seeds: &[u64]| seeds.iter().map(u64::to_string).collect();
        distinct("task", self.task.iter().map(|task| task.id.clone()).collect())?;
        distinct("method", self.tuning.method.iter().map(|m| m.name.clone()).collect())?;
        distinct("seed", seeds(&self.tuning.seeds))?;
        let combinations = self.tuning.combinations();
        distinct("seed", combinations.iter().map(|one| one.seed.to_string()).collect())?;
        for method in &self.tuning.method {
            ensure!(
                method.rate().is_some(),
                "{}: {:?} is no learning rate",
                method.name,
                method.lr
            );
        }
        for variant in &self.tuning.variant {
            let rate = variant.rate.unwrap_or(1.0);
            ensure!(
                rate.is_finite() && rate > 0.0 && (rate != 1.0 || variant.init_seed.is_some()),
                "variant of seed {}: it says nothing else than `seeds` would",
                variant.seed
            );
        }
        for truth in &self.truth {
            let all: Vec<u64> =
                truth.part.iter().flat_map(|part| part.seeds.iter().copied()).collect();
            distinct(&format!("{}: seed", truth.setting), seeds(&all))?;
            for targets in truth.part.iter().filter_map(|part| part.targets.as_ref()) {
                distinct(&format!("{}: target", truth.setting), targets.clone())?;
                let known = |target: &&String| self.task.iter().any(|task| task.id == **target);
                let stranger = targets.iter().find(|target| !known(target));
                ensure!(
                    stranger.is_none(),
                    "{}: there is no task {}",
                    truth.setting,
                    stranger.map_or("", String::as_str)
                );
            }
        }
        if !self.baseline.is_empty() {
            distinct("baseline", self.baseline.iter().map(|one| one.name.clone()).collect())?;
        }
        if !self.truth.is_empty() {
            distinct("setting", self.truth.iter().map(|truth| truth.setting.clone()).collect())?;
            ensure!(
                self.reported().count() > 2,
                "with fewer than three tasks there is nothing to rank"
            );
        }
        for task in &self.task {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            ensure!(task.id.chars().all(plain), "task {:?}: letters, digits, - and _", task.id);
            ensure!(!task.licence.trim().is_empty(), "task {}: no licence is named", task.id);
            ensure!(
                task.train.is_some() == task.dev.is_some(),
                "task {}: `train` and `dev` go together",
                task.id
            );
            ensure!(
                task.split.is_none() || (task.train.is_none() && !task.supporting),
                "task {}: `split` goes alone",
                task.id
            );
        }
        Ok(())
    }

    /// The seeds of all parts, in the order in which they are run.
    pub fn seeds(&self) -> Vec<u64> {
        let mut seeds: Vec<u64> = self.tuning.combinations().iter().map(|one| one.seed).collect();
        let of_truth = self.truth.iter().flat_map(|truth| &truth.part);
        for seed in of_truth.flat_map(|part| &part.seeds) {
            if !seeds.contains(seed) {
                seeds.push(*seed);
            }
        }
        seeds
    }

    /// One of them, or all.
    pub fn chosen(&self, seed: Option<u64>) -> Result<Vec<u64>> {
        let all = self.seeds();
        let Some(seed) = seed else { return Ok(all) };
        ensure!(all.contains(&seed), "there is no seed {seed}; there are {all:?}");
        Ok(vec![seed])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        title = "Three tasks"
        description = "They are few."
        encoder = "minilm"
        [tuning]
        seeds = [0, 1]
        init_seed = 0
        epochs = 2
        options = ["--batch-size", "8"]
        method = [{ name = "lora", lr = "2e-3" }]
        variant = [{ seed = 3, rate = 0.5 }, { seed = 4, init_seed = 1 }]
        [[truth]]
        setting = "limited-limited"
        part = [{ seeds = [0] }, { seeds = [1, 2], targets = ["a", "c"] }]
        options = []
        [[baseline]]
        name = "textemb"
        options = ["--max-train", "9"]
        [[task]]
        id = "a"
        licence = "none stated"
        [[task]]
        id = "b"
        licence = "MIT"
        [[task]]
        id = "c"
        licence = "MIT"
    "#;

    fn read(text: &str) -> Result<Plan> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("experiment.toml");
        fs::write(&path, text).unwrap();
        Plan::read(&path)
    }

    #[test]
    fn a_declaration_is_read() {
        let plan = read(GOOD).unwrap();
        assert_eq!((plan.seeds(), plan.task.len()), (vec![0, 1, 3, 4, 2], 3));
        assert_eq!(plan.chosen(None).unwrap(), plan.seeds());
        assert_eq!(plan.chosen(Some(4)).unwrap(), [4]);
        let error = plan.chosen(Some(5)).unwrap_err().to_string();
        assert_eq!(error, "there is no seed 5; there are [0, 1, 3, 4, 2]");
        let named: Vec<_> = plan.tuning.combinations().iter().map(ToString::to_string).collect();
        let wanted =
            ["seed 0", "seed 1", "seed 3, rate × 0.5", "seed 4, initial parameters of seed 1"];
        assert_eq!(named, wanted);
        let settings = |seed| plan.tuning.settings(&plan.tuning.method[0], seed);
        assert_eq!(
            [settings(1), settings(3), settings(4)],
            [("2e-3".to_owned(), 0), ("1e-3".to_owned(), 0), ("2e-3".to_owned(), 1)]
        );
        let targets = |seed| plan.truth[0].targets(seed, &plan.task);
        assert_eq!(targets(0), ["a", "b", "c"]);
        assert_eq!([targets(1), targets(2)], [["a", "c"]; 2]);
        assert!(targets(3).is_empty());
    }

    #[test]
    fn the_experiments_that_are_here_are_sound() {
        let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments");
        for entry in fs::read_dir(all).unwrap() {
            Plan::read(&entry.unwrap().path().join("experiment.toml")).unwrap();
        }
    }

    #[test]
    fn what_is_wrong_with_a_declaration_is_said() {
        for (from, to, message) in [
            ("id = \"b\"", "id = \"a\"", "task a is there twice"),
            ("id = \"b\"", "id = \"../b\"", "letters, digits"),
            ("seeds = [0] }", "seeds = [1] }", "limited-limited: seed 1 is there twice"),
            (
                "part = [{ seeds = [0] }, { seeds = [1, 2],",
                "part = [{ seeds = [],",
                "is no limited",
            ),
            ("\"a\", \"c\"", "\"a\", \"a\"", "limited-limited: target a is there twice"),
            ("\"a\", \"c\"", "\"a\", \"d\"", "limited-limited: there is no task d"),
            ("seeds = [0, 1]", "seeds = []", "there is no seed"),
            ("seeds = [0, 1]", "seeds = [1, 1]", "seed 1 is there twice"),
            ("seeds = [0, 1]", "seeds = [0, 3]", "seed 3 is there twice"),
            ("rate = 0.5", "rate = 1.0", "variant of seed 3: it says nothing else"),
            ("lr = \"2e-3\"", "lr = \"fast\"", "\"fast\" is no learning rate"),
            ("licence = \"none stated\"", "licence = \"\"", "task a: no licence"),
            ("licence = \"none stated\"", "", "missing field `licence`"),
            ("init_seed = 0", "init_sed = 0", "unknown field `init_sed`"),
            ("licence = \"none stated\"", "licence = \"x\"\ntrain = \"f\"", "go together"),
            (
                "licence = \"none stated\"",
                "licence = \"x\"\nsplit = \"f\"\nsupporting = true",
                "`split` goes alone",
            ),
            ("licence = \"none stated\"", "licence = \"x\"\npending = true", "fewer than three"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            let error = format!("{:#}", read(&text).unwrap_err());
            assert!(error.contains(message) && error.contains("experiment.toml"), "{error}");
        }
    }
}
