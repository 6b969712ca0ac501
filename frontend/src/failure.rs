//! What can go wrong on the page: what happened, and what would mend it.

use crate::words;
use tupate_zoo::Error;

/// The largest file that is opened: twice this must fit the memory that a
/// browser gives a page.
pub const LARGEST_FILE: u64 = 512 << 20;

/// A failure in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What did not work.
    pub title: String,
    /// What was wrong, and where.
    pub detail: String,
    /// What to do.
    pub remedy: String,
}

/// Why bytes did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The browser knows that it has no network.
    Offline,
    /// No answer at all.
    Unreachable,
    /// The host answers, but does not let other sites' pages read the answer.
    Forbidden,
    /// An answer that is not the file.
    Status {
        /// The HTTP status code.
        status: u16,
        /// What the server said about it, if it said it in words.
        detail: Option<String>,
    },
    /// The answer stopped early.
    Broken {
        /// Bytes that had arrived.
        received: u64,
    },
    /// More bytes than [`LARGEST_FILE`].
    TooLarge {
        /// The size, where it was told beforehand.
        size: Option<u64>,
    },
    /// The visitor called it off, or opened something else.
    Cancelled,
    /// A local file that could not be read.
    Unreadable(String),
}

/// An address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The whole address, absolute.
    pub href: String,
    /// `https:` and the like.
    pub scheme: String,
    /// The host's name, without its port.
    pub host: String,
    /// Whether it is the page's own site.
    pub own: bool,
}

impl Address {
    /// Whether a page may open it: encrypted, the page's own site, or this
    /// very computer.
    ///
    /// # Errors
    /// When not; the failure says why.
    pub fn check(&self) -> Result<(), Failure> {
        let here = matches!(&*self.host, "localhost" | "127.0.0.1" | "[::1]");
        let plain = self.scheme == "http:" && (self.own || here);
        if self.scheme == "https:" || plain {
            return Ok(());
        }
        Err(Failure::new(
            "This address cannot be opened",
            format!("{} is not an https address.", words::clipped(&self.href, 200)),
            "Use an address that starts with https://, or download the file and open it from your device.",
        ))
    }
}

impl Failure {
    fn new(title: &str, detail: impl Into<String>, remedy: &str) -> Self {
        Self { title: title.into(), detail: detail.into(), remedy: remedy.into() }
    }

    /// What was typed is no address.
    pub fn no_address(typed: &str) -> Self {
        Self::new(
            "This is not an address",
            match typed.trim() {
                "" => "The field is empty.".to_owned(),
                typed => format!("“{}” cannot be read as one.", words::clipped(typed, 200)),
            },
            "Paste the whole address of a zoo file, such as https://example.org/my-zoo.safetensors.",
        )
    }

    /// `what` takes a part of the program that could not be fetched.
    pub fn no_part(what: &str) -> Self {
        Self::new(
            "A part of this page could not be loaded",
            format!("{what} needs a file of the site that could not be fetched."),
            "Try again when there is a network. If there is one, the site may have been renewed since you opened it: reload the page.",
        )
    }

