//! `cargo xtask experiment NAME`: a declared sweep over tasks, methods and seeds.
//!
//! ```text
//! experiments/NAME/
//!   experiment.toml                    what is declared
//!   results/tuning.jsonl               a line for every tuned task
//!   results/embeddings/SEED/TASK.safetensors
//!                                      its embeddings by all methods, early and late
//!   results/layers.json                how alike tasks are by each layer
//!   results/SETTING.jsonl              a line for every measured transfer
//!   results/baselines.jsonl            a line for every baseline, with its scores
//! ```
//!
//! What is there is never computed again, wherever it was computed. Runs and sweeps
//! lie in the cache folder, so that what was interrupted goes on where it was.

mod data;
mod layers;
mod plan;
pub mod report;
mod table;

use crate::jobs::{self, Ended, Job, Terms};
use crate::{context::Context, files, program, steps::Steps};
use anyhow::{Context as _, Result, bail};
use plan::{Baseline, Method, Plan, Task, Truth};
use serde_json::Value;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use table::{Provenance, Ranked, Row as _, Table, Transferred, Tuned};

/// What stands for the source in the line of a target without transfer.
const ALONE: &str = "";

/// The seed of baselines; there is one of each.
const BASELINE_SEED: u64 = 0;

/// Runs what is missing of an experiment, or of one of its seeds.
pub fn run(
    context: &Context,
    steps: &mut Steps,
    name: &str,
    data: &Path,
    seed: Option<u64>,
    minutes: Option<u64>,
) -> Result<()> {
    let until = minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let home = context.root.join("experiments").join(name);
    let plan = Plan::read(&home.join("experiment.toml"))?;
    let seeds = plan.chosen(seed)?;
    eprintln!("{}", plan.title);
    for task in &plan.task {
        eprintln!(
            "  {:<10} {}; {}",
            task.id,
            task.licence,
            task.note.as_deref().unwrap_or("whole")
        );
    }
    program::build(context, steps)?;
    let work = context.cache.join("experiments").join(name);
    let _lock = context.lock(&work)?;
    // A copy: what is built meanwhile changes nothing of an experiment that runs.
    let copy = work.join("tupate");
    fs::copy(program::path(context), &copy)
        .with_context(|| format!("cannot write {}", copy.display()))?;
    let experiment = Experiment {
        context,
        plan: &plan,
        program: copy,
        links: work.join("data"),
        results: home.join("results"),
        work,
        terms: Terms { until, go_on: true },
    };
    steps.take("encoder", || {
        let pull = ["encoder", "pull", &plan.encoder];
        context.command(&experiment.program, pull).quiet().ignore_stdout().run()?;
        Ok(plan.encoder.clone())
    })?;
    steps.take("data", || experiment.link(data))?;
    // What was finished when the last sitting ended, whatever comes first in this one.
    for truth in &plan.truth {
        experiment.collect(truth, &experiment.transferred(truth)?)?;
    }
    // Seed by seed: an experiment that is stopped early is a smaller one, and whole.
    for seed in seeds {
        if plan.tuning.has(seed) {
            steps.take(&format!("tuning, seed {seed}"), || experiment.tune(seed))?;
        }
        if seed == BASELINE_SEED {
            steps.take("baselines", || experiment.baselines())?;
        }
        if plan.whole_seeds(&experiment.results).contains(&seed) {
            steps.take("layers", || experiment.layers())?;
        }
        for (step, truth, tasks) in experiment.sweeps(seed) {
            steps.take(&step, || experiment.transfer(truth, seed, &tasks))?;
        }
    }
    Ok(())
}

struct Experiment<'a> {
    context: &'a Context,
    plan: &'a Plan,
    program: PathBuf,
    /// A folder a task, with its files or links to them.
    links: PathBuf,
    results: PathBuf,
    work: PathBuf,
    terms: Terms,
}

