//! A service that tunes nothing: its steps are naps, its embedding is a chain of
//! digests over the epochs, and a start goes on where the last one ended.

use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;
use tupate_api::{Data, Event, FieldProblem, NewRun, Progress, RunResult, TaskOffer};
use tupate_server::{Digest, Job, ServiceOffers, Signal, TuneError, TuneService, Watch};
use tupate_tasks::{Checkpoint, EncoderRef, MethodSpec, Metric, Recipe, TaskClass};
use tupate_zoo::{Dtype, NewEmbedding, TaskEntry, Zoo};

/// Tasks by what happens to them: `quick` and `slow` come to an end, `flaky` fails
/// at its second epoch unless it is resumed, `broken` panics.
pub const TASKS: [&str; 4] = ["quick", "slow", "flaky", "broken"];
const STEPS: u64 = 5;

pub struct Scripted;

/// Folders that are tuned in, or whose files are checked, at the moment.
static BUSY: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);

/// The chain after so many epochs.
fn chain(seed: u64, epochs: u64) -> Digest {
    let start = Digest::of(&seed.to_le_bytes());
    (0..epochs).fold(start, |digest, _| Digest::of(digest.as_str().as_bytes()))
}

/// What a run of these settings comes to, however often it is interrupted.
pub fn expected(seed: u64, epochs: u64) -> String {
    chain(seed, epochs).as_str().to_owned()
}

fn write(path: &Path, value: &Value) {
    let aside = path.with_extension("aside");
    std::fs::write(&aside, value.to_string()).unwrap();
    std::fs::rename(aside, path).unwrap();
}

fn read(path: &Path) -> Option<Value> {
    Some(serde_json::from_slice(&std::fs::read(path).ok()?).unwrap())
}

struct Busy(PathBuf);

impl Busy {
    fn begin(folder: PathBuf) -> Self {
        assert!(BUSY.lock().unwrap().insert(folder.clone()), "two at once in {folder:?}");
        Self(folder)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.lock().unwrap().remove(&self.0);
    }
}

impl TuneService for Scripted {
    fn offers(&self) -> ServiceOffers {
        let offer = |id: &str| TaskOffer { id: id.into(), name: id.to_uppercase() };
        ServiceOffers {
            tasks: TASKS.map(offer).into(),
            methods: vec!["lora".into()],
            encoders: vec!["tiny".into()],
        }
    }

    fn check(
        &self,
        spec: &NewRun,
        data: Option<&Path>,
        stop: &Signal,
    ) -> Result<(), Vec<FieldProblem>> {
        match (&spec.data, data) {
            (Data::Task(task), _) if !TASKS.contains(&task.as_str()) => {
                Err(vec![FieldProblem::new("data.task", "no such task")])
            }
            (Data::Upload(_), Some(file)) => {
                let _alone = Busy::begin(file.with_file_name(""));
                let content = std::fs::read_to_string(file).unwrap();
                if content.starts_with("text: long") {
                    let told = stop.wait(Duration::from_secs(40));
                    assert!(told, "nobody waits, and nobody says so");
                }
                std::thread::sleep(Duration::from_millis(2));
                match content.starts_with("text") {
                    true => Ok(()),
                    false => Err(vec![FieldProblem::new("data.upload", "line 1: no column text")]),
                }
            }
            _ => Ok(()),
        }
    }

    fn tune(&self, job: &Job, watch: &Watch) -> Result<RunResult, TuneError> {
        let out = job.workspace.out();
        std::fs::create_dir_all(&out).unwrap();
        let _busy = Busy::begin(out.clone());
        let (task, nap) = match &job.spec.data {
            Data::Task(task) => (task.as_str(), if task == "slow" { 20 } else { 1 }),
            Data::Upload(_) => ("upload", 1),
        };
        assert!(task != "broken", "as asked for");
        if let Some(zoo) = &job.ranking {
            Zoo::parse(&std::fs::read(zoo).unwrap()).unwrap();
        }
        let epochs = u64::from(job.spec.epochs.unwrap_or(3));
        let state = out.join("state.json");
        let kept = read(&state);
        let before = kept.as_ref().map_or(0, |state| state["epoch"].as_u64().unwrap());
        // The last epoch was told to be enough.
        let epochs = match kept.is_some_and(|state| state["enough"] == true) {
            true => before,
            false => epochs,
        };
        if before > 0 {
            watch.tell(Event::Note { text: format!("going on after epoch {before}") });
        }
        let mut last = epochs;
        for epoch in before + 1..=epochs {
            for step in 1..=STEPS {
                if watch.stop().wait(Duration::from_millis(nap)) {
                    return Err(TuneError::Stopped);
                }
                watch.tell(Event::Progress(Progress {
                    step: (epoch - 1) * STEPS + step,
                    steps: epochs * STEPS,
                    epoch,
                    loss: 1.0 / epoch as f64,
                    examples_per_second: Some(100.0),
                    memory_bytes: Some(1 << 20),
                    seconds_left: Some(1.0),
                }));
            }
            if task == "flaky" && epoch == 2 && before == 0 {
                return Err(TuneError::Failed("the loss is not a number".into()));
            }
            let enough = watch.finish().given();
            write(&state, &json!({ "epoch": epoch, "enough": enough }));
            let (loss, score) = (1.0 / epoch as f64, 0.5);
            watch.tell(Event::Epoch { epoch, learning_rate: 1e-3, loss, score });
            if enough {
                last = epoch;
                break;
            }
        }
        let digest = chain(job.spec.seed, last);
        let name = job.spec.name.clone().unwrap_or_else(|| task.to_owned());
        write(&out.join("done.json"), &json!({ "task": name, "digest": digest.as_str() }));
        Ok(RunResult {
            task: name,
            metric: "accuracy".into(),
            score: 0.5,
            majority: 0.4,
            seconds: 1.0,
            epochs: last,
            embedding_sha256: digest.as_str().to_owned(),
        })
    }

    fn pack(
        &self,
        name: &str,
        description: &str,
        runs: &[PathBuf],
        dtype: Dtype,
    ) -> Result<Vec<u8>, String> {
        let encoder = EncoderRef {
            name: "tiny".into(),
            weights_sha256: "0".repeat(64),
            layers: 2,
            hidden_size: 4,
        };
        let recipe = Recipe::paper(encoder, MethodSpec::BitFit, 0, Checkpoint::Late);
        let embeddings = runs.iter().map(|out| {
            let done = read(&out.join("done.json")).expect("a finished run");
            let text = |key: &str| done[key].as_str().unwrap().to_owned();
            // Not exact in F16.
            let values = text("digest").bytes().map(|b| f32::from(b) / 100.0).collect();
            let task = TaskEntry {
                id: text("task"),
                name: text("task"),
                class: TaskClass::ClassificationRegression,
                family: "scripted".into(),
                train_examples: 10,
                tunings: 1,
                metric: Metric::Accuracy,
                score: None,
                majority: None,
                licence: None,
                link: None,
            };
            NewEmbedding { task, recipe: recipe.clone(), values, initial: None }
        });
        let zoo = Zoo::pack(name, description, embeddings).map_err(|e| e.to_string())?;
        zoo.to_bytes(dtype).map_err(|e| e.to_string())
    }
}
