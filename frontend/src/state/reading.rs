//! Reading a zoo: whole, or what is needed first.

use super::{Entry, Pending, Store};
use crate::answer::{Loaded, Origin, Recent, needed};
use crate::failure::{Failure, LARGEST_FILE, Trouble};
use crate::library::Kept;
use crate::platform::{self, Breather, Bytes, Cancel, Wanted};
use crate::shards::{LargeFile, Opened};
use crate::source::Source;
use leptos::prelude::*;
use std::ops::Range;
use std::sync::Arc;
use tupate_zoo::Hasher;
use tupate_zoo::link::View;
use tupate_zoo::outline::{self, Outline, Part, Pause};
use tupate_zoo::shards::Index;

/// Most bytes that are fetched whole before anything is shown: of more, asking twice is
/// sooner on a line of 10 Mbit/s.
const FETCHED_WHOLE: u64 = 512 << 10;
/// Bytes that are asked for where a header is expected: those of a few hundred tasks.
const HEAD: u64 = 128 << 10;

/// Bytes that are hashed between two turns of the page.
const HASHED_AT_ONCE: usize = 2 << 20;

/// How long a copy's other sets wait, in milliseconds: what is shown is painted first.
const AFTERWARDS: i32 = 100;

/// What is not shown yet of a file of which a part is shown, and may have to be fetched.
pub(super) struct Rest {
    parts: Vec<(u64, Vec<u8>)>,
    length: u64,
}

/// A zoo that can be shown, and what of its file is missing.
pub(super) struct Read {
    pub loaded: Loaded,
    pub rest: Option<Rest>,
}

impl Store {
    pub(super) async fn read(
        self,
        source: &Source,
        wish: &View,
        cancel: &Cancel,
        turn: u64,
    ) -> Result<Read, Failure> {
        let what = source.name();
        let failed = |trouble: &Trouble| Failure::transport(&what, &source.host(), trouble);
        let (bytes, modified) = match source {
            Source::Link(data) => {
                let missing = || Failure::no_part(&what);
                let unpack = (self.later.inline)().await.ok_or_else(missing)?;
                let unpacked = unpack(data.clone()).await.ok_or_else(missing)?;
                (Some(Bytes::Here(unpacked.map_err(|e| Failure::zoo(&what, &[], &e))?)), None)
            }
            Source::File(file) => (Some(file.bytes()), None),
            Source::Copy(kept) => match self.copy(&kept.sha256).await {
                Some(bytes) => (Some(bytes), kept.modified.clone()),
                None => return Err(Failure::copy_gone(&kept.name)),
            },
            Source::Server(_) | Source::Url(_) => {
                match self.fetch_first(source, wish, cancel, turn).await {
                    Ok(Fetched::Whole(bytes, modified)) => (Some(Bytes::Here(bytes)), modified),
                    Ok(Fetched::Large) => (None, None),
                    Ok(Fetched::Part(read)) => return Ok(*read),
                    Err(Fault::Zoo(failure)) => return Err(*failure),
                    Err(Fault::Trouble(trouble)) => {
                        // What there is, is better than nothing.
                        let copy = self.copy_instead(source, &trouble).await;
                        let (bytes, modified) = copy.ok_or_else(|| failed(&trouble))?;
                        (Some(bytes), modified)
                    }
                }
            }
        };
        let (bytes, modified) = match bytes {
            Some(Bytes::Here(bytes)) if !is_for_workers(&bytes) => (bytes, modified),
            bytes => {
                let open = (self.later.shards)().await.ok_or_else(|| Failure::no_part(&what))?.open;
                let file = LargeFile { source: source.clone(), bytes, modified };
                match open(self, file, wish.clone(), cancel.clone(), turn).await? {
                    Opened::Workers(loaded) => return Ok(Read { loaded: *loaded, rest: None }),
                    Opened::Bytes(bytes, modified) => (bytes, modified),
                }
            }
        };
        let breather = self.breather(turn);
        let pause: Pause<'_> = &|| Box::pin(breather.pause());
        if let Source::Copy(kept) = source {
            let failed = |e| Failure::zoo(&what, &bytes, &e);
            if let Some(loaded) = of_copy(kept, &bytes, wish, pause).await.map_err(failed)? {
                let rest = Some(Rest { parts: vec![(0, bytes)], length: kept.bytes });
                return Ok(Read { loaded, rest });
            }
        }
        self.report(turn, |p| p.checking = true);
        platform::sleep(0).await;
        let loaded = self.check(source, bytes, self.origin_of(source), modified, pause).await?;
        Ok(Read { loaded, rest: None })
    }

