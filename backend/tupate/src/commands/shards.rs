//! Zoos in shards: cut, checked, opened, asked.

use super::{must_be_free, print, print_json, read_zoo};
use crate::cli::ShardArgs;
use crate::failure::Failure;
use crate::fetch;
use crate::progress::Bar;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tupate_metrics::at_once;
use tupate_tuner::files::{new_folder, write_atomically};
use tupate_zoo::shards::{self, Closest, Index, Question, ShardFile, Shards, Wish};
use tupate_zoo::{Error, Zoo, sha256_hex};

/// The index's name beside its shards.
const INDEX: &str = "index.json";

/// The index of a zoo in shards, and the shards.
pub struct Opened {
    pub index: Index,
    shards: Shards,
}

/// An index, if these bytes are none of a zoo.
///
/// # Errors
/// When they begin as an index does and are none.
pub fn index_of(source: &str, bytes: &[u8]) -> Result<Option<Index>, Failure> {
    match Index::is_begun_by(bytes) {
        false => Ok(None),
        true => Index::parse(bytes).map(Some).map_err(|e| Failure::from(e).while_doing(source)),
    }
}

/// Fetches and checks all shards beside the index.
pub fn open(source: &str, index: Index) -> Result<Opened, Failure> {
    let zoos = zoos(source, &index)?;
    let mut shards = Shards::new(index.clone());
    let mut homes = Homes::default();
    for (zoo, file) in zoos.iter().zip(&index.shards) {
        homes.add(zoo, &file.file).map_err(|e| e.while_doing(source))?;
    }
    zoos.into_iter().for_each(|zoo| shards.hold(zoo));
    Ok(Opened { index, shards })
}

/// In which file each task is: in one alone.
#[derive(Default)]
struct Homes<'a>(BTreeMap<String, &'a str>);

impl<'a> Homes<'a> {
    fn add(&mut self, zoo: &Zoo, file: &'a str) -> Result<(), Failure> {
        for task in zoo.tasks() {
            if let Some(other) = self.0.insert(task.id.clone(), file) {
                return Err(Failure::from(Error::Inconsistent(format!(
                    "task {} is in {other} and in {file}",
                    task.id
                ))));
            }
        }
        Ok(())
    }
}

/// The zoos of all shards, in order, several at a time.
fn zoos(source: &str, index: &Index) -> Result<Vec<Zoo>, Failure> {
    let number = index.shards.len();
    let workers = thread::available_parallelism().map_or(1, usize::from).min(number);
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let bar = std::sync::Mutex::new(Bar::new(&index.name));
    let work = || -> Result<Vec<(usize, Zoo)>, Failure> {
        let mut own = Vec::new();
        while let Some((at, shard)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            index.shards.get(at).map(|shard| (at, shard))
        } {
            let place = beside(source, shard);
            let zoo = index.open(shard, &fetch::bytes(&place)?);
            own.push((at, zoo.map_err(|e| Failure::from(e).while_doing(&place))?));
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if let Ok(bar) = bar.lock() {
                bar.measure("shards", done, number);
            }
        }
        Ok(own)
    };
    let mut all = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(Failure::Run("a thread has died".into())))
        });
        joined.collect::<Result<Vec<_>, _>>().map(|all| all.concat())
    })?;
    all.sort_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(_, zoo)| zoo).collect())
}

/// Where a shard is: beside its index.
fn beside(source: &str, shard: &ShardFile) -> String {
    let folder = match source.contains("://") {
        // A query belongs to the index alone.
        true => source.split(['?', '#']).next().unwrap_or(source),
        false => source,
    };
    match folder.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{}", shard.file),
        None => shard.file.clone(),
    }
}

impl Opened {
    /// Whether a shard has a task of this id.
    pub fn knows(&self, task: &str) -> bool {
        self.shards.knows(task)
    }

    /// Ranks.
    pub fn rank(self, wish: &Wish<'_>) -> Result<Closest, Failure> {
        let shards = std::cell::RefCell::new(self.shards);
        let answer = async |question: Question| shards.borrow_mut().answer(&question);
        Ok(at_once(shards::rank(&self.index, wish, &answer))?)
    }
}

