//! How far a ranking can be trusted, where the zoo knows the truth.

use crate::answer::{Answer, Loaded, choose_similarity};
use crate::later::{Coming, Pause};
use crate::words;
use std::sync::Arc;
use tupate_metrics::MEASURES;
use tupate_zoo::evaluate::{Settings, evaluate_in_pieces};

/// The seed of the bootstrap, as of `tupate evaluate`.
const SEED: u64 = 0;
/// Sources of a ranking that one would try.
const TRIED: &str = "regret.3";

/// What tells it, as [`tell`] does.
pub type Tell = fn(Arc<Loaded>, Answer, Pause) -> Coming<String>;

/// The [`sentence`], for callers that know of it only once it has come.
pub fn tell(loaded: Arc<Loaded>, answer: Answer, pause: Pause) -> Coming<String> {
    Box::pin(async move {
        let pause = async || {
            pause().await;
        };
        sentence(&loaded, &answer, &pause).await
    })
}

/// What following this method's rankings has cost on the targets whose transfer was
/// measured, in a sentence; `None` where the zoo does not know. Awaits `pause` between
/// pieces of a few milliseconds.
pub async fn sentence(loaded: &Loaded, answer: &Answer, pause: &impl AsyncFn()) -> Option<String> {
    let truth = loaded.zoo.widest_transfer()?;
    let similarity = choose_similarity(Some(answer.similarity)).ok()?;
    let settings = Settings { method: Some(&answer.method), similarity, exclude: &[], seed: SEED };
    let report = evaluate_in_pieces(&loaded.zoo, truth, &settings, pause).await.ok()?;
    let at = MEASURES.iter().position(|measure| measure.name == TRIED)?;
    let (mean, random) = (report.mean[at]?, report.random[at]?);
    let number = |share: f64| words::number(share * 100.0, 1);
    // Stays on one line.
    let percent = |share: f64| format!("{}\u{a0}%", number(share));
    let targets = words::counted(report.defined(at) as u64, "target");
    let interval = report.interval[at].map_or_else(
        || "no interval, for want of targets".to_owned(),
        |[low, high]| format!("95\u{a0}% interval {} to {}", number(low), number(high)),
    );
    // Target by target: where a random order loses much, so do most orders.
    let against = report.against_chance(at, SEED).and_then(|test| test.first_is_greater());
    let verdict = match against {
        Some(false) => "better than chance",
        Some(true) => "worse than chance",
        None => "not told apart from chance",
    };
    Some(format!(
        "How sure is that? Over {targets} with measured transfer ({}), the best of the first three \
         sources fell {} short of the best source there was ({interval}); three at random fall {} \
         short. That is {verdict}.",
        truth.setting,
        percent(mean),
        percent(random),
    ))
}
