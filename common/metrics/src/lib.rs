//! Similarities, rankings and task scores over plain slices.
//!
//! Every similarity here follows one rule: **greater is closer**. Sums are
//! accumulated in `f64`. The crate does no input or output, so that the command line
//! and the page compute the very same numbers.

mod answers;
mod correlation;
pub mod dot;
mod eigen;
mod fusion;
mod linkage;
mod low_rank;
mod measure;
mod ndcg;
mod pause;
mod plane;
mod rank;
mod regret;
mod resample;
mod score;
mod similarity;
mod spans;
mod square;

pub use answers::{answer_f1, exact_match};
pub use correlation::{average_ranks, kendall_tau, pearson, spearman};
pub use eigen::{Eigen, leading};
pub use fusion::{RRF_K, mean_scores, reciprocal_rank_fusion};
pub use linkage::{Merge, average_linkage, optimal_order, tree_order};
pub use low_rank::LowRank;
pub use measure::{Judged, MEASURES, Measure, Values, ceilings, floors, means, measures};
pub use ndcg::{Relevance, ndcg, ndcg_floor};
pub use pause::{at_once, no_pause};
pub use plane::{Plane, plane, stress};
pub use rank::descending;
pub use regret::{rank_of_best, regret, regret_floor, regret_of_means, regret_of_means_floor};
pub use resample::{
    EXACT_UP_TO, PairedTest, bootstrap_interval, bootstrap_intervals, paired_test, random,
};
pub use score::{accuracy, binary_f1, f_beta, majority_class, matthews};
pub use similarity::{cosine, subtract};
pub use spans::span_f1;
pub use square::Square;
