//! All cells together: the transfer matrix.

use super::folder::Folder;
use super::{SETTINGS, Sweep};
use crate::Error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tupate_tasks::Metric;

/// The scores of all targets after transfer from all sources, in the form in which
/// a zoo carries a truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    /// How much was trained on: the setting's name.
    pub setting: String,
    /// What the scores are, in words.
    pub metric: String,
    /// The metric of each target.
    pub metrics: BTreeMap<String, Metric>,
    /// The pretrained encoder's name.
    pub encoder: String,
    /// The seeds, in the order of the scores.
    pub seeds: Vec<u64>,
    /// The rows.
    pub targets: Vec<String>,
    /// The columns.
    pub sources: Vec<String>,
    /// `[targets, sources, seeds]`; `None` where source and target are one or the
    /// cell is not part of the sweep.
    pub scores: Vec<Vec<Vec<Option<f64>>>>,
    /// `[targets, seeds]`: the score without transfer.
    pub no_transfer: Vec<Vec<Option<f64>>>,
}

impl Matrix {
    /// Reads all cells of a sweep that is done.
    pub(super) fn gather(sweep: &Sweep<'_>, folder: &Folder) -> Result<Self, Error> {
        let seeds = &sweep.plan.seeds;
        let of = |target: &str, source: Option<&str>| -> Result<Vec<Option<f64>>, Error> {
            let score =
                |&seed: &u64| Ok(Some(folder.cell(target, source, seed)?.fine_tuning.scores.score));
            seeds.iter().map(score).collect()
        };
        let (mut scores, mut no_transfer) = (Vec::new(), Vec::new());
        for target in sweep.targets {
            let row = sweep.sources.iter().map(|source| match sweep.wanted(source, target) {
                true => of(&target.task, Some(&source.task)),
                false => Ok(vec![None; seeds.len()]),
            });
            scores.push(row.collect::<Result<_, _>>()?);
            no_transfer.push(of(&target.task, None)?);
        }
        let setting = SETTINGS.iter().find(|(setting, _)| *setting == sweep.plan.setting);
        Ok(Self {
            setting: setting.map_or("", |(_, name)| name).to_owned(),
            metric: "each target's own".to_owned(),
            metrics: sweep.targets.iter().map(|t| (t.task.clone(), t.metric)).collect(),
            encoder: sweep.encoder.reference.name.clone(),
            seeds: seeds.clone(),
            targets: sweep.targets.iter().map(|target| target.task.clone()).collect(),
            sources: sweep.sources.iter().map(|source| source.task.clone()).collect(),
            scores,
            no_transfer,
        })
    }

    /// How many cells it has, those without transfer included.
    pub(super) fn cells(&self) -> usize {
        let scores = self.scores.iter().flatten().chain(&self.no_transfer).flatten();
        scores.filter(|score| score.is_some()).count()
    }

    /// Mean over seeds as CSV: first column the target, header the sources, blank
    /// where not run; the column `no-transfer` is the score without transfer.
    pub fn csv(&self) -> String {
        let mut csv = format!("target,{},{}\n", self.sources.join(","), super::NO_TRANSFER);
        for ((target, row), alone) in self.targets.iter().zip(&self.scores).zip(&self.no_transfer) {
            csv.push_str(target);
            for scores in row.iter().chain([alone]) {
                csv.push(',');
                if let Some(mean) = mean(scores) {
                    write!(csv, "{mean}").expect("writing to a string");
                }
            }
            csv.push('\n');
        }
        csv
    }
}

/// The mean of the scores that are there.
pub fn mean(scores: &[Option<f64>]) -> Option<f64> {
    let there: Vec<f64> = scores.iter().copied().flatten().collect();
    (!there.is_empty()).then(|| there.iter().sum::<f64>() / there.len() as f64)
}
