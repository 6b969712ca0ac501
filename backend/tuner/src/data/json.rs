//! JSON with its places: objects whose fields keep their order, lines of
//! objects, and what kind of document a text is.

use super::Error;
use super::error::Spot;
use super::text::lines;
use serde::de::value::MapAccessDeserializer;
use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};
use serde_json::Value;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

/// A JSON object with its fields in their order.
pub(super) struct Ordered<T>(pub(super) Vec<(String, T)>);

/// An object of any fields.
pub(super) type Object = Ordered<Value>;

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object such as {\"text\": …, \"label\": …}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Ordered(fields))
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// The message without the position that `serde_json` ends it with.
fn detail(error: &serde_json::Error) -> String {
    let detail = error.to_string();
    detail.split(" at line ").next().unwrap_or(&detail).to_owned()
}

/// One JSON value on each line that is not blank.
pub(super) fn json_lines<T: DeserializeOwned>(
    file: &Path,
    text: &str,
) -> Result<Vec<(usize, T)>, Error> {
    let filled = lines(text).filter(|(_, content)| !content.trim().is_empty());
    let parsed = filled.map(|(line, content)| match serde_json::from_str(content) {
        Ok(value) => Ok((line, value)),
        // The position in the message is one inside this line; the file's own
        // line is in ours.
        Err(error) => {
            let (column, detail) = (error.column().max(1), detail(&error));
            Err(Error::Json { file: file.into(), line, column, detail })
        }
    });
    parsed.collect()
}

/// Whether a text is JSON lines and no document, although both begin with a
/// brace: the first line is whole by itself, and more follows.
pub(super) fn is_lines(text: &str) -> bool {
    let mut filled = lines(text).map(|(_, line)| line).filter(|line| !line.trim().is_empty());
    let first = filled.next().unwrap_or("");
    first.trim_start().starts_with('{')
        && filled.next().is_some()
        && serde_json::from_str::<IgnoredAny>(first).is_ok()
}

/// One object on each line.
pub(super) fn lines_of_objects(file: &Path, text: &str) -> Result<Vec<(Spot, Object)>, Error> {
    let rows = json_lines(file, text)?;
    Ok(rows.into_iter().map(|(line, object)| (Spot::Line(line), object)).collect())
}

/// The objects of a document that is a list of them.
pub(super) fn items(file: &Path, text: &str) -> Result<Vec<(Spot, Object)>, Error> {
    let form = "a list of objects, or one object a line (.jsonl)";
    let items: Vec<Object> = document(file, text, form)?;
    Ok(items.into_iter().enumerate().map(|(i, item)| (Spot::Item(i + 1), item)).collect())
}

/// The whole text as one document of the form called `form`.
pub(super) fn document<T: DeserializeOwned>(
    file: &Path,
    text: &str,
    form: &str,
) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| malformed(file, &error, form))
}

fn malformed(file: &Path, error: &serde_json::Error, form: &str) -> Error {
    use serde_json::error::Category;
    let help = match error.classify() {
        Category::Eof => "the file is cut off; fetch it again".to_owned(),
        Category::Data => format!("expected {form}"),
        _ => "repair it there, or fetch the file again".to_owned(),
    };
    let (line, column, detail) = (error.line(), error.column().max(1), detail(error));
    Error::Document { file: file.into(), line, column, detail, help }
}

/// An object that is not of the form called `form`.
pub(super) fn entry<T: DeserializeOwned>(
    file: &Path,
    at: &Spot,
    value: Value,
    form: &str,
) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| Error::Entry {
        file: file.into(),
        at: at.clone(),
        detail: detail(&error),
        help: format!("expected {form}"),
    })
}

/// What a document is, as far as its beginning tells.
#[derive(Debug, PartialEq)]
pub(super) enum Outline {
    /// A list; its first element.
    List(Value),
    /// An object; the first of its fields that is an object, or is a list of
    /// objects (then that list's first element), with its name.
    Fields(String, Value),
}

/// Reads no more than the beginning of a document. `Ok(None)` is a document
/// that is neither of the two.
pub(super) fn outline(file: &Path, text: &str) -> Result<Option<Outline>, Error> {
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // Reading stops early, which the deserializer takes for an error.
    let read = deserializer.deserialize_any(Beginning(&mut found));
    match (found, read) {
        (Some(outline), _) => Ok(Some(outline)),
        (None, Ok(())) => Ok(None),
        (None, Err(error)) => Err(malformed(file, &error, "a JSON list or object")),
    }
}

struct Beginning<'a>(&'a mut Option<Outline>);

impl<'de> Visitor<'de> for Beginning<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        *self.0 = list.next_element()?.map(Outline::List);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let mut first = None;
            let read = map.next_value_seed(FirstObject(&mut first));
            if let Some(first) = first {
                *self.0 = Some(Outline::Fields(name, first));
                return Ok(());
            }
            read?;
        }
        Ok(())
    }
}

/// Finds a value that is an object, or the first element of a list that is
/// one; what follows that element is left unread.
struct FirstObject<'a>(&'a mut Option<Value>);

impl<'de> DeserializeSeed<'de> for FirstObject<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FirstObject<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        *self.0 = Some(Value::deserialize(MapAccessDeserializer::new(map))?);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        *self.0 = list.next_element::<Value>()?.filter(Value::is_object);
        if self.0.is_none() {
            while list.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(text: &str) -> Option<Outline> {
        outline(Path::new("a.json"), text).unwrap()
    }

    #[test]
    fn a_beginning_is_enough() {
        assert_eq!(of("[{\"a\": 1}, "), Some(Outline::List(json!({"a": 1}))));
        let data = Outline::Fields("data".into(), json!({"a": 1}));
        assert_eq!(of("{\"version\": \"1\", \"data\": [{\"a\": 1}, {\"b\": 2}]}"), Some(data));
        let first = Outline::Fields("p1".into(), json!({"a": 1}));
        assert_eq!(of("{\"p1\": {\"a\": 1}, "), Some(first));
        assert_eq!(of("{\"a\": 1}"), None);
        assert_eq!(of("[]"), None);
        assert!(outline(Path::new("a.json"), "{\"a\": [1").is_err());
    }
}
