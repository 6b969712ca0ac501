//! Sweeps with a stand-in for `tupate`: nothing twice, nothing lost, settings held to.

mod kept;
mod reports;

use super::*;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Leaves behind what the real one does, as far as it is read, and notes every call.
const FAKE: &str = r#"#!/bin/sh
echo "$@" >> calls
all="$*"
while [ $# -gt 0 ]; do
  case "$1" in
    tune) task=$2; command=tune ;;
    transfer) command=$1 ;;
    zoo) command=$1; [ "$2" = show ] && cat shown && exit ;;
    evaluate) cat judged; exit ;;
    rank) cat ranking; exit ;;
    baseline) command=$1; baseline=$2 ;;
    encoder) echo '{"weights_sha256": "ab"}'; exit ;;
    --version) echo 'tupate 1.0'; exit ;;
    --threads) [ "$baseline" = datasize ] && exit 2 ;;
    --method) method=$2 ;;
    --seed | --seeds) seed=$2 ;;
    --sources) source=$2 ;;
    --targets) targets=$(echo "$2" | tr , ' ') ;;
    --out) out=$2 ;;
    aggregation=flatten) command=layers ;;
  esac
  shift
done
case "$task:$source" in FAILS) exit 1 ;; esac
case "$command" in
  zoo) echo zoo > "$out" ;;
  layers) cp flat "$out" ;;
  baseline) printf 'target,a,b,c\na,,1,0.5\nb,2,,1\nc,0,-1e-3,\n' > "$out" ;;
  tune)
    mkdir -p "$out"
    sed "s/TASK/$task/; s/METHOD/$method/; s/SEED/$seed/" run > "$out/half"
    mv "$out/half" "$out/run.json" ;;
  transfer)
    for target in $targets; do
      mkdir -p "$out/cells/$target"
      for from in null "\"$source\""; do
        name=$(echo "$from" | tr -d '"')
        sed "s/TARGET/$target/; s/SOURCE/$from/; s/SEED/$seed/" cell \
          > "$out/cells/$target/$name.$seed.half"
        mv "$out/cells/$target/$name.$seed.half" "$out/cells/$target/$name.$seed.json"
      done
    done ;;
esac
"#;

const PLAN: &str = r#"
title = "Three"
description = "Few."
encoder = "minilm"
[tuning]
seeds = [0]
init_seed = 7
epochs = 2
options = ["--batch-size", "8"]
method = [{ name = "lora", lr = "2e-3" }, { name = "bitfit", lr = "4e-3" }]
[[truth]]
setting = "limited-limited"
part = [{ seeds = [0] }, { seeds = [1], targets = ["a", "c"] }]
options = ["--limited", "8"]
[[baseline]]
name = "textemb"
options = ["--max-train", "8"]
[[baseline]]
name = "datasize"
options = []
[[task]]
id = "a"
licence = "MIT"
[[task]]
id = "b"
name = "Bees"
family = "flight"
licence = "MIT"
link = "https://example.org/bees"
folder = "other"
train = "x.train.tsv.gz"
dev = "x.val.tsv.gz"
[[task]]
id = "c"
licence = "MIT"
"#;