    /// Lets the page do what it has to do while a zoo is read, and reading end when another
    /// one is opened.
    pub(crate) fn breather(self, turn: u64) -> Breather<impl Fn() -> bool> {
        Breather::new(move || self.turn.get_value() == turn)
    }

    /// The zoo of a whole file, checked in pieces of a few milliseconds.
    async fn check(
        self,
        source: &Source,
        file: Vec<u8>,
        origin: Origin,
        modified: Option<String>,
        pause: Pause<'_>,
    ) -> Result<Loaded, Failure> {
        // A copy's was computed when it was made, and is its key.
        let sha256 = match source {
            Source::Copy(kept) => kept.sha256.clone(),
            _ => {
                let mut hasher = Hasher::default();
                for piece in file.chunks(HASHED_AT_ONCE) {
                    hasher.update(piece);
                    pause().await;
                }
                hasher.hex()
            }
        };
        let failed = |error| Failure::zoo(&source.name(), &file, &error);
        let outline = Outline::parse(&file).map_err(failed)?;
        outline.check_rest(&file).map_err(failed)?;
        let keys: Vec<&str> = outline.sets().iter().map(|set| set.key.as_str()).collect();
        let whole = [(0, file.as_slice())];
        let zoo = outline.open_in_pieces(&keys, &whole, pause).await.map_err(failed)?;
        let loaded = Loaded::whole(zoo, &file, sha256, origin, modified);
        self.take_fresh(source, &loaded.sha256, Bytes::Here(file))?;
        Ok(loaded)
    }

    /// Has a file at hand to be kept, unless it is a copy. One of the server's must be the
    /// one that the server lists.
    pub(super) fn take_fresh(
        self,
        source: &Source,
        sha256: &str,
        file: Bytes,
    ) -> Result<(), Failure> {
        match source {
            Source::Server(listed) if listed.sha256 != sha256 => {
                return Err(Failure::listed_hash(&listed.name, &listed.sha256, sha256));
            }
            Source::Copy(_) => {}
            _ => self.at_hand.set_value(Some((sha256.to_owned(), file))),
        }
        Ok(())
    }

    pub(super) fn origin_of(self, source: &Source) -> Origin {
        match source {
            Source::Server(listed) => {
                let first = self.server.with_untracked(|server| {
                    let zoos = server.as_ref().map(|server| &server.zoos);
                    zoos.and_then(|zoos| zoos.first()).is_some_and(|zoo| zoo.url == listed.url)
                });
                Origin::Server { url: listed.url.clone(), first }
            }
            Source::Url(address) => Origin::Url(address.href.clone()),
            Source::File(file) => Origin::File(file.name()),
            Source::Copy(kept) => kept.origin.clone(),
            Source::Link(data) => Origin::Link(data.clone()),
        }
    }

