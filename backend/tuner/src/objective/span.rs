//! Span extraction: where an answer starts and ends (Devlin et al. 2019,
//! section 4.2 and 4.3).
//!
//! The first token of the sequence stands for "no answer". A window competes with
//! the other windows of its context by its raw scores.

use super::Prediction;
use super::loss::cross_entropy;
use crate::batch::{Batch, Target, Window};
use candle_core::{Result, Tensor, bail};

/// How many starts and ends of a window are combined, and how many of its spans
/// are kept.
const N_BEST: usize = 20;

/// Most tokens of an answer.
const MAX_ANSWER: usize = 30;

/// Added to what cannot be a start or an end.
const IMPOSSIBLE: f32 = -1e9;

/// A part of a context that may be the answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    /// First byte in the context.
    pub start: usize,
    /// The byte behind the last one.
    pub end: usize,
    /// Score of the start plus score of the end.
    pub score: f32,
}

fn window(target: &Target) -> Result<&Window> {
    match target {
        Target::Span(window) => Ok(window),
        other => bail!("a span was expected and not {other:?}"),
    }
}

/// Mean of the cross-entropies of start and end over the tokens that may be one:
/// those of the context, and the first for "no answer".
pub(super) fn loss(outputs: &Tensor, batch: &Batch) -> Result<Tensor> {
    let (b, s, _) = outputs.dims3()?;
    let mut mask = vec![IMPOSSIBLE; b * s];
    let (mut starts, mut ends) = (Vec::with_capacity(b), Vec::with_capacity(b));
    for (row, target) in mask.chunks_exact_mut(s).zip(&batch.targets) {
        let window = window(target)?;
        row[0] = 0.0;
        row[window.context.clone()].fill(0.0);
        starts.push(window.gold.0 as u32);
        ends.push(window.gold.1 as u32);
    }
    let mask = Tensor::from_vec(mask, (b, s), outputs.device())?;
    let of = |place, gold: &[u32]| {
        cross_entropy(&(outputs.narrow(2, place, 1)?.squeeze(2)? + &mask)?, gold)
    };
    (of(0, &starts)? + of(1, &ends)?)? * 0.5
}

pub(super) fn predict(outputs: &Tensor, batch: &Batch) -> Result<Vec<Prediction>> {
    let outputs: Vec<Vec<Vec<f32>>> = outputs.to_vec3()?;
    outputs
        .iter()
        .zip(&batch.targets)
        .map(|(scores, target)| {
            let none = scores[0][0] + scores[0][1];
            Ok(Prediction::Spans { spans: best(scores, window(target)?), none })
        })
        .collect()
}

/// The best spans of a window, best first; `scores` are `[S][2]`.
fn best(scores: &[Vec<f32>], window: &Window) -> Vec<Span> {
    // By descending score, the earlier token on a tie.
    let highest = |side: usize| {
        let mut tokens: Vec<usize> = window.context.clone().collect();
        tokens.sort_by(|&a, &b| scores[b][side].total_cmp(&scores[a][side]).then(a.cmp(&b)));
        tokens.truncate(N_BEST);
        tokens
    };
    let (starts, ends) = (highest(0), highest(1));
    let mut spans = Vec::new();
    for &from in &starts {
        for &to in &ends {
            if from <= to && to - from < MAX_ANSWER {
                let at = |token: usize| window.offsets[token - window.context.start];
                spans.push(Span {
                    start: at(from).0,
                    end: at(to).1,
                    score: scores[from][0] + scores[to][1],
                });
            }
        }
    }
    spans.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.start.cmp(&b.start)));
    spans.truncate(N_BEST);
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens 2, 3, 4, 5 are the context `ab cd ef gh`.
    fn four() -> Window {
        let offsets = vec![(0, 2), (3, 5), (6, 8), (9, 11)];
        Window { gold: (0, 0), context: 2..6, offsets }
    }

    fn scores(pairs: &[(f32, f32)]) -> Vec<Vec<f32>> {
        pairs.iter().map(|(start, end)| vec![*start, *end]).collect()
    }

    #[test]
    fn a_span_ends_where_or_after_it_starts_and_lies_in_the_context() {
        // The highest start is behind the highest end, and the question scores
        // higher than everything.
        let scores =
            scores(&[(9., 9.), (8., 8.), (1., 3.), (2., 0.), (0., 2.5), (4., 1.), (9., 9.)]);
        let spans = best(&scores, &four());
        let places: Vec<_> = spans.iter().map(|s| (s.start, s.end, s.score)).collect();
        assert_eq!(places[..3], [(9, 11, 5.0), (3, 8, 4.5), (0, 2, 4.0)]);
        assert!(spans.windows(2).all(|w| w[0].score >= w[1].score));
        assert!(spans.iter().all(|s| s.start < s.end));
        assert_eq!(spans.len(), 10, "every pair with start before end");
    }

    #[test]
    fn answers_are_no_longer_than_allowed() {
        let n = MAX_ANSWER + 5;
        let offsets = (0..n).map(|i| (2 * i, 2 * i + 1)).collect();
        let window = Window { gold: (0, 0), context: 1..n + 1, offsets };
        let mut pairs = vec![(0.0, 0.0); n + 1];
        (pairs[1].0, pairs[n].1) = (10.0, 10.0);
        let longest = best(&scores(&pairs), &window);
        assert!(longest.iter().all(|s| s.end - s.start < 2 * MAX_ANSWER));
    }
}
