//! Numbers and facts as people read them.

use crate::answer::Gains;
use tupate_tasks::{
    Aggregation, Checkpoint, MethodSpec, Metric, ParameterSet, Recipe, TaskClass, Values,
};
use tupate_zoo::narrow::Narrow;
use tupate_zoo::{EmbeddingSet, Fusion, Ranking, TaskEntry, TransferMatrix};

/// A number with a fixed number of decimals, a true minus sign, and no
/// negative zero.
pub fn number(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let zero = text.bytes().all(|b| b == b'0' || b == b'.');
    if value < 0.0 && !zero { format!("−{text}") } else { text }
}

/// A similarity, as everywhere on the page: four decimals.
pub fn score(value: f64) -> String {
    number(value, 4)
}

/// `393000` → `393,000`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 task`, `2 tasks`.
pub fn counted(n: u64, one: &str) -> String {
    format!("{} {one}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A size in bytes, KiB or MiB.
pub fn size(bytes: u64) -> String {
    const KIB: f64 = 1024.0;
    let bytes_f = bytes as f64;
    match bytes {
        0..1024 => counted(bytes, "byte"),
        1024..1_048_576 => format!("{:.1} KiB", bytes_f / KIB),
        _ => format!("{:.1} MiB", bytes_f / KIB / KIB),
    }
}

/// The start of a hash: enough to tell two apart by eye.
pub fn short_hash(hex: &str) -> String {
    match hex.get(..12) {
        Some(start) if hex.len() > 12 => format!("{start}…"),
        _ => hex.to_owned(),
    }
}

/// A text that came from outside, cut to what fits a message.
pub fn clipped(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A task's class in full.
pub fn class(class: TaskClass) -> &'static str {
    match class {
        TaskClass::ClassificationRegression => "classification or regression",
        TaskClass::QuestionAnswering => "question answering",
        TaskClass::SequenceLabelling => "sequence labelling",
    }
}

/// What passes a filter, to follow “of the sources”; nothing if everything does.
pub fn narrowed(narrow: &Narrow) -> String {
    let mut parts = Vec::new();
    parts.extend(narrow.class.map(|of| class(of).to_owned()));
    parts.extend(narrow.family.clone());
    parts.extend(narrow.licence.as_ref().map(|licence| match licence.as_str() {
        "" => "of no stated licence".to_owned(),
        licence => format!("licence {}", clipped(licence, 40)),
    }));
    parts.extend(narrow.least.map(|n| format!("at least {}", counted(n, "example"))));
    parts.extend(narrow.most.map(|n| format!("at most {}", counted(n, "example"))));
    parts.join(", ")
}

/// A metric's name in words.
pub fn metric(metric: Metric) -> &'static str {
    match metric {
        Metric::Accuracy => "accuracy",
        Metric::AccuracyF1 => "mean of accuracy and F1",
        Metric::Mcc => "Matthews correlation",
        Metric::PearsonSpearman => "mean of Pearson and Spearman",
        Metric::TokenF1 => "token F1",
        Metric::SpanF1 => "span F1",
        Metric::F05 => "F0.5",
    }
}

/// The task's score against that of guessing the majority class.
pub fn score_of_task(task: &TaskEntry) -> String {
    match (task.score, task.majority) {
        (Some(score), Some(majority)) => {
            format!("{} against {}", number(score, 3), number(majority, 3))
        }
        (Some(score), None) => number(score, 3),
        (None, Some(majority)) => format!("unknown, majority {}", number(majority, 3)),
        (None, None) => "unknown".into(),
    }
}

/// Whether tuning on the task did no better than guessing: what such an
/// embedding says about the task is doubtful.
pub fn is_weak(task: &TaskEntry) -> bool {
    matches!((task.score, task.majority), (Some(score), Some(majority)) if score <= majority)
}

/// A method's name as its authors write it.
pub fn method(method: &MethodSpec) -> &'static str {
    match method {
        MethodSpec::Lora { .. } => "LoRA",
        MethodSpec::BitFit => "BitFit",
        MethodSpec::PTuningV2 { .. } => "P-Tuning v2",
        MethodSpec::Imported { .. } => "Imported",
    }
}

/// The name of an embedding set on its switch: `LoRA, late`.
pub fn set_label(set: &EmbeddingSet) -> String {
    let (recipe, name) = (&set.recipe, method(&set.recipe.method));
    // When others took their vectors is their affair.
    let label = match recipe.method {
        MethodSpec::Imported { .. } => name.to_owned(),
        _ => format!("{name}, {}", recipe.checkpoint.name()),
    };
    let usual = format!("{}.{}", set.recipe.method.name(), set.recipe.checkpoint.name());
    match set.key.strip_prefix(&usual) {
        Some("") => label,
        Some(suffix) => format!("{label} ({})", suffix.trim_start_matches('.')),
        None => set.key.clone(),
    }
}