struct Place {
    context: Context,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self { context: Context::inside(folder.path()), _folder: folder };
        let root = &place.context.root;
        let ledger = json!({
            "ok": true, "keys_loaded": 9, "truncated_train": 0, "truncated_dev": 1,
            "beats_majority": true, "trained": [{ "moved": 0.5 }, { "moved": 0.25 }],
        });
        let curve = json!([{ "epoch": 1, "loss": 0.5, "score": 0.75 }]);
        let run = json!({
            "settings": { "seed": "SEED" }, "method": "METHOD", "task": "TASK",
            "metric": "accuracy", "score": 0.75, "majority": 0.5, "train_examples": 8,
            "candidates": [{ "curve": curve }], "seconds": 1.5, "version": "1.0", "ledger": ledger,
            "recipe": { "encoder": { "weights_sha256": "ab" } }, "data_sha256": "cd",
        });
        let cell = json!({
            "seed": "SEED", "target": "TARGET", "source": "SOURCE", "metric": "accuracy",
            "fine_tuning": {
                "score": 0.75, "majority": 0.5, "train_examples": 8, "curve": curve,
                "seconds": 1.5, "ledger": ledger,
            },
            "provenance": {
                "version": "1.0", "encoder": { "weights_sha256": "ab" }, "target_sha256": "cd",
                "source_sha256": null,
            },
        });
        let unquoted = |value: Value| {
            value.to_string().replace("\"SEED\"", "SEED").replace("\"SOURCE\"", "SOURCE")
        };
        fs::write(root.join("run"), unquoted(run)).unwrap();
        fs::write(root.join("cell"), unquoted(cell)).unwrap();
        for file in ["a/train.tsv", "a/dev.tsv", "c/train.csv", "c/dev.csv"] {
            place.write(&format!("data/{file}"));
        }
        place.write("data/other/x.train.tsv.gz");
        place.write("data/other/x.val.tsv.gz");
        place.install(FAKE);
        place
    }

    fn write(&self, file: &str) {
        let path = self.context.root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    /// By a process of its own: see the samples' tests.
    fn install(&self, script: &str) {
        let write = ["-c", "cat > tupate && chmod +x tupate"];
        self.context.command("sh", write).quiet().stdin(script).run().unwrap();
    }

    fn results(&self) -> PathBuf {
        self.context.root.join("results")
    }

    /// An experiment that says this.
    fn with(&self, plan: &str, work: impl FnOnce(&Experiment<'_>) -> Result<()>) -> Result<()> {
        let path = self.context.root.join("experiment.toml");
        fs::write(&path, plan).unwrap();
        let plan = Plan::read(&path)?;
        let folder = self.context.root.join("work");
        work(&Experiment {
            context: &self.context,
            plan: &plan,
            program: self.context.root.join("tupate"),
            links: folder.join("data"),
            results: self.results(),
            work: folder,
            terms: Terms { until: None, go_on: true },
        })
    }

    /// All of an experiment that says this, but for its layers.
    fn run(&self, plan: &str) -> Result<()> {
        self.with(plan, |experiment| {
            experiment.link(&self.context.root.join("data"))?;
            for seed in experiment.plan.seeds() {
                if experiment.plan.tuning.has(seed) {
                    experiment.tune(seed)?;
                }
                for (_, truth, tasks) in experiment.sweeps(seed) {
                    experiment.transfer(truth, seed, &tasks)?;
                }
            }
            experiment.baselines().map(drop)
        })
    }

    /// Writes embeddings as the real program packs them: of two layers one behind the other,
    /// and their means. Of each task, all values are a multiple of the others'.
    fn write_embeddings(&self, seeds: &[u64]) {
        let bytes =
            |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
        let keys = || {
            ["lora", "bitfit"].iter().flat_map(|m| ["early", "late"].map(|c| format!("{m}.{c}")))
        };
        let write = |path: PathBuf, end: &str, rows: usize, values: &[f32], initial: &[f32]| {
            let (values, start) = (bytes(values), bytes(initial));
            let width = initial.len();
            let tensors = keys().flat_map(|key| {
                let tensor = |shape, data| TensorView::new(Dtype::F32, shape, data).unwrap();
                [
                    (format!("embeddings/{key}{end}"), tensor(vec![rows, width], &values)),
                    (format!("initial/{key}{end}"), tensor(vec![width], &start)),
                ]
            });
            let sets = keys().map(|key| {
                let name = key.split('.').next();
                let method = json!({ "name": name, "rank": 1, "targets": ["query"] });
                json!({ "key": format!("{key}{end}"), "recipe": { "method": method } })
            });
            let manifest = json!({ "embeddings": sets.collect::<Vec<_>>() }).to_string();
            let texts = Some([("tupate_zoo".to_owned(), manifest)].into());
            fs::write(path, safetensors::serialize(tensors, texts).unwrap()).unwrap();
        };
        let layers: [&[f32]; 3] =
            [&[1.0, 0.0, 3.0, 2.0], &[2.0, 2.0, 0.0, 0.0], &[0.0, 1.0, 1.0, 1.0]];
        let flat = self.context.root.join("flat");
        write(flat, ".flatten", 3, &layers.concat(), &[0.0, 0.0, 1.0, 0.0]);
        for (task, row) in ["a", "b", "c"].iter().zip(layers) {
            let mean = [(row[0] + row[2]) / 2.0, (row[1] + row[3]) / 2.0];
            for seed in seeds {
                let path = plan::embeddings(&self.results(), *seed);
                write(path.join(format!("{task}.safetensors")), "", 1, &mean, &[0.5, 0.0]);
            }
        }
    }

    /// A report on what was run.
    fn report<'a>(&'a self, plan: &'a Plan) -> report::Report<'a> {
        report::Report {
            context: &self.context,
            plan,
            program: self.context.root.join("tupate"),
            results: self.results(),
            zoo: self.context.root.join("three.safetensors"),
            work: self.context.root.join("work"),
        }
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.context.root.join("calls")).unwrap_or_default();
        calls.lines().map(ToOwned::to_owned).collect()
    }

    fn lines(&self, file: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.results().join(file)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn everything_is_done_once_and_kept_small() {
    let place = Place::new();
    place.run(PLAN).unwrap();
    let tuned = place.lines("tuning.jsonl");
    assert_eq!(tuned.len(), 6);
    assert_eq!(
        (&tuned[0]["method"], &tuned[0]["task"], &tuned[0]["ledger"]["least_moved"]),
        (&json!("bitfit"), &json!("a"), &json!(0.25))
    );
    let options = "tune c --method lora --lr 2e-3 --encoder minilm --epochs 2 \
                   --seed 0 --init-seed 7 --batch-size 8";
    assert!(tuned.iter().any(|line| line["options"] == options), "{tuned:?}");
    assert!(place.results().join("embeddings/0/b.safetensors").is_file());
    let baselines = place.lines("baselines.jsonl");
    assert_eq!(baselines.len(), 2);
    let sized = "baseline datasize --seed 0";
    assert_eq!(
        (&baselines[0]["options"], &baselines[0]["version"]),
        (&json!(sized), &json!("tupate 1.0"))
    );
    let scores = json!({ "a": { "b": 1.0, "c": 0.5 }, "b": { "a": 2.0, "c": 1.0 }, "c": { "a": 0.0, "b": -1e-3 } });
    assert_eq!(baselines[1]["scores"], scores);
    // Of one seed three targets alone and six transfers, of the other one two and four.
    let cells = place.lines("limited-limited.jsonl");
    let keys: BTreeSet<String> = cells
        .iter()
        .map(|cell| format!("{} {} {}", cell["seed"], cell["target"], cell["source"]))
        .collect();
    assert_eq!((cells.len(), keys.len()), (15, 15));

    let calls = place.calls().len();
    place.run(PLAN).unwrap();
    assert_eq!(place.calls().len(), calls, "nothing twice");
    // On another machine there are the results alone.
    fs::remove_dir_all(place.context.root.join("work")).unwrap();
    place.run(PLAN).unwrap();
    assert_eq!(place.calls().len(), calls, "nothing again elsewhere");
}

#[test]
fn layers_come_from_runs_that_are_tuned_again_where_they_are_not() {
    let place = Place::new();
    place.run(PLAN).unwrap();
    place.write_embeddings(&[0]);
    let layers = || place.with(PLAN, |experiment| experiment.layers().map(drop));
    layers().unwrap();
    let found = layers::Layers::read(&place.results()).unwrap().unwrap();
    assert_eq!(found.tasks, ["a", "b", "c"]);
    let keys: Vec<&str> = found.sets.iter().map(|set| set.key.as_str()).collect();
    assert_eq!(keys, ["lora.early", "lora.late", "bitfit.early", "bitfit.late"]);
    let products = [
        [1.0, 2.0, 8.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        [13.0, 0.0, 0.0, 5.0, 0.0, 2.0, 3.0, 0.0, 1.0, 1.0],
    ];
    assert_eq!(found.sets[3].products, products);
    // Of rank one, an update is one value a layer: 0, 4, 0 and 6, 0, 1.
    let updates = [
        [0.0, 0.0, 16.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [36.0, 0.0, 0.0, 6.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
    ];
    assert_eq!(found.sets[1].updates, updates);
    assert!(found.sets[3].updates.is_empty(), "BitFit has none");
    let calls = place.calls().len();
    layers().unwrap();
    assert_eq!(place.calls().len(), calls, "nothing twice");

    // A further seed counts once it is whole.
    let more = PLAN.replacen("seeds = [0]", "seeds = [0, 2]", 1);
    let seeds = || layers::Layers::read(&place.results()).unwrap().unwrap().seeds;
    place.run(&more).unwrap();
    let both = || place.with(&more, |experiment| experiment.layers().map(drop)).unwrap();
    fs::remove_file(plan::embeddings(&place.results(), 2).join("c.safetensors")).unwrap();
    both();
    assert_eq!(seeds(), [0]);
    place.write_embeddings(&[2]);
    both();
    let found = layers::Layers::read(&place.results()).unwrap().unwrap();
    // Seven rows: three tasks with two seeds, and the initial parameters.
    assert_eq!((found.seeds, found.sets[3].products[0].len()), (vec![0, 2], 28));
    let calls = place.calls().len();

    // Elsewhere the runs are not there; what was kept of them stays.
    let kept = || fs::read(place.results().join("embeddings/0/b.safetensors")).unwrap();
    let before = (place.lines("tuning.jsonl"), kept());
    fs::remove_dir_all(place.context.root.join("work/runs")).unwrap();
    let file = place.results().join(layers::FILE);
    fs::remove_file(&file).unwrap();
    layers().unwrap();
    let tuned = place.calls()[calls..].iter().filter(|call| call.starts_with("tune ")).count();
    assert_eq!((tuned, file.is_file()), (6, true));
    assert_eq!((place.lines("tuning.jsonl"), kept()), before);

    // Other parameters than those that were kept.
    fs::remove_file(&file).unwrap();
    let other = place.results().join("embeddings/0/a.safetensors");
    fs::copy(place.results().join("embeddings/0/c.safetensors"), other).unwrap();
    let error = layers().unwrap_err().to_string();
    assert!(
        error.contains("lora.early of a, seed 0, is another one") && !file.is_file(),
        "{error}"
    );
}

#[test]
fn files_get_the_names_that_they_are_found_by() {
    let place = Place::new();
    place.run(PLAN).unwrap();
    for file in ["a/train.tsv", "b/train.tsv.gz", "b/dev.tsv.gz", "c/dev.csv"] {
        assert!(place.context.root.join("work/data").join(file).is_file(), "{file}");
    }
    let error = place.run(&PLAN.replace("x.val", "y.val")).unwrap_err();
    assert!(format!("{error:#}").contains("y.val.tsv.gz"), "{error:#}");
}

#[test]
fn a_failure_holds_up_nothing_but_itself() {
    let place = Place::new();
    place.install(&FAKE.replace("FAILS", "b:*"));
    let error = format!("{:#}", place.run(PLAN).unwrap_err());
    assert!(error.contains("2 of the jobs failed") && error.contains("b by lora"), "{error}");
    assert_eq!(place.lines("tuning.jsonl").len(), 4);
    place.install(FAKE);
    place.run(PLAN).unwrap();
    assert_eq!(place.lines("tuning.jsonl").len(), 6);
    let again = place.calls().iter().filter(|call| call.starts_with("tune a ")).count();
    assert_eq!(again, 2, "what was done stays done");
}

#[test]
fn a_pending_task_is_run_and_reported_later() {
    let place = Place::new();
    place.write("data/d/train.tsv");
    let pending = format!("{PLAN}\n[[task]]\nid = \"d\"\nlicence = \"MIT\"\npending = true\n");
    place.run(&pending).unwrap();
    assert_eq!(place.lines("tuning.jsonl").len(), 8);
    // From three tasks and alone, to four with one seed and to two with the other.
    assert_eq!(place.lines("limited-limited.jsonl").len(), 24);
    let calls = place.calls();
    // It is not waited for by those that are reported. Of one sweep, calls come in any order.
    let transfers: Vec<_> = calls.iter().filter(|call| call.starts_with("transfer")).collect();
    let with_it = |call: &&String| call.contains("--sources d ") || call.contains("--targets d ");
    assert_eq!(transfers.iter().position(with_it), Some(3), "{calls:#?}");
    assert!(
        calls
            .iter()
            .any(|call| call.contains("baseline textemb --seed 0 --max-train 8 --tasks a,b,c "))
    );
    let layers = |plan| {
        place.write_embeddings(&[0]);
        place.with(plan, |experiment| experiment.layers().map(drop)).unwrap();
        layers::Layers::read(&place.results()).unwrap().unwrap().tasks
    };
    assert_eq!(layers(&pending), ["a", "b", "c"]);
    let plan = Plan::read(&place.context.root.join("experiment.toml")).unwrap();
    let whole = |plan: &Plan| {
        let measured = report::whole(&place.report(plan)).unwrap().swap_remove(0).matrix;
        (measured["seeds"].clone(), measured["targets"].clone(), measured["sources"].clone())
    };
    let three = json!(["a", "b", "c"]);
    assert_eq!(whole(&plan.without_pending()), (json!([0, 1]), three.clone(), three));
    // The flag taken away, it is one like all.
    let all = pending.replace("pending = true", "");
    place.run(&all).unwrap();
    assert!(place.calls().iter().any(|call| call.contains("--tasks a,b,c,d ")));
    let plan = Plan::read(&place.context.root.join("experiment.toml")).unwrap();
    let four = json!(["a", "b", "c", "d"]);
    assert_eq!(whole(&plan), (json!([0, 1]), four.clone(), four));
}

#[test]
fn a_run_that_lies_there_half_done_goes_on() {
    let place = Place::new();
    let half = place.context.root.join("work/runs/0/lora.a/resume");
    fs::create_dir_all(half).unwrap();
    place.run(PLAN).unwrap();
    let resumed: Vec<_> = place
        .calls()
        .into_iter()
        .filter(|call| call.contains("tune") && call.contains("--resume"))
        .collect();
    assert!(resumed.len() == 1 && resumed[0].starts_with("tune a --method lora"), "{resumed:?}");
}

#[test]
fn scores_of_a_published_file_have_eight_digits() {
    let row = BTreeMap::from([
        ("a".to_owned(), 0.123_456_789_012),
        ("b".to_owned(), -12_345.0),
        ("c".to_owned(), 1.234_567_89e-9),
    ]);
    let found = table::rounded(&BTreeMap::from([("t".to_owned(), row)]));
    let values: Vec<f64> = found["t"].values().copied().collect();
    assert_eq!(values, [0.123_456_79, -12_345.0, 1.234_567_9e-9]);
}
