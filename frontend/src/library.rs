//! The zoos that this browser keeps: what is said of each, and what follows.

use crate::answer::{Loaded, Origin};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Most bytes that are kept, as little as any browser grants a page; the zoos that
/// were opened the longest ago make room.
pub const MOST_KEPT: u64 = 1 << 30;
/// Licences that are listed of a zoo.
const LICENCES: usize = 12;

/// A zoo that this browser keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// sha256 of the file, and its key.
    pub sha256: String,
    /// The zoo's name.
    pub name: String,
    /// Its number of tasks.
    pub tasks: u64,
    /// The file's size.
    pub bytes: u64,
    /// Where it came from.
    pub origin: Origin,
    /// The licences of its tasks' data, sorted.
    pub licences: Vec<String>,
    /// When the host says that the file was changed.
    pub modified: Option<String>,
    /// When it was last opened, in milliseconds since 1970.
    pub opened: f64,
}

impl Kept {
    /// What there is to keep of a zoo that is open now.
    pub fn of(loaded: &Loaded, now: f64) -> Self {
        let tasks = loaded.zoo.tasks();
        let (count, licences): (_, BTreeSet<&str>) = match &loaded.sharded {
            // Of its tasks, the nearest are there alone.
            Some(all) => {
                let stated = all.facets.licences.iter().filter(|licence| !licence.is_empty());
                (all.tasks, stated.map(String::as_str).collect())
            }
            None => {
                let stated = tasks.iter().filter_map(|task| task.licence.as_deref());
                (tasks.len() as u64, stated.collect())
            }
        };
        Self {
            sha256: loaded.sha256.clone(),
            name: loaded.zoo.name().to_owned(),
            tasks: count,
            bytes: loaded.bytes,
            // What stood in a link has no other place.
            origin: match &loaded.origin {
                Origin::Link(_) => Origin::File("a link".into()),
                other => other.clone(),
            },
            licences: licences.into_iter().take(LICENCES).map(str::to_owned).collect(),
            modified: loaded.modified.clone(),
            opened: now,
        }
    }

    /// As it is kept.
    pub fn to_text(&self) -> String {
        let (kind, place) = match &self.origin {
            Origin::Server { url, first: true } => ("own", url),
            Origin::Server { url, first: false } => ("server", url),
            Origin::Url(url) => ("url", url),
            Origin::File(name) => ("file", name),
            Origin::Link(data) => ("link", data),
        };
        json!({
            "sha256": self.sha256, "name": self.name, "tasks": self.tasks, "bytes": self.bytes,
            "from": kind, "place": place, "licences": self.licences, "modified": self.modified,
            "opened": self.opened,
        })
        .to_string()
    }

    /// As it was kept; `None` if it was by a version that this one does not know.
    pub fn from_text(text: &str) -> Option<Self> {
        // As bytes, as everything else that is read at first: one reader of JSON will do.
        let value: Value = serde_json::from_slice(text.as_bytes()).ok()?;
        let string = |key: &str| value[key].as_str().map(str::to_owned);
        let place = string("place")?;
        Some(Self {
            sha256: string("sha256")?,
            name: string("name")?,
            tasks: value["tasks"].as_u64()?,
            bytes: value["bytes"].as_u64()?,
            origin: match value["from"].as_str()? {
                "own" => Origin::Server { url: place, first: true },
                "server" => Origin::Server { url: place, first: false },
                "url" => Origin::Url(place),
                "file" => Origin::File(place),
                _ => return None,
            },
            licences: value["licences"]
                .as_array()?
                .iter()
                .filter_map(|licence| licence.as_str().map(str::to_owned))
                .collect(),
            modified: string("modified"),
            opened: value["opened"].as_f64()?,
        })
    }

    /// Takes over what was known before and is not said anew. What a server has stays the
    /// server's, although the same file was opened from elsewhere, too.
    pub fn stays_of(&mut self, before: Self) {
        self.modified = self.modified.take().or(before.modified);
        let from_server = |origin: &Origin| matches!(origin, Origin::Server { .. });
        if from_server(&before.origin) && !from_server(&self.origin) {
            self.origin = before.origin;
        }
    }

    /// Whether a host's time of change and length say that its file is another by now.
    /// What the host does not say says nothing.
    pub fn is_older_than(&self, modified: Option<&str>, length: Option<u64>) -> bool {
        let length = length.is_some_and(|length| length != self.bytes);
        let time = self.modified.as_deref().zip(modified).is_some_and(|(own, now)| own != now);
        length || time
    }
}