/// What an embedding set is made of, in a sentence.
pub fn of_set(recipe: &Recipe) -> String {
    match &recipe.method {
        MethodSpec::Imported { source } => format!("Vectors from {source}."),
        method => format!("{method}; parameters taken {}.", checkpoint(recipe.checkpoint)),
    }
}

/// An ensemble's name on the switch of methods.
pub fn fusion_label(fusion: &Fusion) -> &'static str {
    match fusion.name {
        "ensemble" => "Ensemble",
        "rrf" => "Rank fusion",
        other => other,
    }
}

/// A table of scores' name; the paper's baselines are called as it calls them.
pub fn table_label(name: &str) -> String {
    let known = ["DataSize", "CurveGrad", "TextEmb", "TaskEmb", "LogME"];
    let label = known.into_iter().find(|label| label.eq_ignore_ascii_case(name));
    label.unwrap_or(name).to_owned()
}

/// What a setting of transfer was, in words that follow a fact, where its name is known.
pub fn setting(name: &str) -> &'static str {
    match name {
        "full-full" => "; all examples of source and target",
        "full-limited" => "; all examples of the source, few of the target",
        "limited-limited" => "; few examples of source and target",
        _ => "",
    }
}

/// With how many seeds transfer to each target was measured, in words.
pub fn seeds_of(matrix: &TransferMatrix) -> String {
    let measured = |target: &Vec<Vec<Option<f64>>>| {
        let has =
            |seed: &usize| target.iter().any(|cell| cell.get(*seed).is_some_and(Option::is_some));
        (0..matrix.seeds.len()).filter(has).count()
    };
    let counts = || matrix.scores.iter().map(measured);
    match (counts().min().unwrap_or(0), counts().max().unwrap_or(0)) {
        (least, most) if least < most => format!("{least} to {most} seeds, by target"),
        (_, most) => counted(most as u64, "seed"),
    }
}

/// When the parameters were taken, in words.
pub fn checkpoint(checkpoint: Checkpoint) -> &'static str {
    match checkpoint {
        Checkpoint::Early => "early: after two epochs",
        Checkpoint::Late => "late: at the best validation score",
    }
}

/// What of the tuned parameters makes the vector, or those of several methods, in words.
pub fn vector(recipe: &Recipe, dims: &[usize]) -> String {
    let parameters = match recipe.parameters {
        ParameterSet::All => "all tuned parameters",
        ParameterSet::KeysOnly => "key prefixes only",
    };
    let values = match recipe.values {
        Values::Absolute => "",
        Values::Delta => ", change from the start",
    };
    let aggregation = match recipe.aggregation {
        Aggregation::LayerMean => "mean over layers",
        Aggregation::Flatten => "layers one after another",
        Aggregation::PositionMean => "mean over prefix positions",
    };
    let dims: Vec<String> = dims.iter().map(|dim| count(*dim as u64)).collect();
    format!("{parameters}{values}, {aggregation}: {} values", dims.join("; "))
}

/// A similarity's name on its switch: one of ours, in plain letters.
pub fn similarity_label(name: &str) -> String {
    let mut label = name.to_owned();
    if let Some(first) = label.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    label
}

fn similarity_phrase(name: &str) -> String {
    match name {
        "cosine" => "cosine".into(),
        "centred" => "centred cosine".into(),
        "delta" => "cosine of the change".into(),
        other => format!("{other} similarity"),
    }
}

