//! Reading a zoo: its header first, and of its tensors those that are wanted.
//!
//! Nothing here fetches. An [`Outline`] says which bytes of the file a view needs, and
//! makes a [`Zoo`] of them; that all are there is the special case of a whole file.

use crate::manifest::Manifest;
use crate::rows::{MANY, Rows};
use crate::zoo::{Beside, SetValues};
use crate::{EmbeddingSet, Error, Hasher, Preferred, Zoo, format};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use std::collections::BTreeSet;
use std::ops::Range;
use std::pin::Pin;
use tupate_metrics::{at_once, no_pause};

/// Bytes at the start of a file that say how long its header is.
pub const FIRST: usize = 8;
/// Greatest length of a header in bytes.
pub const MAX_HEADER: u64 = 100_000_000;

/// A longer header than this, in bytes, is that of some ten thousand tasks, of very many
/// measured transfers or of both.
const LARGE_HEADER: u64 = 2 << 20;

/// Bytes that are hashed between two pauses.
const PIECE: usize = 1 << 20;

/// What happens between two pieces. Not generic: a page has room for this code once.
pub type Pause<'a> = &'a dyn Fn() -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A part of a file: where it starts, and its bytes.
pub type Part<'a> = (u64, &'a [u8]);

/// The header of a zoo file, checked: everything but the numbers.
#[derive(Clone, Debug)]
pub struct Outline {
    manifest: Manifest,
    header: Metadata,
    /// Where the tensors' bytes begin in the file.
    data: u64,
}