/// Puts what was opened last first.
pub fn sort(library: &mut [Kept]) {
    library.sort_by(|a, b| b.opened.total_cmp(&a.opened).then_with(|| a.sha256.cmp(&b.sha256)));
}

/// The keys that make room for `incoming` more bytes, the ones opened the longest ago
/// first; `None` where that is not enough. What is open stays.
pub fn room(library: &[Kept], incoming: u64, open: &str) -> Option<Vec<String>> {
    let mut held: u64 = library.iter().map(|kept| kept.bytes).sum();
    let mut gone = Vec::new();
    let mut oldest: Vec<_> = library.iter().filter(|kept| kept.sha256 != open).collect();
    oldest.sort_by(|a, b| a.opened.total_cmp(&b.opened));
    let mut oldest = oldest.into_iter();
    while held.saturating_add(incoming) > MOST_KEPT {
        let kept = oldest.next()?;
        held -= kept.bytes;
        gone.push(kept.sha256.clone());
    }
    Some(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(sha256: &str, bytes: u64, opened: f64) -> Kept {
        Kept {
            sha256: sha256.into(),
            name: "Zoo".into(),
            tasks: 3,
            bytes,
            origin: Origin::Url("https://a.org/z".into()),
            licences: vec!["CC0".into(), "MIT".into()],
            modified: Some("Wed, 21 Oct 2015 07:28:00 GMT".into()),
            opened,
        }
    }

    #[test]
    fn what_is_kept_comes_back() {
        let origins = [
            Origin::Url("https://a.org/z".into()),
            Origin::File("z \"quoted\".safetensors".into()),
            Origin::Server { url: "/zoos/a.safetensors".into(), first: true },
            Origin::Server { url: "/zoos/b.safetensors".into(), first: false },
        ];
        for origin in origins {
            let kept = Kept { origin, ..kept("ab", 5, 1.5) };
            assert_eq!(Kept::from_text(&kept.to_text()), Some(kept));
        }
        let bare = Kept { modified: None, licences: Vec::new(), ..kept("ab", 5, 1.5) };
        assert_eq!(Kept::from_text(&bare.to_text()), Some(bare));
        for foreign in ["", "{}", "null", r#"{"sha256":"ab"}"#] {
            assert_eq!(Kept::from_text(foreign), None, "{foreign}");
        }
        let later = kept("ab", 5, 1.5).to_text().replace("\"url\"", "\"cloud\"");
        assert_eq!(Kept::from_text(&later), None);
    }

    #[test]
    fn what_a_server_has_stays_the_servers() {
        let of = |origin, modified: Option<&str>| Kept {
            origin,
            modified: modified.map(str::to_owned),
            ..kept("ab", 5, 1.5)
        };
        let server = |first| Origin::Server { url: "/zoos/z.safetensors".into(), first };
        let file = || Origin::File("z.safetensors".into());
        for (now, before, stays) in [
            (file(), server(true), server(true)),
            (server(false), server(true), server(false)),
            (server(true), file(), server(true)),
            (file(), Origin::Url("https://a.org/z".into()), file()),
        ] {
            let mut kept = of(now, None);
            kept.stays_of(of(before, Some("then")));
            assert_eq!((kept.origin, kept.modified.as_deref()), (stays, Some("then")));
        }
    }

    #[test]
    fn a_changed_file_is_noticed_by_what_its_host_says() {
        let kept = kept("ab", 5, 1.0);
        let same = kept.modified.clone();
        assert!(!kept.is_older_than(same.as_deref(), Some(5)));
        assert!(!kept.is_older_than(None, None));
        assert!(kept.is_older_than(None, Some(6)));
        assert!(kept.is_older_than(Some("Thu, 22 Oct 2015 07:28:00 GMT"), Some(5)));
        let unknown = Kept { modified: None, ..kept };
        assert!(!unknown.is_older_than(same.as_deref(), Some(5)));
    }

    #[test]
    fn the_oldest_make_room_and_what_is_open_stays() {
        let half = MOST_KEPT / 2;
        let library = [kept("new", half, 3.0), kept("old", half - 10, 1.0)];
        assert_eq!(room(&library, 10, "new"), Some(vec![]));
        assert_eq!(room(&library, 11, "new"), Some(vec!["old".to_owned()]));
        assert_eq!(room(&library, 11, "old"), Some(vec!["new".to_owned()]));
        assert_eq!(room(&library, MOST_KEPT, "new"), None);
        let mut sorted = library;
        sorted.reverse();
        sort(&mut sorted);
        assert_eq!(sorted[0].sha256, "new");
    }
}
