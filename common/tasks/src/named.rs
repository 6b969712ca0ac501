//! Kinds that files and command lines call by a word. The words of each stand once, and
//! what reads and writes them is the same for all: derived, it would be ten times as much of
//! what a page waits for.

use serde::de::{Deserializer, Error, Visitor};
use std::fmt;

/// Gives an enum its names.
macro_rules! named {
    ($type:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        impl $type {
            /// Every one.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            const NAMES: &'static [&'static str] = &[$($name),+];

            /// The name in files, on the command line and in links.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self::ALL[$crate::named::place(deserializer, Self::NAMES)?])
            }
        }
    };
}

pub(crate) use named;

/// The place among `names` of the one that is read.
pub(crate) fn place<'de, D: Deserializer<'de>>(
    deserializer: D,
    names: &'static [&'static str],
) -> Result<usize, D::Error> {
    deserializer.deserialize_str(Names(names))
}

struct Names(&'static [&'static str]);

impl Visitor<'_> for Names {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", self.0.join(", "))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        let place = self.0.iter().position(|known| *known == name);
        place.ok_or_else(|| E::unknown_variant(name, self.0))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Aggregation, Checkpoint, Metric, ParameterSet, TaskClass, Values};
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use std::fmt::Debug;

    fn round<T: Serialize + DeserializeOwned + Debug + PartialEq>(all: &[T], names: &[&str]) {
        assert_eq!(all.len(), names.len());
        for (one, name) in all.iter().zip(names) {
            assert_eq!(serde_json::to_value(one).unwrap(), *name);
            assert_eq!(serde_json::from_str::<T>(&format!("{name:?}")).unwrap(), *one);
            // With an escape in it, it is no borrowed text.
            let escaped = format!("\"\\u{:04x}{}\"", u32::from(name.as_bytes()[0]), &name[1..]);
            assert_eq!(serde_json::from_str::<T>(&escaped).unwrap(), *one);
        }
        let error = serde_json::from_str::<T>("\"other\"").unwrap_err().to_string();
        assert!(error.starts_with("unknown variant `other`, expected"), "{error}");
        assert!(names.iter().all(|name| error.contains(name)), "{error}");
        let error = serde_json::from_str::<T>("5").unwrap_err().to_string();
        assert!(error.starts_with("invalid type: integer `5`, expected one of"), "{error}");
    }

    #[test]
    fn files_say_the_names() {
        round(&TaskClass::ALL, &["CR", "QA", "SL"]);
        round(
            &Metric::ALL,
            &["accuracy", "accuracy_f1", "mcc", "pearson_spearman", "token_f1", "span_f1", "f05"],
        );
        round(&ParameterSet::ALL, &["all", "keys-only"]);
        round(&Aggregation::ALL, &["layer-mean", "flatten", "position-mean"]);
        round(&Values::ALL, &["absolute", "delta"]);
        round(&Checkpoint::ALL, &["early", "late"]);
    }
}