    /// Fetches a small file whole, and of a large one what the view needs first.
    async fn fetch_first(
        self,
        source: &Source,
        wish: &View,
        cancel: &Cancel,
        turn: u64,
    ) -> Result<Fetched, Fault> {
        let address = source
            .address()
            .ok_or_else(|| Failure::no_address(&source.name()))
            .map_err(Fault::zoo)?;
        let progress = |received, total: Option<u64>| {
            self.report(turn, |p| {
                p.received = received;
                p.total = total.or(p.total).filter(|total| *total >= received);
            });
        };
        let whole = async |most| {
            let answer = platform::fetch(&address, &Wanted::whole(most), cancel, progress).await?;
            Ok(Fetched::Whole(answer.bytes, answer.modified))
        };
        let large = match source.size() {
            Some(size) => size > FETCHED_WHOLE,
            None => match whole(FETCHED_WHOLE).await {
                Err(Trouble::TooLarge { size: Some(size) }) if size <= LARGEST_FILE => true,
                // A host that does not say how much there is, is read to the end.
                Err(Trouble::TooLarge { size: None }) => false,
                other => return other.map_err(Fault::Trouble),
            },
        };
        if !large {
            return whole(LARGEST_FILE).await.map_err(Fault::Trouble);
        }
        let get = async |range: Range<u64>| {
            platform::fetch(&address, &Wanted::part(range), cancel, progress).await
        };
        let head = match get(0..HEAD).await {
            Ok(head) => head,
            // Some hosts answer nothing at all where a part is asked for.
            Err(Trouble::Cancelled) => return Err(Fault::Trouble(Trouble::Cancelled)),
            Err(_) => return whole(LARGEST_FILE).await.map_err(Fault::Trouble),
        };
        if !head.part {
            return Ok(Fetched::Whole(head.bytes, head.modified));
        }
        if outline::is_large(&head.bytes) {
            return Ok(Fetched::Large);
        }
        let what = source.name();
        let (mut start, modified) = (head.bytes, head.modified);
        let zoo = |start: &[u8], e: &tupate_zoo::Error| Fault::zoo(Failure::zoo(&what, start, e));
        let length = outline::head_length(&start).map_err(|e| zoo(&start, &e))?;
        let there = start.len() as u64;
        if length > there {
            start.extend(get(there..length).await.map_err(Fault::Trouble)?.bytes);
        }
        let outline = Outline::parse(&start).map_err(|e| zoo(&start, &e))?;
        let length = outline.file_length();
        let keys = needed(&outline, wish);
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let ranges = outline.ranges(&keys);
        let wanted: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        self.report(turn, |p| p.total = Some(wanted));
        let mut parts = vec![(0, start)];
        for range in ranges {
            let answer = get(range.clone()).await.map_err(Fault::Trouble)?;
            if !answer.part {
                return Ok(Fetched::Whole(answer.bytes, modified));
            }
            parts.push((range.start, answer.bytes));
        }
        self.report(turn, |p| p.checking = true);
        platform::sleep(0).await;
        let views: Vec<Part<'_>> = parts.iter().map(|(at, bytes)| (*at, &**bytes)).collect();
        let breather = self.breather(turn);
        let opened = outline.open_in_pieces(&keys, &views, &|| Box::pin(breather.pause())).await;
        let opened = opened.map_err(|e| zoo(&[], &e))?;
        let said = match source {
            Source::Server(listed) => Some(listed.sha256.clone()),
            _ => wish.sha256.clone(),
        };
        let loaded = Loaded {
            zoo: opened,
            sets: outline.sets().to_vec(),
            origin: self.origin_of(source),
            bytes: length,
            sha256: said.unwrap_or_default(),
            modified,
            whole: false,
            small: None,
            sharded: None,
            recent: Recent::default(),
        };
        Ok(Fetched::Part(Box::new(Read { loaded, rest: Some(Rest { parts, length }) })))
    }

