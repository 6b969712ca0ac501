//! All cells together: the transfer matrix.

use super::folder::Folder;
use super::{Setting, Sweep};
use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use tupate_tasks::Metric;

/// One target's row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The target's id.
    pub target: String,
    /// What the scores are.
    pub metric: Metric,
    /// Scores without transfer, one a seed.
    pub no_transfer: Vec<f64>,
    /// For each source one score a seed; empty where source and target are one or
    /// the cell is not part of the sweep.
    pub scores: Vec<Vec<f64>>,
}

/// The scores of all targets after transfer from all sources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    /// How much was trained on.
    pub setting: Setting,
    /// The pretrained encoder's name.
    pub encoder: String,
    /// The seeds, in the order of the scores.
    pub seeds: Vec<u64>,
    /// The sources, in the order of the scores.
    pub sources: Vec<String>,
    /// One row a target.
    pub targets: Vec<Row>,
}

impl Matrix {
    /// Reads all cells of a sweep that is done.
    pub(super) fn gather(sweep: &Sweep<'_>, folder: &Folder) -> Result<Self, Error> {
        let seeds = &sweep.plan.seeds;
        let of = |target: &str, source: Option<&str>| -> Result<Vec<f64>, Error> {
            let score =
                |&seed: &u64| Ok(folder.cell(target, source, seed)?.fine_tuning.scores.score);
            seeds.iter().map(score).collect()
        };
        let row = |target: &crate::data::Dataset| {
            let scores = sweep
                .sources
                .iter()
                .map(|source| match sweep.wanted(source, target) {
                    true => of(&target.task, Some(&source.task)),
                    false => Ok(Vec::new()),
                })
                .collect::<Result<_, Error>>()?;
            Ok::<_, Error>(Row {
                target: target.task.clone(),
                metric: target.metric,
                no_transfer: of(&target.task, None)?,
                scores,
            })
        };
        Ok(Self {
            setting: sweep.plan.setting,
            encoder: sweep.encoder.reference.name.clone(),
            seeds: seeds.clone(),
            sources: sweep.sources.iter().map(|source| source.task.clone()).collect(),
            targets: sweep.targets.iter().map(row).collect::<Result<_, _>>()?,
        })
    }

    /// Mean over seeds as CSV: first column the target, header the sources; a
    /// target's own column holds its score without transfer, a cell that was not run
    /// is blank.
    pub fn csv(&self) -> String {
        let mut csv = format!("target,{}\n", self.sources.join(","));
        for row in &self.targets {
            csv.push_str(&row.target);
            for (source, scores) in self.sources.iter().zip(&row.scores) {
                let scores = if *source == row.target { &row.no_transfer } else { scores };
                csv.push(',');
                if !scores.is_empty() {
                    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
                    write!(csv, "{mean}").expect("writing to a string");
                }
            }
            csv.push('\n');
        }
        csv
    }
}