/// The answer, in one sentence, from a ranking that holds the closest of `all` sources, and
/// what speaks against it. `task` gives the facts of a task by its id.
pub fn sentence<'a>(
    ranking: &Ranking,
    all: usize,
    gains: Option<&Gains>,
    task: impl Fn(&str) -> Option<&'a TaskEntry>,
) -> String {
    let name = |id: &str| task(id).map_or_else(|| id.to_owned(), |task| task.name.clone());
    let target = name(&ranking.target);
    let phrase = similarity_phrase(&ranking.similarity);
    let (best, second) = match &ranking.sources[..] {
        [] => return format!("There is no other task here to start {target} from."),
        [best, rest @ ..] => (best, rest.first()),
    };
    let first = name(&best.task);
    let shown = score(best.score);
    let n = count(all as u64);
    let mut text = match second {
        None => format!(
            "To start on {target} there is only {first}: no other task is here to compare it with ({phrase} {shown})"
        ),
        Some(_) if best.score <= 0.0 => format!(
            "To start on {target}, train on {first} first, if on any: its embedding is the closest of {n}, yet points away ({phrase} {shown})"
        ),
        Some(second) if score(second.score) == shown => format!(
            "To start on {target}, train on {first} or {} first: their embeddings are equally close, the closest of {n} ({phrase} {shown})",
            name(&second.task)
        ),
        Some(_) => format!(
            "To start on {target}, train on {first} first: its embedding is the closest of {n} ({phrase} {shown})"
        ),
    };
    if task(&best.task).is_some_and(is_weak) {
        text += &format!(", though tuning on {first} did no better than guessing");
    }
    text.push('.');
    if let Some(gains) = gains
        && gains.baseline.is_some()
        && let Some(lost) = gains.of.get(&best.task).filter(|gain| **gain < 0.0)
    {
        let ids = ranking.sources.iter().map(|source| &source.task);
        let gained = ids.filter_map(|id| Some((*gains.of.get(id)?, id)));
        let most = gained.max_by(|a, b| a.0.total_cmp(&b.0));
        text += " Measured: ";
        match most.filter(|(gain, _)| *gain > 0.0) {
            Some((gain, most)) => {
                text += &format!("{} gained most ({})", name(most), change(gain));
            }
            None => text += "no source gained",
        }
        text += &format!(", {first} {}.", change(*lost));
    }
    text
}

/// A difference of scores, with its sign.
pub fn change(difference: f64) -> String {
    let text = number(difference, 3);
    if difference > 0.0 { format!("+{text}") } else { text }
}

/// What the sentence does not promise.
pub const CAVEAT: &str = "Closest means the most similar tuned parameters. It is a good first guess, not a promise of a gain.";

#[cfg(test)]
mod tests {
    use super::*;
    use tupate_tasks::EncoderRef;
    use tupate_zoo::RankedSource;

    fn ranking(similarity: &str, scores: &[(&str, f64)]) -> Ranking {
        let encoder = EncoderRef {
            name: "tiny".into(),
            weights_sha256: "ab".repeat(32),
            layers: 2,
            hidden_size: 4,
        };
        Ranking {
            target: "rte".into(),
            recipe: Recipe::paper(encoder, MethodSpec::BitFit, 0, Checkpoint::Late),
            ensemble: Vec::new(),
            similarity: similarity.into(),
            sources: scores
                .iter()
                .enumerate()
                .map(|(i, (task, score))| RankedSource {
                    rank: i + 1,
                    task: (*task).into(),
                    score: *score,
                })
                .collect(),
        }
    }

    fn task(id: &str, score: f64) -> TaskEntry {
        let known = serde_json::json!({
            "id": id, "name": id.to_uppercase(), "class": "CR", "family": "topic",
            "train_examples": 5, "metric": "accuracy", "score": score, "majority": 0.5,
        });
        serde_json::from_value(known).unwrap()
    }

    fn said_of(ranking: &Ranking, gains: Option<&Gains>, best: f64) -> String {
        let ids = ranking.sources.iter().map(|source| &source.task).chain([&ranking.target]);
        let tasks: Vec<_> = ids.map(|id| task(id, best)).collect();
        sentence(ranking, ranking.sources.len(), gains, |id| tasks.iter().find(|t| t.id == id))
    }

    fn said(similarity: &str, scores: &[(&str, f64)]) -> String {
        said_of(&ranking(similarity, scores), None, 0.9)
    }

    #[test]
    fn truth_has_its_seeds_and_tables_their_names() {
        let matrix = |scores: Vec<Vec<Vec<Option<f64>>>>| TransferMatrix {
            setting: "limited-limited".into(),
            metric: "accuracy".into(),
            seeds: vec![0, 1],
            targets: scores.iter().map(|_| "t".into()).collect(),
            sources: vec!["s".into()],
            no_transfer: scores.iter().map(|_| vec![None; 2]).collect(),
            scores,
        };
        let (both, one) = (vec![vec![Some(0.5), Some(0.6)]], vec![vec![None, Some(0.6)]]);
        assert_eq!(seeds_of(&matrix(vec![both.clone(), both.clone()])), "2 seeds");
        assert_eq!(seeds_of(&matrix(vec![both, one.clone()])), "1 to 2 seeds, by target");
        assert_eq!(seeds_of(&matrix(vec![one])), "1 seed");
        assert_eq!(["textemb", "LOGME", "mine"].map(table_label), ["TextEmb", "LogME", "mine"]);
    }