/// `tupate zoo shard`.
pub fn make(args: &ShardArgs) -> Result<(), Failure> {
    // Before anything long.
    must_be_free(&args.out)?;
    let mut index = Index::new("", "");
    let mut homes = Homes::default();
    new_folder(&args.out, |folder| {
        for (at, source) in args.zoos.iter().enumerate() {
            let (zoo, _) = read_zoo(source)?;
            homes.add(&zoo, source)?;
            if at == 0 {
                let description = args.description.as_deref().unwrap_or(zoo.description());
                index = Index::new(args.name.as_deref().unwrap_or(zoo.name()), description);
            }
            cut(&zoo, &mut index, args, folder).map_err(|e| e.while_doing(source))?;
        }
        write_atomically(&folder.join(INDEX), &index.to_bytes()?)?;
        Ok::<_, Failure>(())
    })?;
    print(&format!(
        "{}: {} tasks in {} shards, {} bytes, sha256 {}",
        args.out.join(INDEX).display(),
        index.tasks,
        index.shards.len(),
        index.bytes(),
        sha256_hex(&index.to_bytes()?)
    ))
}

fn cut(zoo: &Zoo, index: &mut Index, args: &ShardArgs, folder: &Path) -> Result<(), Failure> {
    let ids: Vec<String> = zoo.tasks().iter().map(|task| task.id.clone()).collect();
    for ids in ids.chunks(args.tasks as usize) {
        // A shard is ranked by itself; what was measured between tasks stays behind.
        let shard = zoo.with_only(ids).with_transfer(Vec::new())?.with_scores(Vec::new())?;
        let bytes = shard.to_bytes(args.dtype.dtype())?;
        // Its content's name: a browser that keeps an older one never takes it for this.
        let name = format!(
            "shard-{:04}-{}.safetensors",
            index.shards.len() + 1,
            &sha256_hex(&bytes)[..12]
        );
        index.add(&name, &bytes, &shard)?;
        write_atomically(&folder.join(&name), &bytes)?;
    }
    Ok(())
}

/// `tupate zoo show` of an index.
pub fn show(index: &Index, bytes: &[u8], as_json: bool) -> Result<(), Failure> {
    let length = index.bytes();
    let sha256 = sha256_hex(bytes);
    if as_json {
        return print_json(&json!({
            "name": index.name, "description": index.description, "tasks": index.tasks,
            "bytes": length, "sha256": sha256,
            "embeddings": index.embeddings, "shards": index.shards,
        }));
    }
    print(&format!(
        "{}  ({} tasks in {} shards, {length} bytes; the index has sha256 {sha256})",
        index.name,
        index.tasks,
        index.shards.len()
    ))?;
    if !index.description.is_empty() {
        print(&index.description)?;
    }
    for set in &index.embeddings {
        print(&format!(
            "  {:<16} × {}: {} on {}, {}, init seed {}",
            set.key,
            set.dim,
            set.recipe.method,
            set.recipe.encoder.name,
            set.recipe.checkpoint.name(),
            set.recipe.init_seed
        ))?;
    }
    for shard in &index.shards {
        print(&format!("  {}  {:>8} tasks {:>12} bytes", shard.file, shard.tasks, shard.bytes))?;
    }
    Ok(())
}

/// `tupate zoo verify` of an index.
pub fn verify(source: &str, index: Index, bytes: &[u8], as_json: bool) -> Result<(), Failure> {
    let Opened { index, .. } = open(source, index)?;
    let length = index.bytes();
    let sha256 = sha256_hex(bytes);
    if as_json {
        return print_json(&json!({
            "ok": true, "bytes": length, "sha256": sha256, "tasks": index.tasks,
            "embeddings": index.embeddings.len(), "shards": index.shards.len(),
        }));
    }
    let number = index.shards.len();
    print(&format!("{source}: {number} shards, all sound; {length} bytes, sha256 {sha256}"))
}

/// Why a command that needs one file does not take an index.
pub fn refuse(source: &str, index: &Index) -> Failure {
    Failure::Usage(format!(
        "{source} is the index of a zoo in {} shards, which `tupate rank`, `tupate zoo show` and \
         `tupate zoo verify` take; elsewhere name one of its files, such as {}",
        index.shards.len(),
        index.shards.first().map_or("its first", |shard| &*shard.file)
    ))
}
