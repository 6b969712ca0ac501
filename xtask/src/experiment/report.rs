//! `cargo xtask experiment NAME --report`: what an experiment found, as far as it has come.
//! Its results become a zoo, whose rankings `tupate evaluate` judges; the figures become
//! the tables of `docs/RESULTS.md`.

mod chosen;
mod common;
mod layers;
mod measured;
mod parts;
mod resample;
mod seeds;

use super::plan::{Plan, Task, embeddings};
use super::table::{Ranked, Row, Scores, Table, Tuned, rounded, to_csv};
use crate::{context::Context, files, program, steps::Steps};
use anyhow::{Context as _, Result, ensure};
use measured::Measured;
pub(super) use measured::whole;
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// What holds the tables.
const DOCUMENT: &str = "docs/RESULTS.md";

/// What the paper's rankings are compared with, target by target.
const AGAINST: [&str; 2] = ["datasize", "textemb"];

/// How embeddings are compared.
const SIMILARITIES: [&str; 4] = ["cosine", "centred", "delta", "gauge"];

/// The measures of the tables: title, place in the JSON, decimals.
const MEASURES: [(&str, &str, usize); 8] = [
    ("ρ", "/rho", 2),
    ("NDCG percent", "/ndcg/percent", 3),
    ("NDCG rank", "/ndcg/rank", 3),
    ("NDCG gain", "/ndcg/gain", 3),
    ("Regret@1", "/regret/1", 3),
    ("Regret@3", "/regret/3", 3),
    ("Regret@5", "/regret/5", 3),
    ("Kendall τ", "/kendall_tau", 3),
];

/// Makes the zoo and the tables of an experiment; with `write` the document gets them.
pub fn run(context: &Context, steps: &mut Steps, name: &str, write: bool) -> Result<()> {
    program::build(context, steps)?;
    let plan = plan_of(context, name)?;
    let report = Report::of(context, &plan, name)?;
    let truths = whole(&report)?;
    steps.take("zoo", || report.make_zoo(&truths))?;
    let mut text = String::new();
    steps.take("figures", || {
        text = report.text(&truths)?;
        Ok(DOCUMENT.to_owned())
    })?;
    println!("{}", text.trim_end());
    if write {
        files::write_between_marks(&context.root, DOCUMENT, name, &text)?;
    }
    Ok(())
}

/// Makes the zoo of an experiment by a program that is built already; gives back its file.
pub fn zoo(context: &Context, name: &str) -> Result<PathBuf> {
    let plan = plan_of(context, name)?;
    let report = Report::of(context, &plan, name)?;
    report.make_zoo(&whole(&report)?)?;
    Ok(report.zoo)
}

/// The declaration, without what is not to be reported yet.
fn plan_of(context: &Context, name: &str) -> Result<Plan> {
    let home = context.root.join("experiments").join(name);
    Ok(Plan::read(&home.join("experiment.toml"))?.without_pending())
}

/// Where what is reported lies, and where it goes.
pub(super) struct Report<'a> {
    pub context: &'a Context,
    pub plan: &'a Plan,
    pub program: PathBuf,
    /// The folder of what was found.
    pub results: PathBuf,
    /// The zoo's file.
    pub zoo: PathBuf,
    /// A folder for tables on their way into the zoo.
    pub work: PathBuf,
}

impl<'a> Report<'a> {
    fn of(context: &'a Context, plan: &'a Plan, name: &str) -> Result<Self> {
        let folder = context.cache.join("experiments").join(name);
        let work = folder.join("report");
        fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
        Ok(Self {
            context,
            plan,
            program: program::path(context),
            results: context.root.join("experiments").join(name).join("results"),
            zoo: folder.join(format!("{name}.safetensors")),
            work,
        })
    }

    fn rows<R: Row>(&self, file: &str) -> Result<Vec<R>> {
        Table::read(&self.results.join(file))
    }

    /// The folder of a seed's embeddings, a file a task.
    fn embeddings(&self, seed: u64) -> PathBuf {
        embeddings(&self.results, seed)
    }

    /// Whether those of all tasks are there.
    fn has_embeddings(&self, seed: u64) -> bool {
        self.plan.has_embeddings(&self.results, seed)
    }

    /// Whether a task is reported.
    fn has(&self, task: &str) -> bool {
        self.plan.task.iter().any(|one| one.id == task)
    }

    /// The seeds of the zoo's embeddings, which are their means.
    fn seeds(&self) -> Vec<u64> {
        self.plan.whole_seeds(&self.results)
    }