impl Experiment<'_> {
    /// One folder a task, as `tupate --data` wants it.
    fn link(&self, data: &Path) -> Result<String> {
        let data = fs::canonicalize(data).with_context(|| format!("{}", data.display()))?;
        if self.links.exists() {
            fs::remove_dir_all(&self.links)?;
        }
        for task in &self.plan.task {
            data::prepare(task, &data, &self.links.join(&task.id))
                .with_context(|| format!("the files of {}", task.id))?;
        }
        Ok(format!("{} tasks", self.plan.task.len()))
    }

    /// Refuses what lies in the cache folder and was made in another way: it would be taken
    /// for what is declared now. `ways` says the options of all that is computed of a kind.
    fn made_so(&self, kind: &str, ways: impl Iterator<Item = (String, String)>) -> Result<()> {
        let path = self.work.join(format!("{kind}.made.json"));
        let mut made: BTreeMap<String, String> = match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).with_context(|| format!("{}", path.display()))?
            }
            Err(_) => BTreeMap::new(),
        };
        let files = |task: &Task| (format!("files of {}", task.id), task.files());
        for (what, now) in ways.chain(self.plan.task.iter().map(files)) {
            let before = made.entry(what.clone()).or_insert_with(|| now.clone());
            if *before != now {
                bail!(
                    "{} holds what was made with `{before}` ({what}), and the experiment now says \
                     `{now}`; remove that folder to begin anew",
                    self.work.display()
                );
            }
        }
        fs::create_dir_all(&self.work)
            .and_then(|()| fs::write(&path, serde_json::to_string_pretty(&made)?))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The options of a task's tuning; what they say decides the result.
    fn tune_options(&self, task: &str, method: &Method, seed: u64) -> Vec<String> {
        let plan = self.plan;
        let (rate, init_seed) = plan.tuning.settings(method, seed);
        let mut options: Vec<String> =
            ["tune", task, "--method", &method.name, "--lr", &rate].map(ToOwned::to_owned).into();
        let (seed, init_seed) = (seed.to_string(), init_seed.to_string());
        let epochs = plan.tuning.epochs.to_string();
        options.extend(
            ["--encoder", &plan.encoder, "--epochs", &epochs, "--seed", &seed]
                .map(ToOwned::to_owned),
        );
        options.extend(["--init-seed".into(), init_seed]);
        options.extend(plan.tuning.options.iter().cloned());
        options
    }

    /// What was tuned until now.
    fn tuned(&self) -> Result<RefCell<Table<Tuned>>> {
        let table = Table::open(self.results.join("tuning.jsonl"), |row: &Tuned| {
            let (seed, method, task) = row.key();
            let method = self.plan.tuning.method.iter().find(|m| m.name == method);
            let options = method.map(|method| self.tune_options(&task, method, seed));
            options.map_or_else(String::new, |options| options.join(" "))
        })?;
        Ok(RefCell::new(table))
    }

    /// Tunes every task by every method.
    fn tune(&self, seed: u64) -> Result<String> {
        let methods = &self.plan.tuning.method;
        let table = self.tuned()?;
        let way = |method: &Method| {
            let options = self.tune_options("TASK", method, seed).join(" ");
            (format!("{}, seed {seed}", method.name), options)
        };
        self.made_so("tuning", methods.iter().map(way))?;
        let folder = self.embeddings(seed);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let mut missing = Vec::new();
        for task in &self.plan.task {
            let key = |method: &Method| (seed, method.name.clone(), task.id.clone());
            let is_told = methods.iter().all(|method| table.borrow().has(&key(method)));
            if is_told && self.embedding(task, seed).is_file() {
                continue;
            }
            // The embeddings of a task come from its runs: those that lie on another
            // machine are tuned once more, to the same result.
            for method in methods {
                if !self.run_of(task, method, seed).join("run.json").is_file() {
                    missing.push(self.tuning(&table, task, method, seed));
                }
            }
            self.pack(&table, task, seed)?;
        }
        let all = self.plan.task.len() * methods.len();
        self.finish("tuning", missing, all)
    }

    /// The folder of a task's tuning.
    fn run_of(&self, task: &Task, method: &Method, seed: u64) -> PathBuf {
        self.work.join(format!("runs/{seed}/{}.{}", method.name, task.id))
    }

    fn embeddings(&self, seed: u64) -> PathBuf {
        plan::embeddings(&self.results, seed)
    }

    fn embedding(&self, task: &Task, seed: u64) -> PathBuf {
        self.embeddings(seed).join(format!("{}.safetensors", task.id))
    }

    /// Takes down what a task's runs say and, when all are there, packs what they learnt.
    fn pack(&self, table: &RefCell<Table<Tuned>>, task: &Task, seed: u64) -> Result<()> {
        let mut runs = Vec::new();
        for method in &self.plan.tuning.method {
            let run = self.run_of(task, method, seed);
            if !run.join("run.json").is_file() {
                continue;
            }
            if !table.borrow().has(&(seed, method.name.clone(), task.id.clone())) {
                let options = self.tune_options(&task.id, method, seed).join(" ");
                table.borrow_mut().add(vec![Tuned::of_run(&run, options)?])?;
            }
            runs.push(run);
        }
        // What is kept stays: a run that is tuned again is for something else.
        if runs.len() < self.plan.tuning.method.len() || self.embedding(task, seed).is_file() {
            return Ok(());
        }
        self.context
            .command(&self.program, ["zoo", "pack"])
            .args(&runs)
            .args(["--recipe", "checkpoint=early", "--recipe", "checkpoint=late"])
            .args(["--name", &task.id, "--out"])
            .arg(self.embedding(task, seed))
            .quiet()
            .ignore_stdout()
            .run()
            .with_context(|| format!("the embeddings of {} cannot be packed", task.id))
    }

    fn tuning<'a>(
        &'a self,
        table: &'a RefCell<Table<Tuned>>,
        task: &'a Task,
        method: &'a Method,
        seed: u64,
    ) -> Job<'a> {
        let options = self.tune_options(&task.id, method, seed);
        let out = self.run_of(task, method, seed);
        let command = || {
            let command = self.context.command(&self.program, &options);
            Command::from(command.arg("--data").arg(&self.links).arg("--out").arg(&out))
        };
        let resumable = out.join("resume").is_dir();
        Job {
            name: format!("{} by {}, seed {seed}", task.id, method.name),
            units: self.plan.tuning.epochs,
            unit: jobs::EPOCH,
            attempts: jobs::of_run(&out, resumable, command, || Ok(())),
            threads: true,
            end: Box::new(move || self.pack(table, task, seed)),
        }
    }

    /// The options of a sweep, without tasks and seeds.
    fn transfer_options(&self, truth: &Truth) -> Vec<String> {
        let mut options: Vec<String> =
            ["transfer", "--setting", &truth.setting, "--encoder", &self.plan.encoder]
                .map(ToOwned::to_owned)
                .into();
        options.extend(truth.options.iter().cloned());
        options
    }

    /// What was measured of a transfer matrix until now.
    fn transferred(&self, truth: &Truth) -> Result<RefCell<Table<Transferred>>> {
        let options = self.transfer_options(truth).join(" ");
        let path = self.results.join(format!("{}.jsonl", truth.setting));
        fs::create_dir_all(&self.results)
            .with_context(|| format!("cannot create {}", self.results.display()))?;
        Ok(RefCell::new(Table::open(path, |_: &Transferred| options.clone())?))
    }

    /// Takes the finished cells of a sweep into the results.
    fn collect(&self, truth: &Truth, table: &RefCell<Table<Transferred>>) -> Result<()> {
        let options = self.transfer_options(truth).join(" ");
        self.made_so(&truth.setting, [(truth.setting.clone(), options.clone())].into_iter())?;
        let new = cells(&self.work.join(&truth.setting), &table.borrow(), &options)?;
        table.borrow_mut().add(new)
    }

    /// The sweeps of a seed, with the tasks of each. Those of what is reported come first: no
    /// setting waits for a pending task.
    fn sweeps(&self, seed: u64) -> Vec<(String, &Truth, Vec<&Task>)> {
        let reported: Vec<&Task> = self.plan.reported().collect();
        let all: Vec<&Task> = self.plan.task.iter().collect();
        let pending = (reported.len() < all.len()).then_some((all, ", pending tasks"));
        let sweeps = [(reported, "")].into_iter().chain(pending).flat_map(|(tasks, of)| {
            let measured = |truth: &&Truth| !truth.targets(seed, tasks.clone()).is_empty();
            let truths: Vec<&Truth> = self.plan.truth.iter().filter(measured).collect();
            truths.into_iter().map(move |truth| {
                (format!("{}, seed {seed}{of}", truth.setting), truth, tasks.clone())
            })
        });
        sweeps.collect()
    }

    /// Measures transfer from every one of these tasks to every other one.
    fn transfer(&self, truth: &Truth, seed: u64, tasks: &[&Task]) -> Result<String> {
        let options = self.transfer_options(truth);
        let table = self.transferred(truth)?;
        let sweep = self.work.join(&truth.setting);
        let collect = || self.collect(truth, &table);
        collect()?;
        let ids: Vec<&str> = tasks.iter().map(|task| task.id.as_str()).collect();
        let wanted = truth.targets(seed, tasks.iter().copied());
        let key = |target: &str, source: &str| (seed, target.to_owned(), source.to_owned());
        let alone = wanted.iter().filter(|id| !table.borrow().has(&key(id, ALONE))).count();
        let mut jobs = Vec::new();
        for source in &ids {
            let missing = |target: &&&str| {
                target != &source
                    && !(table.borrow().has(&key(target, source))
                        && table.borrow().has(&key(target, ALONE)))
            };
            let targets: Vec<&str> = wanted.iter().filter(missing).copied().collect();
            if targets.is_empty() {
                continue;
            }
            let command = self
                .context
                .command(&self.program, &options)
                .args(["--sources", source, "--targets", &targets.join(",")])
                .args(["--seeds", &seed.to_string(), "--resume", "--data"])
                .arg(&self.links)
                .arg("--out")
                .arg(&sweep);
            let command = Command::from(command);
            jobs.push(Job {
                name: format!("{} from {source}, seed {seed}", truth.setting),
                // Who comes first does the targets without transfer.
                units: (targets.len() + if jobs.is_empty() { alone } else { 0 }) as u64,
                unit: jobs::CELL,
                attempts: vec![Box::new(move || Ok(command))],
                threads: true,
                end: Box::new(collect),
            });
        }
        let outcome = self.finish(&truth.setting, jobs, ids.len());
        collect()?;
        outcome
    }

    fn baseline_options(&self, baseline: &Baseline) -> Vec<String> {
        let mut options = vec!["baseline".to_owned(), baseline.name.clone()];
        options.extend(["--seed".to_owned(), BASELINE_SEED.to_string()]);
        options.extend(baseline.options.iter().cloned());
        options
    }

    /// Ranks all tasks by every baseline.
    fn baselines(&self) -> Result<String> {
        let declared = &self.plan.baseline;
        let table = Table::open(self.results.join("baselines.jsonl"), |row: &Ranked| {
            let (.., name) = row.key();
            let baseline = declared.iter().find(|baseline| baseline.name == name);
            baseline.map_or_else(String::new, |one| self.baseline_options(one).join(" "))
        })?;
        let table = RefCell::new(table);
        let ids: Vec<&str> = self.plan.reported().map(|task| task.id.as_str()).collect();
        // Which tasks there are decides every row.
        let is_there = |name: &String| {
            let key = (BASELINE_SEED, String::new(), name.clone());
            table.borrow().get(&key).is_some_and(|row| row.is_of(&ids))
        };
        let missing: Vec<&Baseline> = declared.iter().filter(|one| !is_there(&one.name)).collect();
        let work = self.work.join("baselines");
        fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
        // One after the other: they share encoders that the first one fine-tunes.
        for baseline in &missing {
            let options = self.baseline_options(baseline);
            let out = work.join(format!("{}.csv", baseline.name));
            let command = self
                .context
                .command(&self.program, &options)
                .args(["--tasks", &ids.join(","), "--data"])
                .arg(&self.links)
                .arg("--out")
                .arg(&out);
            let mut command = Command::from(command);
            // The one that reads no texts takes neither encoder nor threads.
            let reads = baseline.name != "datasize";
            if reads {
                command.args(["--encoder", &self.plan.encoder, "--work"]).arg(&work);
            }
            let (table, out, began) = (&table, &out, Instant::now());
            let job = Job {
                name: baseline.name.clone(),
                units: ids.len() as u64,
                unit: jobs::DATA,
                attempts: vec![Box::new(move || Ok(command))],
                threads: reads,
                end: Box::new(move || {
                    let (key, seconds) =
                        ((BASELINE_SEED, &*baseline.name), began.elapsed().as_secs_f64());
                    let row =
                        Ranked::of_csv(key, out, self.provenance()?, seconds, options.join(" "))?;
                    table.borrow_mut().add(vec![row])
                }),
            };
            self.finish(&baseline.name, vec![job], 1)?;
        }
        Ok(format!("{} of {} now", missing.len(), declared.len()))
    }

    /// What makes a baseline what it is, beside its options.
    fn provenance(&self) -> Result<Provenance> {
        let show = ["encoder", "show", &self.plan.encoder, "--json"];
        let encoder: Value =
            serde_json::from_str(&self.context.command(&self.program, show).quiet().read()?)?;
        let sha256 = encoder["weights_sha256"].as_str().context("the encoder has no sha256")?;
        let mut files = Vec::new();
        for task in self.plan.reported() {
            files.extend(files::sources(&self.links.join(&task.id))?);
        }
        Ok(Provenance {
            version: self.context.version(&self.program).context("the program has no version")?,
            encoder_sha256: sha256.to_owned(),
            data_sha256: files::digest(&self.links, &files, &[])?,
        })
    }

    /// Runs jobs, and says what there is now.
    fn finish(&self, what: &str, jobs: Vec<Job<'_>>, all: usize) -> Result<String> {
        let missing = jobs.len();
        match jobs::run(what, jobs, self.terms)? {
            Ended::Done if missing == 0 => Ok("done before".to_owned()),
            Ended::Done => Ok(format!("done, {missing} of {all} now")),
            Ended::OutOfTime => bail!(
                "the time is over; the same command goes on from here, and what is finished is \
                 in {}",
                self.results.display()
            ),
        }
    }
}

/// The finished cells of a sweep that the table does not have.
fn cells(sweep: &Path, table: &Table<Transferred>, options: &str) -> Result<Vec<Transferred>> {
    let mut new = Vec::new();
    let listed = |folder: &Path| -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
        entries.map(|entry| Ok(entry?.path())).collect()
    };
    let folder = sweep.join("cells");
    if !folder.is_dir() {
        return Ok(new);
    }
    for target in listed(&folder)? {
        for path in listed(&target)? {
            if path.extension().is_some_and(|extension| extension == "json") {
                let row = Transferred::of_cell(&path, options.to_owned())?;
                if !table.has(&row.key()) {
                    new.push(row);
                }
            }
        }
    }
    Ok(new)
}

#[cfg(test)]
mod tests;