    /// Bytes of `what`, an address or a file's name, did not arrive.
    pub fn transport(what: &str, host: &str, trouble: &Trouble) -> Self {
        let what = words::clipped(what, 200);
        match trouble {
            Trouble::Offline => Self::new(
                "No network",
                format!("{what} could not be fetched, because this device is offline."),
                "Connect to the network and try again, or open a zoo file from your device.",
            ),
            Trouble::Unreachable => Self::new(
                "The host does not answer",
                format!("{what} could not be fetched: there is no answer from {host}."),
                "Check the address for typing errors, and whether the host is up; then try again.",
            ),
            Trouble::Forbidden => Self::new(
                "The host does not let this page read the file",
                format!(
                    "{host} answers, but does not allow pages of other sites to read {what} (CORS)."
                ),
                "Download the file and open it from your device, or ask the host's owner to send the header “Access-Control-Allow-Origin: *”.",
            ),
            Trouble::Status { status, detail } => {
                Self::status(&what, host, *status, detail.as_deref())
            }
            Trouble::Broken { received } => Self::new(
                "The download broke off",
                format!(
                    "After {} of {what} the connection to {host} was lost.",
                    words::size(*received)
                ),
                "Try again.",
            ),
            Trouble::TooLarge { size } => Self::new(
                "The file is too large for a page",
                match size {
                    Some(size) => format!(
                        "{what} has {}; a page opens at most {}.",
                        words::size(*size),
                        words::size(LARGEST_FILE)
                    ),
                    None => format!(
                        "{what} has more than {}, the most that a page opens.",
                        words::size(LARGEST_FILE)
                    ),
                },
                "Rank it on the command line with “tupate rank --zoo FILE”, or pack a zoo of fewer tasks or methods.",
            ),
            Trouble::Cancelled => Self::new(
                "Stopped",
                format!("{what} was not opened."),
                "Open it again, or another one.",
            ),
            Trouble::Unreadable(why) => Self::new(
                "The file cannot be read",
                format!("{what}: {}", words::clipped(why, 200)),
                "Check that the file is still there and that you may read it, then choose it again.",
            ),
        }
    }

    fn status(what: &str, host: &str, status: u16, detail: Option<&str>) -> Self {
        let (title, remedy) = match status {
            401 | 403 => (
                "The host does not hand out the file",
                "The file is not public. Download it where you are signed in, and open it from your device.",
            ),
            404 | 410 => (
                "There is no such file",
                "Check the address for typing errors, or ask who sent it for a new one.",
            ),
            429 => ("The host asks for patience", "Wait a minute and try again."),
            500..=599 => ("The host is in trouble", "Try again later."),
            _ => (
                "The host answers, but not with the file",
                "Check that the address is that of the file itself.",
            ),
        };
        let mut text = format!("{host} answered {what} with HTTP status {status}.");
        if let Some(detail) = detail {
            text.push_str(" It says: ");
            text.push_str(&words::clipped(detail, 300));
        }
        Self::new(title, text, remedy)
    }

    /// The bytes arrived, and are no zoo or not a sound one.
    pub fn zoo(what: &str, bytes: &[u8], error: &Error) -> Self {
        let detail =
            format!("{}: {}.", words::clipped(what, 200), words::clipped(&error.to_string(), 600));
        let page = bytes.trim_ascii_start().first() == Some(&b'<');
        let (title, remedy) = match error {
            Error::NotAZoo(_) if page => (
                "This is a web page, not a zoo file",
                "Use the address of the file itself; on sites that show files in a page it is behind “raw” or “download”.",
            ),
            Error::NotAZoo(_) => (
                "This is not a zoo file",
                "A zoo is the .safetensors file that “tupate zoo pack” writes. An adapter alone is none yet: make an embedding of it with “tupate embed” and pack it.",
            ),
            Error::TooNew { .. } => (
                "This zoo is newer than this page",
                "Reload the page to get its newest version, or ask for a zoo in the older format.",
            ),
            Error::Damaged(_) | Error::Checksum { .. } => {
                ("The zoo file is damaged", "If a fresh copy is damaged too, tell whoever made it.")
            }
            _ => (
                "This zoo cannot be used",
                "The file was not damaged on its way: tell whoever made it what stands here.",
            ),
        };
        Self::new(title, detail, remedy)
    }

    /// A worker that holds shards says this.
    pub fn engine(what: &str, why: &str) -> Self {
        Self::new(
            "This zoo cannot be ranked here",
            format!("{}: {}.", words::clipped(what, 200), words::clipped(why, 600)),
            "Reload the page, close other pages if the zoo is large, or rank it on the command line with “tupate rank --zoo FILE”.",
        )
    }

