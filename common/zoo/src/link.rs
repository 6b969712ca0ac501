//! Share links: a zoo and the view of it, in the fragment of a URL.
//!
//! `#zoo=URL&sha256=HEX&target=TASK&method=KEY&similarity=NAME`; every part may
//! be missing. The fragment never reaches a server. Keys that are not known are
//! passed over, so that links from later versions open.

use form_urlencoded::Serializer;

/// Longest fragment that is read, in bytes.
pub const MAX_FRAGMENT: usize = 1 << 20;

/// What a link says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Where the zoo is; `None` for the page's own.
    pub zoo: Option<String>,
    /// sha256 of the zoo file that the sender saw, lower-case hex.
    pub sha256: Option<String>,
    /// The chosen target task.
    pub target: Option<String>,
    /// The chosen embedding set.
    pub method: Option<String>,
    /// The chosen similarity.
    pub similarity: Option<String>,
}

impl View {
    /// The fragment without its `#`; empty for an empty view.
    pub fn to_fragment(&self) -> String {
        let mut pairs = Serializer::new(String::new());
        for (key, value) in [
            ("zoo", &self.zoo),
            ("sha256", &self.sha256),
            ("target", &self.target),
            ("method", &self.method),
            ("similarity", &self.similarity),
        ] {
            if let Some(value) = value {
                pairs.append_pair(key, value);
            }
        }
        pairs.finish()
    }

    /// Reads a fragment, with or without its `#`. What cannot be understood is
    /// left out: a link is a wish, and the page shows what it made of it.
    pub fn from_fragment(fragment: &str) -> Self {
        let fragment = fragment.strip_prefix('#').unwrap_or(fragment);
        if fragment.len() > MAX_FRAGMENT {
            return Self::default();
        }
        let mut view = Self::default();
        for (key, value) in form_urlencoded::parse(fragment.as_bytes()) {
            let place = match &*key {
                "zoo" => &mut view.zoo,
                "sha256" => &mut view.sha256,
                "target" => &mut view.target,
                "method" => &mut view.method,
                "similarity" => &mut view.similarity,
                _ => continue,
            };
            *place = Some(value.into_owned()).filter(|v| !v.is_empty());
        }
        view.sha256 = view.sha256.filter(|hex| is_sha256(hex));
        view
    }
}

fn is_sha256(hex: &str) -> bool {
    hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