    /// Fetches what is missing of a file, checks all of it, and shows it in place of
    /// the part.
    pub(super) async fn complete_later(
        self,
        source: &Source,
        part: &Arc<Loaded>,
        rest: Rest,
        cancel: &Cancel,
        turn: u64,
    ) {
        let here = || self.turn.get_value() == turn;
        let fetched = async {
            let mut file = vec![0; rest.length as usize];
            let mut there = Vec::new();
            for (at, bytes) in &rest.parts {
                let at = *at as usize;
                let end = file.len().min(at + bytes.len());
                file[at..end].copy_from_slice(&bytes[..end - at]);
                there.push(at as u64..end as u64);
            }
            let gaps = gaps(&there, rest.length);
            if gaps.is_empty() {
                platform::sleep(AFTERWARDS).await;
            }
            for gap in gaps {
                let address = source.address().ok_or(Trouble::Unreachable)?;
                let wanted = Wanted::part(gap.clone());
                let answer = platform::fetch(&address, &wanted, cancel, |_, _| ()).await?;
                let (at, end) = (gap.start as usize, gap.end as usize);
                if !answer.part || answer.bytes.len() != end - at {
                    let wanted = Wanted::whole(LARGEST_FILE);
                    return Ok(platform::fetch(&address, &wanted, cancel, |_, _| ()).await?.bytes);
                }
                file[at..end].copy_from_slice(&answer.bytes);
            }
            Ok::<_, Trouble>(file)
        };
        let fetched = fetched.await;
        if !here() {
            return;
        }
        platform::sleep(0).await;
        let opened = match fetched {
            Ok(file) => {
                let (origin, modified) = (part.origin.clone(), part.modified.clone());
                let breather = self.breather(turn);
                self.check(source, file, origin, modified, &|| Box::pin(breather.pause())).await
            }
            Err(trouble) => Err(Failure::transport(&source.name(), &source.host(), &trouble)),
        };
        if !here() {
            return;
        }
        // The visitor may wait for a decision about the part, or see something else.
        match opened {
            Ok(loaded) => {
                let loaded = Arc::new(loaded);
                self.prepare(&loaded, self.view.get_untracked(), None, turn).await;
                let wish = self.view.get_untracked();
                if self
                    .loaded
                    .with_untracked(|shown| shown.as_ref().is_some_and(|s| Arc::ptr_eq(s, part)))
                {
                    self.welcome(loaded, wish, Entry::Replace);
                }
            }
            Err(failure) => self.failure.set(Some(failure)),
        }
    }

    pub(super) fn report(self, turn: u64, change: impl FnOnce(&mut Pending)) {
        if self.turn.get_value() == turn {
            self.pending.update(|pending| {
                if let Some(pending) = pending {
                    change(pending);
                }
            });
        }
    }
}

enum Fetched {
    Whole(Vec<u8>, Option<String>),
    /// Nothing yet: it is for a worker.
    Large,
    Part(Box<Read>),
}

enum Fault {
    Trouble(Trouble),
    Zoo(Box<Failure>),
}

impl Fault {
    fn zoo(failure: Failure) -> Self {
        Self::Zoo(Box::new(failure))
    }
}

/// Whether a file is an index of shards, or too large to be opened and ranked here.
fn is_for_workers(file: &[u8]) -> bool {
    Index::is_begun_by(file) || outline::is_large(file)
}

/// Of a copy the sets that a view is made of, where it has others as well: every set is
/// checked as it is opened, and the first ranking does not wait for all.
async fn of_copy(
    kept: &Kept,
    file: &[u8],
    wish: &View,
    pause: Pause<'_>,
) -> Result<Option<Loaded>, tupate_zoo::Error> {
    let outline = Outline::parse(file)?;
    let keys = needed(&outline, wish);
    if keys.len() == outline.sets().len() || outline.file_length() != kept.bytes {
        return Ok(None);
    }
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    Ok(Some(Loaded {
        zoo: outline.open_in_pieces(&keys, &[(0, file)], pause).await?,
        sets: outline.sets().to_vec(),
        origin: kept.origin.clone(),
        bytes: kept.bytes,
        sha256: kept.sha256.clone(),
        modified: kept.modified.clone(),
        whole: false,
        small: None,
        sharded: None,
        recent: Recent::default(),
    }))
}

/// What lies between the ranges, which are of a file of this length.
fn gaps(there: &[Range<u64>], length: u64) -> Vec<Range<u64>> {
    let mut sorted = there.to_vec();
    sorted.sort_by_key(|range| range.start);
    let (mut at, mut gaps) = (0, Vec::new());
    for range in sorted {
        if range.start > at {
            gaps.push(at..range.start);
        }
        at = at.max(range.end);
    }
    if at < length {
        gaps.push(at..length);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::gaps;

    #[test]
    fn what_is_missing_lies_between_what_is_there() {
        assert_eq!(gaps(&[], 10), vec![0..10]);
        assert_eq!(gaps(std::slice::from_ref(&(0..10)), 10), vec![]);
        // In any order, side by side, and one within another.
        assert_eq!(gaps(&[6..8, 0..2, 2..3, 6..7], 10), vec![3..6, 8..10]);
        assert_eq!(gaps(&[0..6, 4..10], 10), vec![]);
    }
}