    /// An index came without an address: its shards lie beside it.
    pub fn shards_elsewhere(what: &str) -> Self {
        Self::new(
            "The shards are missing",
            format!(
                "{} names files that lie beside it, and a page cannot look there.",
                words::clipped(what, 200)
            ),
            "Open the address of the index on a file host, or one of the shards: each is a zoo of its own.",
        )
    }

    /// The server's file is not the one that the server lists.
    pub fn listed_hash(name: &str, listed: &str, found: &str) -> Self {
        Self::new(
            "The zoo is not the one the server lists",
            format!(
                "{name} should have sha256 {}, and what arrived has {}.",
                words::short_hash(listed),
                words::short_hash(found)
            ),
            "Reload the page. If that does not help, the file was changed after the server started: restart the server.",
        )
    }

    /// A zoo that the browser kept is no longer there.
    pub fn copy_gone(name: &str) -> Self {
        Self::new(
            "The copy is gone",
            format!("This browser no longer has its copy of “{}”.", words::clipped(name, 100)),
            "Open the zoo again by its address or file.",
        )
    }

    /// The set is in the file, and the file is not all there yet.
    pub fn on_its_way() -> Self {
        Self::new(
            "These embeddings are on their way",
            "The file is large: what was shown first was fetched first.",
            "They appear as soon as they are here.",
        )
    }

    /// The files are no adapter that can be read.
    pub fn adapter(why: &str) -> Self {
        Self::new(
            "This adapter cannot be read",
            format!("{}.", words::clipped(why.trim_end_matches('.'), 600)),
            "Choose all files of a PEFT, AdapterHub or BitFit folder together: its configuration and its .safetensors file.",
        )
    }

    /// An adapter came without a zoo to compare it with.
    pub fn no_zoo_for_adapter() -> Self {
        Self::new(
            "There is no zoo to compare the adapter with",
            "An adapter is ranked against the tasks of a zoo, and none is open.",
            "Open a zoo first, then the adapter.",
        )
    }

    /// The zoo has no set that an adapter of this method could be compared with.
    pub fn no_set_for(method: &str, moment: Option<&str>, has: &str) -> Self {
        let moment = moment.map_or_else(String::new, |moment| format!(", {moment}"));
        Self::new(
            "This zoo has nothing to compare the adapter with",
            format!(
                "The adapter is {}{moment}; the zoo has {}.",
                words::clipped(method, 200),
                words::clipped(has, 300)
            ),
            "Open a zoo with embeddings of that method, or tune an adapter by one of the zoo's.",
        )
    }

    /// A run's embeddings came in a form that is not known.
    pub fn zoo_of_run(why: &str) -> Self {
        Self::new(
            "The run’s embeddings cannot be read",
            format!("{}.", words::clipped(why.trim_end_matches('.'), 300)),
            "Page and server may be of different versions: reload the page.",
        )
    }

    /// An adapter belongs to another encoder than the zoo.
    pub fn other_encoder(encoder: &str, why: &str) -> Self {
        Self::new(
            "The adapter belongs to another encoder",
            format!(
                "The zoo's tasks were tuned on {}: {}.",
                words::clipped(encoder, 100),
                words::clipped(why, 400)
            ),
            "Tuned parameters can only be compared on the same frozen encoder: tune the adapter on it, or open a zoo of the adapter's encoder.",
        )
    }

    /// The server is there, but its list of zoos cannot be read.
    pub fn server_list(why: &str) -> Self {
        Self::new(
            "The server's list of zoos cannot be read",
            format!("GET /api/v1/info: {}.", words::clipped(why, 300)),
            "Page and server may be of different versions: reload the page. You can still open a zoo by address or file.",
        )
    }

