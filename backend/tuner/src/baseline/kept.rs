//! What is finished, kept on disk task by task.

use crate::Error;
use crate::encoder::sha256_hex;
use crate::files::{failed, write, write_json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Version of the records. Those of another one are not used.
const SCHEMA: u32 = 1;

/// The tasks that one step of a baseline has finished, in a folder of their own.
pub struct Kept {
    folder: PathBuf,
    /// The ending of the file beside each record.
    ending: &'static str,
    settings: Value,
}

/// `NAME.json`.
#[derive(Serialize, Deserialize)]
struct Record {
    schema: u32,
    settings: Value,
    data_sha256: String,
    /// Of the file beside this one, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_sha256: Option<String>,
    result: Value,
}

impl Kept {
    /// The folder for `step` in `work`. Nothing is written yet.
    ///
    /// # Errors
    /// When it is a file, or holds a result of other settings; the error names what differs.
    pub fn open(
        work: &Path,
        step: &str,
        ending: &'static str,
        settings: Value,
    ) -> Result<Self, Error> {
        let kept = Self { folder: work.join(step), ending, settings };
        let entries = match std::fs::read_dir(&kept.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(kept),
            Err(e) if e.kind() == ErrorKind::NotADirectory => {
                return Err(Error::Out(format!(
                    "there is a file where the folder {} should be; choose another --work",
                    kept.folder.display()
                )));
            }
            Err(e) => return Err(failed("read", &kept.folder)(e)),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.map_err(failed("read", &kept.folder))?.path());
        }
        names.sort();
        for path in names.iter().filter(|path| path.extension().is_some_and(|e| e == "json")) {
            if let Some(record) = read(path)? {
                kept.same_settings(path, &record.settings)?;
            }
        }
        Ok(kept)
    }

    fn same_settings(&self, path: &Path, there: &Value) -> Result<(), Error> {
        let (there, wanted) = (flat(there), flat(&self.settings));
        let none = "not given".to_owned();
        let mut differences = Vec::new();
        for name in there.keys().chain(wanted.keys().filter(|name| !there.contains_key(*name))) {
            let [there, wanted] = [&there, &wanted].map(|all| all.get(name).unwrap_or(&none));
            if there != wanted {
                let flag = name.replace('_', "-");
                differences.push(format!("{flag} is {there} there and {wanted} here"));
            }
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::Resume(format!(
            "{} was made with other settings: {}; ask for the same or choose another --work",
            path.display(),
            differences.join(", ")
        )))
    }

    fn path(&self, task: &str, ending: &str) -> PathBuf {
        self.folder.join(format!("{task}.{ending}"))
    }

    /// Where the file beside a task's record is.
    pub fn file(&self, task: &str) -> PathBuf {
        self.path(task, self.ending)
    }

    /// What is kept of a task, if it is finished.
    ///
    /// # Errors
    /// When it was made from other data, or is damaged.
    pub fn result<T: DeserializeOwned>(
        &self,
        task: &str,
        data_sha256: &str,
    ) -> Result<Option<T>, Error> {
        let path = self.path(task, "json");
        let Some(record) = read(&path)? else { return Ok(None) };
        if record.data_sha256 != data_sha256 {
            return Err(Error::Resume(format!(
                "{} was made from other data than {task} has now; remove it or choose another \
                 --work",
                path.display()
            )));
        }
        let result = serde_json::from_value(record.result);
        result.map(Some).map_err(|e| Error::Record { path, what: damaged(&e) })
    }

    /// The bytes of the file beside the record of a finished task.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn bytes(&self, task: &str) -> Result<Vec<u8>, Error> {
        let (record, path) = (self.path(task, "json"), self.file(task));
        let bytes = std::fs::read(&path).map_err(failed("read", &path))?;
        let wanted = read(&record)?.and_then(|record| record.file_sha256);
        if wanted.as_deref() != Some(sha256_hex(&bytes).as_str()) {
            let what = damaged(&format!("not the file that {} means", record.display()));
            return Err(Error::Record { path, what });
        }
        Ok(bytes)
    }

    /// Keeps a task: the file, if there is one, then the record.
    ///
    /// # Errors
    /// When the disk is full, and so on.
    pub fn keep(
        &self,
        task: &str,
        data_sha256: &str,
        result: &impl Serialize,
        file: Option<&[u8]>,
    ) -> Result<(), Error> {
        let path = self.path(task, "json");
        let bad = |e: serde_json::Error| Error::Record { path: path.clone(), what: e.to_string() };
        std::fs::create_dir_all(&self.folder).map_err(failed("make the folder", &self.folder))?;
        if let Some(bytes) = file {
            write(&self.file(task), bytes)?;
        }
        let record = Record {
            schema: SCHEMA,
            settings: self.settings.clone(),
            data_sha256: data_sha256.to_owned(),
            file_sha256: file.map(sha256_hex),
            result: serde_json::to_value(result).map_err(bad)?,
        };
        write_json(&path, &record)
    }
}