/// Bytes from a file's start to the end of its header, by its first [`FIRST`] bytes.
///
/// # Errors
/// When there are fewer, or no zoo has such a header.
pub fn head_length(start: &[u8]) -> Result<u64, Error> {
    let Some(length) = start.first_chunk::<FIRST>() else {
        return Err(Error::NotAZoo(format!("{} bytes are too few for a header", start.len())));
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER {
        return Err(Error::NotAZoo(format!(
            "not a safetensors file (a header of {length} bytes; {MAX_HEADER} are allowed)"
        )));
    }
    Ok(FIRST as u64 + length)
}

/// Whether so much belongs to a file, by its first [`FIRST`] bytes, that it takes a
/// while to open it, and to rank: its numbers may be few.
pub fn is_large(start: &[u8]) -> bool {
    head_length(start).is_ok_and(|length| length > FIRST as u64 + LARGE_HEADER)
}

impl Outline {
    /// Reads a header: at least the first [`head_length`] bytes of a file.
    ///
    /// # Errors
    /// As [`Zoo::parse`].
    pub fn parse(start: &[u8]) -> Result<Self, Error> {
        let data = head_length(start)?;
        let Some(header) = usize::try_from(data).ok().and_then(|end| start.get(FIRST..end)) else {
            return Err(match start.get(FIRST) {
                Some(b'{') => cut(start.len() as u64),
                _ => Error::NotAZoo("not a safetensors file (it has no header)".into()),
            });
        };
        let header: Metadata = serde_json::from_slice(header)
            .map_err(|e| Error::NotAZoo(format!("not a safetensors file ({e})")))?;
        check_places(&header)?;
        let texts = header.metadata().as_ref();
        let text = texts.and_then(|m| m.get(format::MANIFEST_KEY)).ok_or_else(|| {
            Error::NotAZoo("a safetensors file, but without a zoo's manifest".into())
        })?;
        let stated = texts.and_then(|m| m.get(format::DIGEST_KEY));
        check_digest(
            "the manifest",
            stated.map_or("", String::as_str),
            format::sha256_hex(text.as_bytes()),
        )?;
        let manifest = Manifest::parse(text)?;
        let outline = Self { manifest, header, data };
        outline.check_listed()?;
        Ok(outline)
    }

    /// The embedding sets of the file.
    pub fn sets(&self) -> &[EmbeddingSet] {
        &self.manifest.embeddings
    }

    /// How the zoo's makers advise to rank by it.
    pub fn preferred(&self) -> Option<&Preferred> {
        self.manifest.preferred.as_ref()
    }

    /// The length of the whole file.
    pub fn file_length(&self) -> u64 {
        self.data + self.header.data_len() as u64
    }

    /// The bytes that the sets of these keys need, without overlap, in the file's
    /// order. Keys that the file does not have need nothing.
    pub fn ranges(&self, keys: &[&str]) -> Vec<Range<u64>> {
        let wanted = self.sets().iter().filter(|set| keys.contains(&set.key.as_str()));
        let names = wanted.flat_map(tensors);
        let mut places: Vec<_> =
            names.filter_map(|name| self.header.info(&name)).map(|i| self.place(i)).collect();
        places.sort_by_key(|place| place.start);
        let mut joined: Vec<Range<u64>> = Vec::new();
        for place in places {
            match joined.last_mut() {
                Some(last) if last.end >= place.start => last.end = last.end.max(place.end),
                _ => joined.push(place),
            }
        }
        joined
    }

    /// A zoo of the sets of these keys, with all tasks, measured transfer and tables of scores.
    /// Each tensor that is used is checked against its sha256. `parts` hold at least
    /// the [`Outline::ranges`].
    ///
    /// # Errors
    /// As [`Zoo::parse`], and when bytes are missing.
    pub fn open(&self, keys: &[&str], parts: &[Part<'_>]) -> Result<Zoo, Error> {
        at_once(self.open_in_pieces(keys, parts, &|| Box::pin(no_pause())))
    }

    /// The same with a `pause` between pieces of at most some milliseconds.
    ///
    /// # Errors
    /// As [`Outline::open`].
    pub async fn open_in_pieces(
        &self,
        keys: &[&str],
        parts: &[Part<'_>],
        pause: Pause<'_>,
    ) -> Result<Zoo, Error> {
        let Manifest { name, description, tasks, transfer, scores, preferred, .. } =
            self.manifest.clone();
        let beside = Beside { transfer, scores, preferred };
        let mut zoo = Zoo::new(name, description, tasks, Vec::new(), beside)?;
        let wanted = self.sets().iter().filter(|set| keys.contains(&set.key.as_str()));
        for (i, set) in wanted.enumerate() {
            if i > 0 {
                pause().await;
            }
            for name in tensors(set) {
                // A set has not all of them.
                let Some(info) = self.header.info(&name) else { continue };
                let mut hasher = Hasher::default();
                for (i, piece) in self.part(&name, info, parts)?.chunks(PIECE).enumerate() {
                    if i > 0 {
                        pause().await;
                    }
                    hasher.update(piece);
                }
                self.check_tensor(&name, hasher.hex())?;
            }
            let values = self.values(set, parts, pause).await?;
            zoo.add(set.clone(), values)?;
        }
        Ok(zoo)
    }

    /// Checks of a whole file what no set needs: its length, and the tensors that no set
    /// names.
    ///
    /// # Errors
    /// As [`Zoo::parse`].
    pub fn check_rest(&self, file: &[u8]) -> Result<(), Error> {
        let (found, stated) = (file.len() as u64, self.file_length());
        if found < stated {
            return Err(cut(found));
        }
        if found > stated {
            return Err(Error::Damaged(format!("it has {} bytes too many", found - stated)));
        }
        let names: Vec<String> = self.sets().iter().flat_map(tensors).collect();
        // Looked up, not searched for: a hostile file may list a million tensors.
        let mut of_sets = BTreeSet::new();
        for name in &names {
            of_sets.insert(name.as_str());
        }
        for tensor in self.manifest.tensors.iter().filter(|t| !of_sets.contains(t.name.as_str())) {
            let bytes = self.part(&tensor.name, self.info(&tensor.name)?, &[(0, file)])?;
            check_digest(&tensor.name, &tensor.sha256, format::sha256_hex(bytes))?;
        }
        Ok(())
    }

    /// The zoo of a whole file.
    pub(crate) fn open_whole(&self, file: &[u8]) -> Result<Zoo, Error> {
        self.check_rest(file)?;
        let keys: Vec<&str> = self.sets().iter().map(|set| set.key.as_str()).collect();
        self.open(&keys, &[(0, file)])
    }

    fn place(&self, info: &TensorInfo) -> Range<u64> {
        let (start, end) = info.data_offsets;
        self.data + start as u64..self.data + end as u64
    }

    /// Whether the manifest lists the header's tensors, each once, as they are.
    fn check_listed(&self) -> Result<(), Error> {
        let listed = &self.manifest.tensors;
        let there = self.header.offset_keys().len();
        if there != listed.len() {
            return Err(Error::Damaged(format!(
                "it holds {there} tensors, its manifest lists {}",
                listed.len()
            )));
        }
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for tensor in listed {
            let info = self.info(&tensor.name)?;
            if info.shape != tensor.shape || dtype_name(info.dtype) != tensor.dtype {
                return Err(Error::Damaged(format!(
                    "tensor {} is {} {:?}, its manifest says {} {:?}",
                    tensor.name,
                    dtype_name(info.dtype),
                    info.shape,
                    tensor.dtype,
                    tensor.shape
                )));
            }
            // Listed twice, another one would go unlisted and unchecked.
            if !names.insert(&tensor.name) {
                return Err(Error::Damaged(format!("tensor {} is listed twice", tensor.name)));
            }
        }
        Ok(())
    }

    fn info(&self, name: &str) -> Result<&TensorInfo, Error> {
        self.header.info(name).ok_or_else(|| Error::Damaged(format!("tensor {name} is missing")))
    }

    /// A tensor's bytes.
    fn part<'a>(
        &self,
        name: &str,
        info: &TensorInfo,
        parts: &[Part<'a>],
    ) -> Result<&'a [u8], Error> {
        let place = self.place(info);
        let inside = |(start, bytes): &Part<'a>| -> Option<&'a [u8]> {
            let from = usize::try_from(place.start.checked_sub(*start)?).ok()?;
            bytes.get(from..from.checked_add(usize::try_from(place.end - place.start).ok()?)?)
        };
        parts.iter().find_map(inside).ok_or_else(|| {
            Error::Damaged(format!(
                "bytes {} to {} with {name} are missing",
                place.start, place.end
            ))
        })
    }

    /// Whether the sha256 of a tensor's bytes is the listed one.
    fn check_tensor(&self, name: &str, found: String) -> Result<(), Error> {
        let listed = self.manifest.tensors.iter().find(|tensor| tensor.name == name);
        check_digest(name, listed.map_or("", |tensor| &tensor.sha256), found)
    }

    /// A set's numbers, of bytes that were checked.
    async fn values(
        &self,
        set: &EmbeddingSet,
        parts: &[Part<'_>],
        pause: Pause<'_>,
    ) -> Result<SetValues, Error> {
        let (name, tasks) = (set.tensor(), set.tasks.len());
        let bytes = self.shaped(&name, &[tasks, set.dim], parts)?;
        let mut rest = bytes;
        let mut rows = match self.info(&name)?.dtype {
            Dtype::F32 => Rows::f32(set.dim),
            Dtype::F16 => Rows::f16(set.dim),
            Dtype::I8 => {
                let mean = self.floats(&set.mean_tensor(), set.dim, parts)?;
                let scales = self.floats(&set.scale_tensor(), tasks, parts)?;
                match bytes.len() < MANY {
                    true => Rows::of_few_codes(std::mem::take(&mut rest), mean, scales),
                    false => Rows::codes(mean, scales),
                }
            }
            other => {
                return Err(Error::Inconsistent(format!(
                    "tensor {name} is stored as {other:?}; this version reads F16, F32 and I8"
                )));
            }
        };
        for (i, block) in rest.chunks(rows.block_bytes()).enumerate() {
            if i > 0 {
                pause().await;
            }
            rows.push(block.to_vec());
        }
        let initial = match set.has_initial {
            true => Some(self.floats(&set.initial_tensor(), set.dim, parts)?),
            false => None,
        };
        Ok(SetValues { rows, initial })
    }

    fn shaped<'a>(
        &self,
        name: &str,
        shape: &[usize],
        parts: &[Part<'a>],
    ) -> Result<&'a [u8], Error> {
        let info = self.info(name)?;
        if info.shape != shape {
            return Err(Error::Damaged(format!(
                "tensor {name} is {:?} and should be {shape:?}",
                info.shape
            )));
        }
        self.part(name, info, parts)
    }

    /// A vector beside the rows.
    fn floats(&self, name: &str, length: usize, parts: &[Part<'_>]) -> Result<Vec<f32>, Error> {
        let bytes = self.shaped(name, &[length], parts)?;
        match self.info(name)?.dtype {
            Dtype::F32 => Ok(bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes).collect()),
            Dtype::F16 => Ok(bytes
                .as_chunks()
                .0
                .iter()
                .map(|b| half::f16::from_le_bytes(*b).to_f32())
                .collect()),
            other => Err(Error::Inconsistent(format!(
                "tensor {name} is stored as {other:?}; this version reads F16 and F32 there"
            ))),
        }
    }
}

fn cut(length: u64) -> Error {
    Error::Damaged(format!("it ends after {length} bytes, before its header says it should"))
}

/// Whether tensors follow each other without gaps and are as long as their shapes say.
fn check_places(header: &Metadata) -> Result<(), Error> {
    let mut next = 0;
    for name in header.offset_keys() {
        let Some(info) = header.info(&name) else { continue };
        let (start, end) = info.data_offsets;
        if start != next || end < start {
            return Err(Error::Damaged(format!("its header lies about where {name} is")));
        }
        let values = info.shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
        let bits = values.and_then(|n| n.checked_mul(info.dtype.bitsize()));
        if bits != (end - start).checked_mul(8) {
            return Err(Error::Damaged(
                "its header states shapes and places that do not fit".into(),
            ));
        }
        next = end;
    }
    Ok(())
}

/// The tensors that a set may have.
fn tensors(set: &EmbeddingSet) -> [String; 4] {
    [set.tensor(), set.mean_tensor(), set.scale_tensor(), set.initial_tensor()]
}

fn check_digest(what: &str, expected: &str, found: String) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Checksum { what: what.to_owned(), expected: expected.to_owned(), found })
}

fn dtype_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "F32",
        Dtype::F16 => "F16",
        Dtype::I8 => "I8",
        _ => "another type",
    }
}