    #[test]
    fn the_closest_of_very_many_are_not_all() {
        let few = ranking("cosine", &[("mnli", 0.4), ("snli", 0.2)]);
        let said = sentence(&few, 99_999, None, |_| None);
        assert!(said.contains("mnli first: its embedding is the closest of 99,999"), "{said}");
    }

    #[test]
    fn the_sentence_names_target_source_and_figure() {
        assert_eq!(
            said("centred", &[("mnli", 0.4123), ("snli", 0.2), ("cola", -0.3)]),
            "To start on RTE, train on MNLI first: its embedding is the closest of 3 (centred cosine 0.4123)."
        );
    }

    #[test]
    fn the_sentence_owns_up_to_ties_and_to_nothing_near() {
        let tie = said("cosine", &[("mnli", 0.99501), ("snli", 0.99499)]);
        assert!(
            tie.contains("train on MNLI or SNLI first") && tie.contains("equally close"),
            "{tie}"
        );
        let far = said("centred", &[("mnli", -0.1), ("snli", -0.4)]);
        assert!(far.contains("MNLI first, if on any") && far.contains("points away"), "{far}");
        assert!(said("cosine", &[("mnli", 0.9)]).contains("only MNLI"));
        assert_eq!(said("cosine", &[]), "There is no other task here to start RTE from.");
    }

    #[test]
    fn the_sentence_says_what_speaks_against_the_first() {
        let ranking = ranking("cosine", &[("mnli", 0.9), ("qnli", 0.5), ("cola", 0.1)]);
        let weak = said_of(&ranking, None, 0.5);
        let doubt = "(cosine 0.9000), though tuning on MNLI did no better than guessing.";
        assert!(weak.ends_with(doubt), "{weak}");
        let mut gains = Gains {
            setting: "full".into(),
            metric: "accuracy".into(),
            baseline: Some(0.5),
            of: [("mnli", -0.096), ("qnli", 0.189)].map(|(id, gain)| (id.into(), gain)).into(),
        };
        let lost = said_of(&ranking, Some(&gains), 0.9);
        let measured = "(cosine 0.9000). Measured: QNLI gained most (+0.189), MNLI −0.096.";
        assert!(lost.ends_with(measured), "{lost}");
        gains.of.insert("qnli".into(), -0.2);
        let all = said_of(&ranking, Some(&gains), 0.9);
        assert!(all.ends_with(" Measured: no source gained, MNLI −0.096."), "{all}");
        // Plain scores are no gains, and of the first that gained nothing is added.
        for (baseline, gain) in [(None, -0.1), (Some(0.5), 0.1)] {
            gains.baseline = baseline;
            gains.of.insert("mnli".into(), gain);
            assert!(said_of(&ranking, Some(&gains), 0.9).ends_with("(cosine 0.9000)."));
        }
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!([change(0.25), change(-0.25), change(0.0)], ["+0.250", "−0.250", "0.000"]);
        assert_eq!(score(0.99123456), "0.9912");
        assert_eq!(score(-0.5), "−0.5000");
        assert_eq!(score(-0.00001), "0.0000");
        assert_eq!(
            [count(0), count(999), count(1000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!([size(1), size(2048), size(3 << 20)], ["1 byte", "2.0 KiB", "3.0 MiB"]);
        assert_eq!(short_hash(&"ab".repeat(32)), "abababababab…");
        assert_eq!(short_hash("é"), "é");
        assert_eq!(clipped("straße", 4), "str…");
    }

    #[test]
    fn sets_are_named_by_method_and_moment() {
        let mut set = EmbeddingSet {
            key: "bitfit.late".into(),
            recipe: ranking("cosine", &[]).recipe,
            tasks: vec!["rte".into()],
            dim: 1,
            has_initial: false,
        };
        assert_eq!(set_label(&set), "BitFit, late");
        set.key = "bitfit.late.2".into();
        assert_eq!(set_label(&set), "BitFit, late (2)");
        set.key = "mine".into();
        assert_eq!(set_label(&set), "mine");
        assert!(of_set(&set.recipe).ends_with("taken late: at the best validation score."));
        // Of what another program made nobody knows when.
        set.recipe.method = MethodSpec::Imported { source: "prompts".into() };
        set.key = "imported.late.flatten".into();
        assert_eq!(set_label(&set), "Imported (flatten)");
        assert_eq!(of_set(&set.recipe), "Vectors from prompts.");
    }
}
