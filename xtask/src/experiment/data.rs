//! The tasks' data as `tupate --data` wants it: a folder a task, with links to its files.
//! Two kinds of file become others on the way: one that holds both parts, and questions
//! about far more text than an answer needs.

use super::plan::Task;
use anyhow::{Context as _, Result, bail, ensure};
use flate2::read::GzDecoder;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// Of a file that holds both parts, one text in so many is for validation.
const HELD_OUT: usize = 5;

/// Makes the folder of a task from the files of `data`.
pub fn prepare(task: &Task, data: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let own = |file: &str| data.join(task.folder.as_deref().unwrap_or("")).join(file);
    if let Some(file) = &task.split {
        let (train, dev) = split(read(&own(file))?).with_context(|| file.clone())?;
        write(&folder.join("train.json"), train)?;
        return write(&folder.join("dev.json"), dev);
    }
    for (name, file) in files_of(task, data)? {
        match task.supporting {
            true => {
                let name = name.trim_end_matches(".gz");
                let kept = supporting(read(&file)?);
                write(&folder.join(name), kept.with_context(|| format!("{}", file.display()))?)?;
            }
            false => symlink(file, folder.join(name))?,
        }
    }
    Ok(())
}

/// A task's files by the names that they are to have.
fn files_of(task: &Task, data: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let (Some(train), Some(dev)) = (&task.train, &task.dev) else {
        let folder = data.join(task.folder.as_ref().unwrap_or(&task.id));
        let entries = fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))?;
        return entries
            .map(|entry| {
                let entry = entry?;
                Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
            })
            .collect();
    };
    let mut files = BTreeMap::new();
    for (split, file) in [("train", train), ("dev", dev)] {
        let path = data.join(task.folder.as_deref().unwrap_or("")).join(file);
        fs::metadata(&path).with_context(|| format!("{}", path.display()))?;
        files.insert(format!("{split}{}", format_of(file)), path);
    }
    Ok(files)
}

/// The end of a file's name that says its format: `.tsv.gz`.
fn format_of(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let (name, gz) = name.strip_suffix(".gz").map_or((name, ""), |name| (name, ".gz"));
    let format = name.rsplit_once('.').map_or("", |(_, format)| format);
    format!(".{format}{gz}")
}

/// A JSON file, gzip or not.
fn read(path: &Path) -> Result<Value> {
    let reading = || format!("cannot read {}", path.display());
    let bytes = fs::read(path).with_context(reading)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return serde_json::from_slice(&bytes).with_context(reading);
    }
    let mut text = String::new();
    GzDecoder::new(&bytes[..]).read_to_string(&mut text).with_context(reading)?;
    serde_json::from_str(&text).with_context(reading)
}

/// Writes a value with its keys in order, whatever order they were read in: results name the
/// sha256 of the files that they are of.
fn write(path: &Path, value: Value) -> Result<()> {
    fs::write(path, sorted(value).to_string())
        .with_context(|| format!("cannot write {}", path.display()))
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            Value::Object(fields.into_iter().collect())
        }
        plain => plain,
    }
}

/// Questions by their texts in two parts, so that no text is in both: SQuAD's articles in the
/// file's order, or DROP's passages in the order of their names.
fn split(whole: Value) -> Result<(Value, Value)> {
    let Value::Object(fields) = whole else { bail!("it is no object of articles or passages") };
    let held = |i: usize| i % HELD_OUT == HELD_OUT - 1;
    let (train, dev) = match fields.get("data") {
        Some(Value::Array(articles)) => {
            ensure!(articles.len() >= HELD_OUT, "it has fewer than {HELD_OUT} articles");
            let part = |dev: bool| -> Value {
                let all = articles.iter().enumerate();
                let part = all.filter(|(i, _)| held(*i) == dev).map(|(_, one)| one.clone());
                Map::from_iter([("data".to_owned(), Value::Array(part.collect()))]).into()
            };
            (part(false), part(true))
        }
        _ => {
            let passages: BTreeMap<String, Value> = fields.into_iter().collect();
            ensure!(passages.len() >= HELD_OUT, "it has fewer than {HELD_OUT} passages");
            let (mut train, mut dev) = (Map::new(), Map::new());
            for (i, (name, passage)) in passages.into_iter().enumerate() {
                if held(i) { &mut dev } else { &mut train }.insert(name, passage);
            }
            (train.into(), dev.into())
        }
    };
    Ok((train, dev))
}

