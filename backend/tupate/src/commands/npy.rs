//! Folders of NumPy vectors.

use crate::cli::NpyArgs;
use crate::failure::Failure;
use tupate_tasks::{Metric, TaskClass};
use tupate_zoo::npy::Array;
use tupate_zoo::{TaskEntry, Zoo, import};

/// Largest file that is read.
const MAX_BYTES: u64 = 512 << 20;

/// A folder as a zoo.
pub struct Folder {
    /// The zoo.
    pub zoo: Zoo,
    /// Tasks about which nothing is known.
    pub strangers: Vec<String>,
}

/// Reads every `NAME.npy` of a folder.
pub fn read(args: &NpyArgs, name: &str, source: &str, encoder: &str) -> Result<Folder, Failure> {
    let folder = &args.folder;
    let unreadable =
        |e: std::io::Error| Failure::Input(format!("cannot read {}: {e}", folder.display()));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "npy") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(Failure::Input(format!(
            "{} has no .npy files; one NAME.npy a task is wanted",
            folder.display()
        )));
    }
    paths.sort();
    let (mut arrays, mut strangers) = (Vec::with_capacity(paths.len()), Vec::new());
    for path in paths {
        let bad = |what: String| Failure::Input(format!("{}: {what}", path.display()));
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let id = stem.ok_or_else(|| bad("the file's name is not UTF-8".into()))?;
        let size = std::fs::metadata(&path).map_err(|e| bad(e.to_string()))?.len();
        if size > MAX_BYTES {
            return Err(bad(format!("has {size} bytes; up to {MAX_BYTES} are read")));
        }
        let bytes = std::fs::read(&path).map_err(|e| bad(e.to_string()))?;
        let array = Array::parse(&bytes).map_err(|e| bad(e.to_string()))?;
        let entry = entry(id);
        if tupate_tasks::task(id).is_none() {
            strangers.push(id.to_owned());
        }
        arrays.push((entry, array));
    }
    let reduce = args.reduce.map(|reduce| reduce.reduce());
    let zoo = import(name, source, encoder, arrays, reduce)
        .map_err(|e| Failure::from(e).while_doing(folder.display()))?;
    Ok(Folder { zoo, strangers })
}

/// What is known of a task by its name alone. The format wants a class and a
/// metric: of a stranger's task they are the most common ones, and the family
/// says that nothing is known.
fn entry(id: &str) -> TaskEntry {
    let known = tupate_tasks::task(id);
    TaskEntry {
        id: id.to_owned(),
        name: known.map_or(id, |t| t.name).to_owned(),
        class: known.map_or(TaskClass::ClassificationRegression, |t| t.class),
        family: known.map_or("unknown", |t| t.family).to_owned(),
        train_examples: 0,
        tunings: 1,
        metric: known.map_or(Metric::Accuracy, |t| t.metric),
        score: None,
        majority: None,
        licence: None,
        link: None,
    }
}