    /// The question has no answer in this zoo.
    pub fn ranking(error: &Error) -> Self {
        match error {
            Error::UnknownTask { task, .. } => Self::new(
                "The task is not in this zoo",
                format!(
                    "There is no embedding of “{}” among those shown.",
                    words::clipped(task, 100)
                ),
                "Choose another target, or other embeddings.",
            ),
            Error::UnknownSet { wanted, .. } => Self::new(
                "These embeddings are not in this zoo",
                format!("It has none called “{}”.", words::clipped(wanted, 100)),
                "Choose among the embeddings above.",
            ),
            Error::Similarity(why) => Self::new(
                "This similarity cannot be computed",
                format!("{}.", words::clipped(why, 400)),
                "Choose another similarity.",
            ),
            Error::Incomparable { .. } => Self::new(
                "These embeddings cannot be compared",
                format!("{}.", words::clipped(&error.to_string(), 600)),
                "Only embeddings of one recipe can be compared: tune the task again with the zoo's recipe.",
            ),
            other => Self::new(
                "No ranking",
                format!("{}.", words::clipped(&other.to_string(), 600)),
                "Choose another target, similarity or embeddings.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(href: &str, scheme: &str, host: &str, own: bool) -> Address {
        Address { href: href.into(), scheme: scheme.into(), host: host.into(), own }
    }

    #[test]
    fn only_safe_addresses_are_opened() {
        assert!(address("https://a.org/z", "https:", "a.org", false).check().is_ok());
        assert!(address("http://127.0.0.1:1/z", "http:", "127.0.0.1", false).check().is_ok());
        assert!(address("http://lab/z", "http:", "lab", true).check().is_ok());
        for (href, scheme) in
            [("http://a.org/z", "http:"), ("file:///z", "file:"), ("data:,z", "data:")]
        {
            let refused = address(href, scheme, "a.org", false).check().unwrap_err();
            assert!(refused.detail.contains(href) && refused.remedy.contains("https://"));
        }
    }

    #[test]
    fn every_trouble_says_what_happened_and_what_to_do() {
        let troubles = [
            (Trouble::Offline, "offline"),
            (Trouble::Unreachable, "no answer from a.org"),
            (Trouble::Forbidden, "CORS"),
            (Trouble::Status { status: 404, detail: Some("moved".into()) }, "404. It says: moved"),
            (Trouble::Broken { received: 2048 }, "2.0 KiB"),
            (
                Trouble::TooLarge { size: Some(1 << 30) },
                "1024.0 MiB; a page opens at most 512.0 MiB",
            ),
            (Trouble::TooLarge { size: None }, "512.0 MiB"),
            (Trouble::Cancelled, "not opened"),
            (Trouble::Unreadable("gone".into()), "gone"),
        ];
        for (trouble, part) in troubles {
            let failure = Failure::transport("https://a.org/z", "a.org", &trouble);
            assert!(failure.detail.contains(part), "{failure:?}");
            assert!(failure.detail.contains("https://a.org/z"), "{failure:?}");
            assert!(
                !failure.title.is_empty() && failure.remedy.ends_with(['.', '”']),
                "{failure:?}"
            );
        }
    }

    #[test]
    fn a_web_page_in_place_of_a_file_is_recognised() {
        let html = b"\n<!doctype html>";
        let error = tupate_zoo::Zoo::parse(html).unwrap_err();
        let failure = Failure::zoo("https://a.org/z", html, &error);
        assert_eq!(failure.title, "This is a web page, not a zoo file");
        let junk = Failure::zoo("z.bin", b"junk", &tupate_zoo::Zoo::parse(b"junk").unwrap_err());
        assert_eq!(junk.title, "This is not a zoo file");
        let cut = Failure::zoo("z", b"", &Error::Damaged("it ends early".into()));
        assert_eq!(cut.title, "The zoo file is damaged");
    }

    #[test]
    fn a_long_list_does_not_flood_the_page() {
        let error = Error::UnknownTask { task: "x".repeat(5000), known: vec!["y".into(); 100_000] };
        assert!(Failure::ranking(&error).detail.len() < 400);
    }
}