    /// A file in the work folder.
    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.work.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// The zoo: embeddings, the mean over seeds, all that was measured, and the baselines.
    pub(super) fn make_zoo(&self, truths: &[Measured<'_>]) -> Result<String> {
        let seeds = self.seeds();
        ensure!(!seeds.is_empty(), "no seed has embeddings of all tasks yet");
        let folders = seeds.into_iter().map(|seed| self.embeddings(seed));
        let parts = folders.flat_map(|folder| {
            self.plan.task.iter().map(move |task| folder.join(format!("{}.safetensors", task.id)))
        });
        let mut command = self
            .context
            .command(&self.program, ["zoo", "merge"])
            .args(parts)
            .args(["--mean", "--name", &self.plan.title, "--description", &self.plan.description])
            .args(["--dtype", "int8", "--out"])
            .arg(&self.zoo);
        let facts = self.write("facts.json", &facts(self.plan).to_string())?;
        command = command.arg("--facts").arg(facts);
        if let Some(prefer) = &self.plan.prefer {
            command = command.args(["--prefer", prefer]);
        }
        for measured in truths {
            let name = format!("{}.json", measured.truth.setting);
            command = command.arg("--truth").arg(self.write(&name, &measured.matrix.to_string())?);
        }
        for ranked in self.rows::<Ranked>("baselines.jsonl")? {
            let scores = to_csv(&rounded(&ranked.scores));
            let path = self.write(&format!("{}.csv", ranked.baseline), &scores)?;
            command =
                command.args(["--scores", &format!("{}={}", ranked.baseline, path.display())]);
        }
        command.quiet().ignore_stdout().run()?;
        let bytes = fs::metadata(&self.zoo)?.len();
        Ok(format!("{} ({:.2} MB)", self.zoo.display(), bytes as f64 / 1e6))
    }

    /// What the zoo says of itself.
    fn shown(&self) -> Result<Value> {
        let show = self.context.command(&self.program, ["zoo", "show", "--json"]).arg(&self.zoo);
        Ok(serde_json::from_str(&show.quiet().read()?)?)
    }

    /// How a method does by a truth.
    fn judge(
        &self,
        truth: &Path,
        method: &str,
        similarity: &str,
        against: Option<&str>,
    ) -> Result<Value> {
        let mut command = self.context.command(&self.program, ["evaluate", "--json", "--zoo"]);
        command = command.arg(&self.zoo).arg("--truth").arg(truth);
        command = command.args(["--method", method, "--similarity", similarity]);
        if let Some(other) = against {
            command = command.args(["--against", other]);
        }
        let said = command.quiet().ignore_stderr().read()?;
        serde_json::from_str(&said).with_context(|| format!("{method}, {similarity}"))
    }

    pub(super) fn text(&self, truths: &[Measured<'_>]) -> Result<String> {
        let zoo = self.shown()?;
        let names = |of: &str, name: &str| -> Vec<String> {
            let list = zoo[of].as_array().into_iter().flatten();
            list.filter_map(|one| one[name].as_str().map(ToOwned::to_owned)).collect()
        };
        let (sets, tables) = (names("embeddings", "key"), names("scores", "name"));
        let mut methods = sets.clone();
        for fusion in ["ensemble", "rrf"] {
            methods.extend(["early", "late"].map(|checkpoint| format!("{fusion}.{checkpoint}")));
        }
        let classes: BTreeMap<String, String> =
            names("tasks", "id").into_iter().zip(names("tasks", "class")).collect();
        let mut text = self.tasks(&classes)?;
        for measured in truths {
            let setting = &measured.truth.setting;
            let whole = self.work.join(format!("{setting}.json"));
            let in_class = measured.in_class(&classes);
            let in_class =
                self.write(&format!("{setting}.in-class.json"), &in_class.to_string())?;
            writeln!(text, "\n### Measured transfer, {setting}\n")?;
            text += &measured.text();
            let mut judged = vec![("all-class", whole.clone()), ("in-class", in_class)];
            if let Some(repeated) = measured::repeated(&measured.matrix) {
                let file = format!("{setting}.repeated.json");
                let title = "all-class, targets with several seeds";
                judged.push((title, self.write(&file, &repeated.to_string())?));
            }
            let others = truths.iter().filter(|other| other.truth.setting != *setting);
            let others: Vec<_> = others
                .filter_map(|other| Some((&*other.truth.setting, other.foretells(measured)?)))
                .collect();
            for (title, truth) in &judged {
                writeln!(text, "\n#### {setting}, {title}: every method, cosine\n")?;
                text += &self.every_method(truth, &methods, &tables, &others)?;
            }
            writeln!(text, "\n#### {setting}, all-class: against the baselines\n")?;
            text += &self.against(&whole, &methods, &tables)?;
            writeln!(text, "\n#### {setting}, all-class: other similarities, NDCG percent\n")?;
            text += &self.similarities(&whole, &methods)?;
            writeln!(text, "\n#### {setting}, all-class: what is one order for all targets\n")?;
            text += &common::text(self, &whole, &sets)?;
            writeln!(text, "\n#### {setting}, all-class: late minus early\n")?;
            text += &self.late_minus_early(&whole, &methods)?;
            writeln!(text, "\n#### {setting}, all-class: parts of what was tuned, cosine\n")?;
            text += &parts::text(self, &whole, &sets)?;
            writeln!(text, "\n#### {setting}, all-class: seeds and learning rates\n")?;
            text += &seeds::text(self, &whole, &sets)?;
            writeln!(text, "\n#### {setting}, all-class: layers\n")?;
            text += &layers::text(self, &whole)?;
            writeln!(text, "\n#### {setting}, all-class: chosen without looking\n")?;
            text += &chosen::text(self, &whole, &sets)?;
        }
        text += &measured::pending(self)?;
        Ok(text)
    }

    /// The tasks: how they were tuned, under which licence, what was cut.
    fn tasks(&self, classes: &BTreeMap<String, String>) -> Result<String> {
        let mut tuned: Vec<Tuned> = self.rows("tuning.jsonl")?;
        // Of whole seeds, or tasks would differ by what they are means of.
        tuned.retain(|row| self.has_embeddings(row.seed) && self.has(&row.task));
        let methods: Vec<&str> = self.plan.tuning.method.iter().map(|m| m.name.as_str()).collect();
        // Of other rates and initial parameters the ledger counts; scores are not mixed.
        let seeds = self.seeds();
        let ok = tuned.iter().filter(|row| row.ledger.ok).count();
        let mut text = String::from("### The tasks\n\n");
        writeln!(
            text,
            "{} runs, {} of which every tuned tensor got a gradient and moved; score on the \
             validation part, mean over {}.\n",
            tuned.len(),
            if ok == tuned.len() { "of all".to_owned() } else { format!("{ok}") },
            counted(seeds.len(), "seed")
        )?;
        writeln!(text, "| task | class | metric | majority | {} | data |", methods.join(" | "))?;
        writeln!(text, "|---|---|---|--:|{}---|", "--:|".repeat(methods.len()))?;
        for task in &self.plan.task {
            let own = |row: &&Tuned| row.task == task.id && seeds.contains(&row.seed);
            let of: Vec<&Tuned> = tuned.iter().filter(own).collect();
            let Some(first) = of.first() else { continue };
            let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
            let score = |method: &&str| {
                let by = of.iter().filter(|row| row.method == **method);
                format!("{:.3}", mean(by.map(|row| row.score).collect()))
            };
            // Of other subsets another class is the commonest.
            let majority = mean(of.iter().map(|row| row.majority).collect());
            writeln!(
                text,
                "| {} | {} | {} | {majority:.3} | {} | {}; {} |",
                task.id,
                classes.get(&task.id).map_or("", String::as_str),
                first.metric,
                methods.iter().map(score).collect::<Vec<_>>().join(" | "),
                task.licence,
                task.note.as_deref().unwrap_or("whole")
            )?;
        }
        Ok(text)
    }

    fn every_method(
        &self,
        truth: &Path,
        methods: &[String],
        tables: &[String],
        others: &[(&str, Scores)],
    ) -> Result<String> {
        let titles = MEASURES.map(|(title, ..)| title).join(" | ");
        let mut text = format!("| | {titles} |\n|---|{}\n", "--:|".repeat(MEASURES.len()));
        let mut last = Value::Null;
        for method in methods.iter().chain(tables) {
            let judged = self.judge(truth, method, "cosine", None)?;
            let cells = MEASURES.map(|measure| with_interval(&judged, measure));
            writeln!(text, "| {method} | {} |", cells.join(" | "))?;
            last = judged;
        }
        for (setting, scores) in others {
            let judged = chosen::judge(self, truth, scores, None)?;
            let cells = MEASURES.map(|measure| with_interval(&judged, measure));
            writeln!(text, "| *{setting} as measured* | {} |", cells.join(" | "))?;
        }
        let targets = last["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        // What one seed says of the others is of the targets that have several, and stands in
        // the table of those.
        let is_of_all = last["ceiling"]["targets"] == targets.len();
        let ceiling = is_of_all.then_some(("one seed by the others", "ceiling"));
        for (title, part) in [("random order", "random")].into_iter().chain(ceiling) {
            let of = &last[part];
            let cells = MEASURES.map(|(_, at, digits)| number(of.pointer(at), digits));
            writeln!(text, "| *{title}* | {} |", cells.join(" | "))?;
        }
        // A measure is undefined where all sources are alike, or none gains.
        let fewer = MEASURES.iter().filter_map(|(title, at, _)| {
            let at = if *at == "/rho" { "/rank_of_best" } else { at };
            let of = |target: &&Value| target.pointer(at).is_some_and(|value| !value.is_null());
            let defined = targets.iter().filter(of).count();
            (0 < defined && defined < targets.len()).then(|| format!("{title} over {defined}"))
        });
        let fewer: Vec<String> = fewer.collect();
        let but = if fewer.is_empty() { String::new() } else { format!(" ({})", fewer.join(", ")) };
        let targets = counted(targets.len(), "target");
        writeln!(text, "\n{targets}{but}; in brackets 95 % intervals over them.")?;
        Ok(text)
    }

    fn against(&self, truth: &Path, methods: &[String], tables: &[String]) -> Result<String> {
        let others: Vec<&str> =
            AGAINST.into_iter().filter(|name| tables.iter().any(|table| table == name)).collect();
        if others.is_empty() {
            return Ok("No baseline was run.\n".to_owned());
        }
        let titles: Vec<String> = others
            .iter()
            .map(|name| format!("− {name}: NDCG percent | p | Regret@1 | p"))
            .collect();
        let mut text =
            format!("| | {} |\n|---|{}\n", titles.join(" | "), "--:|".repeat(4 * others.len()));
        for method in methods {
            let mut row = format!("| {method} |");
            for other in &others {
                let judged = self.judge(truth, method, "cosine", Some(other))?;
                for at in ["/ndcg/percent", "/regret/1"] {
                    row += &format!(" {} |", difference(&judged, at));
                }
            }
            writeln!(text, "{row}")?;
        }
        Ok(text)
    }

    fn similarities(&self, truth: &Path, methods: &[String]) -> Result<String> {
        let mut text = format!(
            "| | {} |\n|---|{}\n",
            SIMILARITIES.join(" | "),
            "--:|".repeat(SIMILARITIES.len())
        );
        for method in methods {
            let mut cells = Vec::new();
            for similarity in SIMILARITIES {
                let judged = match similarity {
                    // Only LoRA has a gauge, and the zoo has not its factors layer by layer.
                    "gauge" => layers::gauge(self, truth, method)?,
                    _ => Some(self.judge(truth, method, similarity, None)?),
                };
                let figure = judged.map(|judged| with_interval(&judged, MEASURES[1]));
                cells.push(figure.unwrap_or_else(|| "–".to_owned()));
            }
            writeln!(text, "| {method} | {} |", cells.join(" | "))?;
        }
        Ok(text)
    }

    fn late_minus_early(&self, truth: &Path, methods: &[String]) -> Result<String> {
        let mut text = String::from(
            "| | NDCG percent | p | Kendall τ | p | Regret@1 | p |\n|---|--:|--:|--:|--:|--:|--:|\n",
        );
        for late in methods.iter().filter(|method| method.ends_with(".late")) {
            let early = late.replace(".late", ".early");
            let judged = self.judge(truth, late, "cosine", Some(&early))?;
            let name = late.trim_end_matches(".late");
            let each = ["/ndcg/percent", "/kendall_tau", "/regret/1"];
            let cells = each.map(|at| difference(&judged, at));
            writeln!(text, "| {name} | {} |", cells.join(" | "))?;
        }
        Ok(text)
    }
}

/// What the plan says of its tasks, for the zoo.
fn facts(plan: &Plan) -> Value {
    let of = |task: &Task| {
        let named = [("name", &task.name), ("family", &task.family), ("link", &task.link)];
        let mut facts: Map<String, Value> = named
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value.as_deref()?.into())))
            .collect();
        facts.insert("licence".to_owned(), task.licence.as_str().into());
        (task.id.clone(), Value::Object(facts))
    };
    plan.task.iter().map(of).collect::<Map<_, _>>().into()
}

fn number(value: Option<&Value>, digits: usize) -> String {
    value.and_then(Value::as_f64).map_or_else(|| "–".to_owned(), |x| format!("{x:.digits$}"))
}

/// A mean and its interval.
fn with_interval(judged: &Value, (_, at, digits): (&str, &str, usize)) -> String {
    let mean = number(judged["mean"].pointer(at), digits);
    let end = |i: usize| number(judged["interval95"].pointer(&format!("{at}/{i}")), 2);
    format!("{mean} ({} to {})", end(0), end(1))
}

/// A difference with its interval, and its p value, as two cells.
fn difference(judged: &Value, at: &str) -> String {
    let test = judged["paired"]["difference"].pointer(at).unwrap_or(&Value::Null);
    let signed =
        |value: &Value| value.as_f64().map_or_else(|| "–".to_owned(), |x| format!("{x:+.3}"));
    let ends = &test["interval95"];
    format!(
        "{} ({} to {}) | {}",
        signed(&test["difference"]),
        signed(&ends[0]),
        signed(&ends[1]),
        number(test.get("p_value"), 3)
    )
}

/// `1 seed`, `2 seeds`.
fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
