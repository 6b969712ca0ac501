//! A run that is ranked against a zoo after every epoch, and ends when its ranking has
//! settled.

use super::Ranker;
use crate::failure::Failure;
use crate::progress::Bar;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use tupate_api::{Event, RankAgainst};
use tupate_embedding::AdapterState;
use tupate_tasks::Recipe;
use tupate_tuner::files;
use tupate_tuner::train::{self, Observer};

/// The file of a run's folder that holds a line of JSON for every epoch, as a server
/// would have told it.
pub const RANKINGS: &str = "rankings.jsonl";

/// A bar that ranks.
pub struct Settling {
    bar: Bar,
    ranker: Ranker,
    file: PathBuf,
    /// Epochs that the closest sources stay the same until it is enough.
    enough: Option<u64>,
    settled: u64,
}

impl Settling {
    /// Ranks against `zoo`, going on with what `out` holds of an earlier start.
    ///
    /// # Errors
    /// When the zoo has nothing to compare with embeddings of `recipe`, `width` wide, or
    /// what is in `out` cannot be read.
    pub fn new(
        bar: Bar,
        (zoo, against): (&[u8], &RankAgainst),
        (task, recipe, width): (&str, Recipe, usize),
        out: &Path,
        enough: Option<u64>,
    ) -> Result<Self, Failure> {
        let file = out.join(RANKINGS);
        let told = told(&file)?;
        let ranker = Ranker::new(zoo, against, task, recipe, told.iter().rev())?;
        ranker.check(width)?;
        Ok(Self { bar, ranker, file, enough, settled: 0 })
    }

    /// Adds a line to the file, whole or not at all.
    fn keep(&self, ranking: &Event) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(ranking)?;
        line.push(b'\n');
        OpenOptions::new().create(true).append(true).open(&self.file)?.write_all(&line)
    }

    fn note(&mut self, note: &str) {
        self.bar.event(train::Event::Note(note));
    }
}

/// What was told at earlier starts. A line that was cut short by a kill is taken away:
/// its epoch will be told again.
fn told(file: &Path) -> Result<Vec<Event>, Failure> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Failure::Run(format!("cannot read {}: {e}", file.display()))),
    };
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    if whole < text.len() {
        files::write_atomically(file, &text.as_bytes()[..whole])?;
    }
    let line = |(i, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| {
            let (file, i) = (file.display(), i + 1);
            Failure::Input(format!("{file}:{i}: no ranking of a run ({e}); remove the file"))
        })
    };
    text[..whole].lines().enumerate().map(line).collect()
}

impl Observer for Settling {
    fn event(&mut self, event: train::Event<'_>) {
        self.bar.event(event);
    }

    fn cancelled(&self) -> bool {
        self.bar.cancelled()
    }

    fn enough(&self) -> bool {
        self.enough.is_some_and(|enough| self.settled >= enough)
    }

    fn wants_tuned(&self) -> bool {
        true
    }

    fn tuned(
        &mut self,
        epoch: usize,
        learning_rate: f64,
        tuned: &AdapterState,
        initial: &AdapterState,
    ) {
        let ranking = match self.ranker.rank(epoch as u64, learning_rate, tuned, initial) {
            Ok(ranking) => ranking,
            Err(why) => return self.note(&format!("the embedding is not ranked: {why}")),
        };
        let Some(ranking) = ranking else {
            // It was told before the run was interrupted.
            self.settled = self.ranker.settled();
            return;
        };
        if let Err(e) = self.keep(&ranking) {
            let file = self.file.display().to_string();
            self.note(&format!("cannot write {file}, so that the ranking is not kept: {e}"));
        }
        let Event::Ranking { settled, sources, .. } = &ranking else { return };
        self.settled = *settled;
        let closest: Vec<_> =
            sources.iter().map(|s| format!("{} {:.4}", s.task, s.score)).collect();
        let since = match settled {
            1 => String::new(),
            epochs => format!(", the same for {epochs} epochs"),
        };
        self.note(&format!("closest: {}{since}", closest.join(", ")));
        if self.enough() {
            self.note("the ranking has settled, and this was the last epoch");
        }
    }
}