/// HotpotQA's questions with those paragraphs alone that support their answers.
fn supporting(questions: Value) -> Result<Value> {
    let Value::Array(mut questions) = questions else { bail!("it is no list of questions") };
    for (i, question) in questions.iter_mut().enumerate() {
        let titles = |pair: &Value| pair[0].as_str().map(str::to_owned);
        let facts = question["supporting_facts"].as_array().into_iter().flatten();
        let wanted: BTreeSet<String> = facts.filter_map(titles).collect();
        let context = question["context"].as_array_mut();
        let context = context.with_context(|| format!("question {} has no context", i + 1))?;
        context.retain(|pair| titles(pair).is_some_and(|title| wanted.contains(&title)));
        ensure!(!context.is_empty(), "question {} has no supporting paragraph", i + 1);
    }
    Ok(Value::Array(questions))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use serde_json::json;
    use std::io::Write as _;

    fn task(extra: &str) -> Task {
        toml::from_str(&format!("id = \"t\"\nlicence = \"MIT\"\n{extra}")).unwrap()
    }

    struct Place(tempfile::TempDir);

    impl Place {
        fn with(file: &str, content: &Value) -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            let path = place.0.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut gz = GzEncoder::new(fs::File::create(path).unwrap(), Compression::fast());
            gz.write_all(content.to_string().as_bytes()).unwrap();
            gz.finish().unwrap();
            place
        }

        fn prepare(&self, extra: &str) -> Result<()> {
            prepare(&task(extra), self.0.path(), &self.0.path().join("made"))
        }

        fn made(&self, file: &str) -> Value {
            read(&self.0.path().join("made").join(file)).unwrap()
        }
    }

    #[test]
    fn the_end_of_a_name_says_the_format() {
        assert_eq!(format_of("x/a.train.tsv.gz"), ".tsv.gz");
        assert_eq!(format_of("b.json"), ".json");
    }

    #[test]
    fn articles_and_passages_are_for_one_part_each() {
        let article = |i: usize| json!({ "title": format!("{i}"), "paragraphs": [] });
        let articles: Vec<Value> = (0..11).map(article).collect();
        let place = Place::with("s/all.json.gz", &json!({ "version": "2", "data": articles }));
        place.prepare("split = \"s/all.json.gz\"").unwrap();
        let titles = |file| -> Vec<String> {
            let made = place.made(file);
            let all = made["data"].as_array().unwrap().iter();
            all.map(|one| one["title"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(titles("dev.json"), ["4", "9"]);
        assert_eq!(titles("train.json"), ["0", "1", "2", "3", "5", "6", "7", "8", "10"]);

        let passages: Map<String, Value> =
            (0..6).map(|i| (format!("p{}", 9 - i), json!({ "passage": i }))).collect();
        let place = Place::with("d/all.json.gz", &passages.into());
        place.prepare("folder = \"d\"\nsplit = \"all.json.gz\"").unwrap();
        assert_eq!(place.made("dev.json"), json!({ "p8": { "passage": 1 } }));
        assert_eq!(place.made("train.json").as_object().unwrap().len(), 5);
        let few = json!({ "p1": {}, "p2": {} });
        let error = format!("{:#}", split(few).unwrap_err());
        assert_eq!(error, "it has fewer than 5 passages");
    }

    #[test]
    fn what_supports_no_answer_is_left_out() {
        let question = json!({
            "question": "q", "answer": "a", "supporting_facts": [["B", 0], ["C", 1]],
            "context": [["A", ["x"]], ["B", ["y"]], ["C", ["z"]]],
        });
        let place = Place::with("t/dev.json.gz", &json!([question]));
        place.prepare("supporting = true").unwrap();
        let made = place.made("dev.json");
        assert_eq!(made[0]["context"], json!([["B", ["y"]], ["C", ["z"]]]));
        let path = place.0.path().join("made/dev.json");
        let text = fs::read_to_string(path).unwrap();
        assert!(text.starts_with("[{\"answer\":\"a\",\"context\":"), "in order: {text}");
        let error = format!("{:#}", supporting(json!([{ "context": [] }])).unwrap_err());
        assert_eq!(error, "question 1 has no supporting paragraph");
    }
}
