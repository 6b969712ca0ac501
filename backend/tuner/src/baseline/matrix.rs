//! The result: a score for every target and source.

use crate::Error;
use serde::Serialize;
use tupate_metrics::{descending, reciprocal_rank_fusion};

/// Scores of sources for targets. Greater is closer.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    targets: Vec<String>,
    sources: Vec<String>,
    /// `[targets][sources]`; `None` where a target meets itself.
    scores: Vec<Vec<Option<f64>>>,
}

/// The sources of one target, closest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// The target's id.
    pub target: String,
    /// Its sources.
    pub sources: Vec<Ranked>,
}

/// One source of a ranking.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranked {
    /// Counted from 1.
    pub rank: usize,
    /// The source's id.
    pub task: String,
    /// Greater is closer.
    pub score: f64,
}

impl Matrix {
    /// Asks `scores` for every target: it is given the target's index and those of
    /// all sources that are not the target, and gives a score for each of these.
    pub(super) fn new(
        targets: Vec<String>,
        sources: Vec<String>,
        mut scores: impl FnMut(usize, &[usize]) -> Result<Vec<f64>, Error>,
    ) -> Result<Self, Error> {
        let mut rows = Vec::with_capacity(targets.len());
        for (t, target) in targets.iter().enumerate() {
            let others: Vec<usize> =
                (0..sources.len()).filter(|&s| sources[s] != *target).collect();
            if others.is_empty() {
                return Err(Error::Setting(format!(
                    "{target} has no source but itself; name more tasks with --tasks or --sources"
                )));
            }
            let mut row = vec![None; sources.len()];
            for (s, score) in others.iter().zip(scores(t, &others)?) {
                if !score.is_finite() {
                    let what = format!("its score for the target {target} is not a number");
                    return Err(Error::Baseline { task: sources[*s].clone(), what });
                }
                row[*s] = Some(score);
            }
            rows.push(row);
        }
        Ok(Self { targets, sources, scores: rows })
    }

    /// The targets, in the order of the rows.
    pub fn targets(&self) -> &[String] {
        &self.targets
    }

    /// The sources, in the order of the columns.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    /// The scores, `[targets][sources]`; `None` where a target meets itself.
    pub fn scores(&self) -> &[Vec<Option<f64>>] {
        &self.scores
    }

    /// Every target's sources by descending score, ties by id.
    pub fn rankings(&self) -> Vec<Ranking> {
        let ranking = |(target, row): (&String, &Vec<Option<f64>>)| {
            let there = row.iter().zip(&self.sources);
            let (scores, ids): (Vec<f64>, Vec<&str>) =
                there.filter_map(|(score, id)| Some(((*score)?, id.as_str()))).unzip();
            let order = descending(&scores, &ids);
            let ranked = |(place, i): (usize, usize)| Ranked {
                rank: place + 1,
                task: ids[i].to_owned(),
                score: scores[i],
            };
            Ranking {
                target: target.clone(),
                sources: order.into_iter().enumerate().map(ranked).collect(),
            }
        };
        self.targets.iter().zip(&self.scores).map(ranking).collect()
    }

    /// A table as `tupate evaluate` reads it: the target, then a column a source;
    /// blank where a target meets itself. Every number reads back to the bit.
    pub fn to_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = std::iter::once("target").chain(self.sources.iter().map(String::as_str));
        let written = "writing to memory";
        writer.write_record(header).expect(written);
        for (target, row) in self.targets.iter().zip(&self.scores) {
            let cells = row.iter().map(|score| score.map_or(String::new(), |s| s.to_string()));
            writer.write_record(std::iter::once(target.clone()).chain(cells)).expect(written);
        }
        let bytes = writer.into_inner().expect(written);
        String::from_utf8(bytes).expect("made of strings")
    }
}

/// Reciprocal rank fusion of several scores a source, `[lists][n]` → `[n]`. Equal
/// scores share the best of their ranks, so that sources which cannot be told apart
/// are fused to the same.
pub(super) fn fuse(lists: &[Vec<f64>]) -> Vec<f64> {
    let rank = |list: &[f64], i: usize| 1 + list.iter().filter(|score| **score > list[i]).count();
    let ranks = |list: &Vec<f64>| (0..list.len()).map(|i| rank(list, i)).collect();
    reciprocal_rank_fusion(&lists.iter().map(ranks).collect::<Vec<_>>())
}

/// Cosine of two vectors, `None` where one has no direction. Fisher information
/// lies far below one: scaled to its greatest value first, none of it is lost in
/// single precision.
pub(super) fn cosine(a: &[f64], b: &[f64]) -> Option<f64> {
    let scaled = |values: &[f64]| -> Vec<f32> {
        let highest = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        values.iter().map(|v| (v / highest) as f32).collect()
    };
    tupate_metrics::cosine(&scaled(a), &scaled(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_target_is_never_its_own_source() {
        let matrix = Matrix::new(ids(&["b", "x"]), ids(&["a", "b", "c"]), |t, others| {
            assert_eq!(others, [vec![0, 2], vec![0, 1, 2]][t]);
            Ok(others.iter().map(|&s| (s as f64 - 1.0).abs() / 3.0).collect())
        })
        .unwrap();
        assert_eq!(
            matrix.to_csv(),
            "target,a,b,c\nb,0.3333333333333333,,0.3333333333333333\n\
             x,0.3333333333333333,0,0.3333333333333333\n"
        );
        let order = |r: &Ranking| r.sources.iter().map(|s| s.task.clone()).collect::<Vec<_>>();
        let rankings = matrix.rankings();
        assert_eq!(rankings[0].target, "b");
        assert_eq!(order(&rankings[0]), ["a", "c"], "a tie goes by id");
        assert_eq!(order(&rankings[1]), ["a", "c", "b"]);
        assert_eq!(rankings[1].sources[2].rank, 3);
    }

    #[test]
    fn a_target_alone_and_a_score_that_is_none_are_errors() {
        let alone = Matrix::new(ids(&["a"]), ids(&["a"]), |_, _| Ok(vec![])).unwrap_err();
        assert!(alone.to_string().contains("a has no source but itself"), "{alone}");
        let none = Matrix::new(ids(&["a"]), ids(&["b"]), |_, _| Ok(vec![f64::NAN])).unwrap_err();
        assert_eq!(none.to_string(), "b: its score for the target a is not a number");
    }

    #[test]
    fn fusion_of_a_known_case() {
        let fused = fuse(&[vec![0.9, 0.1, 0.5], vec![1.0, 1.0, 0.0]]);
        let wanted = [1. / 61. + 1. / 61., 1. / 63. + 1. / 61., 1. / 62. + 1. / 63.];
        for (own, wanted) in fused.iter().zip(wanted) {
            assert!((own - wanted).abs() < 1e-15, "{fused:?}");
        }
    }

    #[test]
    fn tiny_values_have_an_angle_too() {
        let (a, b) = ([3e-40, 0.0], [3e-40, 4e-40]);
        assert!((cosine(&a, &b).unwrap() - 0.6).abs() < 1e-6);
        assert_eq!(cosine(&a, &[0.0, 0.0]), None);
    }
}