fn damaged(why: &impl std::fmt::Display) -> String {
    format!("damaged ({why}); remove it, and it is made anew")
}

fn read(path: &Path) -> Result<Option<Record>, Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed("read", path)(e)),
    };
    let bad = |what: String| Error::Record { path: path.to_owned(), what };
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| bad(damaged(&e)))?;
    if value["schema"] != SCHEMA {
        let schema = &value["schema"];
        let another =
            format!("written by another version (schema {schema}, this one has {SCHEMA})");
        return Err(bad(format!("{another}; choose another --work")));
    }
    serde_json::from_value(value).map(Some).map_err(|e| bad(damaged(&e)))
}

/// Every value of an object, by its name; those of objects in it, too.
fn flat(value: &Value) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(_) => all.extend(flat(value)),
            Value::Null => {}
            Value::String(text) => drop(all.insert(name.clone(), text.clone())),
            value => drop(all.insert(name.clone(), value.to_string())),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn open(work: &Path, settings: Value) -> Result<Kept, Error> {
        Kept::open(work, "step", "bin", settings)
    }

    #[test]
    fn what_is_kept_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let kept = open(dir.path(), json!({"seed": 0})).unwrap();
        assert_eq!(kept.result::<u32>("a", "sha").unwrap(), None);
        assert!(!dir.path().join("step").exists(), "looking writes nothing");
        kept.keep("a", "sha", &7, Some(b"value")).unwrap();
        let kept = open(dir.path(), json!({"seed": 0})).unwrap();
        assert_eq!(kept.result::<u32>("a", "sha").unwrap(), Some(7));
        assert_eq!(kept.bytes("a").unwrap(), b"value");
        let error = kept.result::<u32>("a", "other").unwrap_err().to_string();
        assert!(error.contains("a.json was made from other data than a has now"), "{error}");
    }

    #[test]
    fn other_settings_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let settings =
            |seed: u32, more: Value| json!({"encoder": "e", "own": {"seed": seed, "lr": more}});
        open(dir.path(), settings(0, Value::Null)).unwrap().keep("a", "", &0, None).unwrap();
        let error = open(dir.path(), settings(1, json!(0.5))).err().unwrap();
        assert!(matches!(error, Error::Resume(_)));
        let error = error.to_string();
        assert!(error.contains("lr is not given there and 0.5 here"), "{error}");
        assert!(error.contains("seed is 0 there and 1 here"), "{error}");
        assert!(!error.contains("encoder"), "{error}");
    }

    #[test]
    fn damage_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let kept = open(dir.path(), json!({})).unwrap();
        kept.keep("a", "", &0, Some(b"value")).unwrap();
        std::fs::write(kept.file("a"), b"valux").unwrap();
        let error = kept.bytes("a").unwrap_err().to_string();
        assert!(error.contains("a.bin") && error.contains("remove it"), "{error}");
        let json = dir.path().join("step/a.json");
        for (text, part) in [("{", "damaged"), (r#"{"schema": 9}"#, "schema 9, this one has 1")] {
            std::fs::write(&json, text).unwrap();
            let error = open(dir.path(), json!({})).err().unwrap().to_string();
            assert!(error.contains("a.json") && error.contains(part), "{error}");
        }
    }
}
