//! Parquet files, as the Hugging Face hub keeps data sets: rows as objects.

use super::Error;
use super::error::Spot;
use super::json::{Object, Ordered};
use super::text::unreadable;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Where the hub's library keeps the columns' types, in the file's metadata.
const FEATURES: &str = "huggingface";

/// What stands for bytes that are no text, as the name of an object's only field:
/// no reader takes it for a value, and messages say it.
pub(super) const BYTES: &str = "bytes that are not UTF-8";

/// The rows of a file. Numbers of classes become their names where the file
/// says them, and -1, which is the hub's "no label", becomes null.
pub(super) fn objects(file: &Path) -> Result<Vec<(Spot, Object)>, Error> {
    let opened = File::open(file).map_err(|source| unreadable(file, source))?;
    // The library takes some damage (levels that contradict the schema) for a
    // mistake of its caller and panics; it is only bad input. What it held is
    // dropped with it.
    let read = catch_unwind(AssertUnwindSafe(|| rows(file, opened)));
    read.unwrap_or_else(|_| {
        Err(Error::Parquet { file: file.into(), detail: "its values do not fit its schema".into() })
    })
}

fn rows(file: &Path, opened: File) -> Result<Vec<(Spot, Object)>, Error> {
    let broken = |detail: String| Error::Parquet { file: file.into(), detail };
    let reader = SerializedFileReader::new(opened).map_err(|error| broken(error.to_string()))?;
    let names = class_names(&reader);
    let rows = reader.get_row_iter(None).map_err(|error| broken(error.to_string()))?;
    let mut objects = Vec::new();
    for (i, row) in rows.enumerate() {
        let row = row.map_err(|error| broken(error.to_string()))?;
        let field = |(name, field): (&String, &Field)| {
            let value = value(field);
            let value = match names.get(name) {
                Some(names) => named(value, names),
                None => value,
            };
            (name.clone(), value)
        };
        let fields = row.get_column_iter().map(field).collect();
        objects.push((Spot::Row(i + 1), Ordered(fields)));
    }
    if objects.is_empty() {
        return Err(Error::NoExamples { file: file.into() });
    }
    Ok(objects)
}

/// A value as JSON. Some writers do not say of their texts that they are texts, and
/// the library would give their bytes in base64.
fn value(field: &Field) -> Value {
    match field {
        Field::Bytes(bytes) => match str::from_utf8(bytes.data()) {
            Ok(text) => Value::String(text.to_owned()),
            Err(_) => json!({ BYTES: null }),
        },
        Field::Group(row) => {
            Value::Object(row.get_column_iter().map(|(name, f)| (name.clone(), value(f))).collect())
        }
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        other => other.to_json_value(),
    }
}

/// By column: the classes' names.
fn class_names(reader: &impl FileReader) -> HashMap<String, Vec<String>> {
    let metadata = reader.metadata().file_metadata().key_value_metadata();
    let mut entries = metadata.into_iter().flatten();
    let features = entries
        .find(|entry| entry.key == FEATURES)
        .and_then(|entry| serde_json::from_str::<Value>(entry.value.as_deref()?).ok());
    let features = features.as_ref().and_then(|value| value.pointer("/info/features")?.as_object());
    let of = |feature: &Value| {
        // A list's classes are those of its elements.
        let places = ["/names", "/feature/names"];
        let names = places.iter().find_map(|place| feature.pointer(place)?.as_array())?;
        names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    };
    let features = features.into_iter().flatten();
    features.filter_map(|(column, feature)| Some((column.clone(), of(feature)?))).collect()
}

fn named(value: Value, names: &[String]) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(|value| named(value, names)).collect(),
        Value::Number(number) if number.as_i64() == Some(-1) => Value::Null,
        Value::Number(number) => {
            let name = number.as_u64().and_then(|class| names.get(usize::try_from(class).ok()?));
            // A number without a name is an unknown label, and said to be one.
            name.map_or(Value::Number(number), |name| Value::String(name.clone()))
        }
        other => other,
    }
}
