//! What the figures of the lab are called, and what they mean, in sentences.

use crate::words;
use tupate_metrics::{MEASURES, PairedTest, Relevance};
use tupate_zoo::lab::{Verdict, measure};

/// A measure of the lab: one of [`MEASURES`], or NDCG by the relevance that is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// Its name in links; NDCG's is without the relevance.
    pub name: &'static str,
    /// On its switch and above its column.
    pub label: &'static str,
    /// What it is.
    pub describe: &'static str,
}

/// Every measure of the lab, in the order of the switch and of the table.
pub const GAUGES: &[Gauge] = &[
    Gauge {
        name: "ndcg",
        label: "NDCG",
        describe: "How much of the best possible order's gain the predicted one has; 1 is perfect.",
    },
    Gauge {
        name: "rank_of_best",
        label: "ρ",
        describe: "Predicted rank of the truly best source, averaged over targets; 1 is perfect.",
    },
    Gauge {
        name: "regret.1",
        label: "Regret@1",
        describe: "What is lost by taking the first source, as a share of the best score; 0 is perfect.",
    },
    Gauge {
        name: "regret.3",
        label: "Regret@3",
        describe: "What is lost by taking the best of the first three sources; 0 is perfect.",
    },
    Gauge {
        name: "regret.5",
        label: "Regret@5",
        describe: "What is lost by taking the best of the first five sources; 0 is perfect.",
    },
    Gauge {
        name: "regret_of_means.5",
        label: "Mean regret@5",
        describe: "TaskWeb's form: the mean of the first five sources against that of the best five; 0 is perfect.",
    },
    Gauge {
        name: "kendall_tau",
        label: "Kendall τ",
        describe: "Rank correlation of predicted and true scores, by pairs in order; 1 is perfect.",
    },
    Gauge {
        name: "spearman",
        label: "Spearman",
        describe: "Rank correlation of predicted and true scores, of the ranks; 1 is perfect.",
    },
];

impl Gauge {
    /// The gauge that a link names, NDCG for any relevance, or else the first.
    pub fn named(name: Option<&str>) -> &'static Self {
        let family = name.map(|name| if name.starts_with("ndcg.") { "ndcg" } else { name });
        GAUGES.iter().find(|gauge| Some(gauge.name) == family).unwrap_or(&GAUGES[0])
    }

    /// Its place among [`MEASURES`].
    pub fn measure(&self, relevance: Relevance) -> usize {
        let name = match self.name {
            "ndcg" => format!("ndcg.{}", relevance.name()),
            name => name.to_owned(),
        };
        measure(&name).expect("every gauge is a measure")
    }

    /// Its name in a sentence.
    pub fn phrase(&self, relevance: Relevance) -> String {
        match self.name {
            "ndcg" => format!("NDCG ({})", relevance.name()),
            _ => self.label.to_owned(),
        }
    }
}

/// The relevance that a link names, in itself or with the measure, or else the default.
pub fn relevance(named: Option<&str>, measure: Option<&str>) -> Relevance {
    let of_measure = measure.and_then(|name| name.strip_prefix("ndcg."));
    let named = named.or(of_measure);
    Relevance::ALL.into_iter().find(|r| Some(r.name()) == named).unwrap_or(Relevance::ALL[0])
}

/// What a relevance is, for people.
pub fn describe(relevance: Relevance) -> &'static str {
    match relevance {
        Relevance::Percent => {
            "Relevance is the score in percent: half a point of accuracy matters."
        }
        Relevance::Fraction => {
            "Relevance is the score from 0 to 1: nearly blind, as a random order comes close to 1."
        }
        Relevance::Rank => "Relevance is the place among the sources, the best highest.",
        Relevance::Gain => {
            "Relevance is the gain in points over no transfer; what harms counts as nothing."
        }
    }
}

/// A figure of a measure, with the digits that it deserves.
pub fn figure(measure: usize, value: f64) -> String {
    words::number(value, decimals(measure))
}

fn decimals(measure: usize) -> usize {
    if MEASURES[measure].name == "rank_of_best" { 2 } else { 3 }
}

/// A p-value.
fn p_value(test: &PairedTest) -> String {
    match test.p_value {
        p if p < 0.001 => "p < 0.001".into(),
        p => format!("p = {}", words::number(p, 3)),
    }
}

/// The ends of an interval: with a digit more where one would look as if it were 0.
pub fn ends(measure: usize, ends: [f64; 2]) -> String {
    let decimals = decimals(measure);
    let hidden =
        |end: f64| end != 0.0 && words::number(end, decimals) == words::number(0.0, decimals);
    let decimals = decimals + usize::from(ends.into_iter().any(hidden));
    let [low, high] = ends.map(|end| words::number(end, decimals));
    format!("{low} to {high}")
}

fn interval(measure: usize, test: &PairedTest) -> String {
    test.interval.map_or_else(
        || "no interval from one target".into(),
        |found| format!("95 % interval {}", ends(measure, found)),
    )
}

/// Two methods by one measure, in a sentence.
pub fn compared(
    first: &str,
    second: &str,
    gauge: &Gauge,
    relevance: Relevance,
    verdict: Option<Verdict>,
) -> String {
    let by = gauge.phrase(relevance);
    let Some(Verdict { test, first_is_better }) = verdict else {
        return format!(
            "By {by} they cannot be compared: they share no target with the same sources."
        );
    };
    let measure = gauge.measure(relevance);
    let over = words::counted(test.targets as u64, "target");
    let facts = format!("{}, {}", interval(measure, &test), p_value(&test));
    let by_how_much = figure(measure, test.difference.abs());
    match first_is_better {
        Some(first_wins) => {
            let (better, worse) = if first_wins { (first, second) } else { (second, first) };
            format!(
                "By {by}, {better} is better than {worse}, by {by_how_much} over {over} ({facts})."
            )
        }
        None if test.difference == 0.0 => {
            format!("By {by}, {first} and {second} do equally well over {over} ({facts}).")
        }
        None => {
            let greater = test.difference > 0.0;
            let ahead = if greater == MEASURES[measure].greater_is_better { first } else { second };
            let why = match test.interval {
                Some([low, high]) if low <= 0.0 && high >= 0.0 => "the interval includes 0",
                _ => "it takes more targets to tell",
            };
            format!(
                "By {by}, {ahead} is ahead by {by_how_much} over {over}, which may be chance: {why} ({facts})."
            )
        }
    }
}

/// Whether what [`compared`] says holds whatever counts as relevant, in a sentence.
pub fn holds(first: &str, second: &str, verdicts: &[(Relevance, Option<Verdict>)]) -> String {
    let wins = |who: Option<bool>| -> Vec<&str> {
        let won = |v: &Option<Verdict>| v.is_some_and(|v| v.first_is_better == who);
        verdicts.iter().filter(|(_, v)| won(v)).map(|(r, _)| r.name()).collect()
    };
    let (first_wins, second_wins, open) = (wins(Some(true)), wins(Some(false)), wins(None));
    let unknown: Vec<&str> =
        verdicts.iter().filter(|(_, v)| v.is_none()).map(|(r, _)| r.name()).collect();
    let mut text = match (&first_wins[..], &second_wins[..], &open[..]) {
        ([], [], []) => return "NDCG cannot be compared by any relevance.".into(),
        ([], [], _) if verdicts.iter().flat_map(|(_, v)| v).any(|v| v.test.interval.is_none()) => {
            "No relevance tells the two apart: one target gives no interval.".to_owned()
        }
        ([], [], _) => "No relevance tells the two apart.".to_owned(),
        ([..], [], []) => {
            format!("The conclusion holds by every relevance: {first} has the higher NDCG.")
        }
        ([], [..], []) => {
            format!("The conclusion holds by every relevance: {second} has the higher NDCG.")
        }
        ([..], [..], _) if !first_wins.is_empty() && !second_wins.is_empty() => format!(
            "The conclusion turns with the relevance: {first} has the higher NDCG by {}, {second} by {}.",
            listed(&first_wins),
            listed(&second_wins)
        ),
        (one, other, open) => {
            let (who, by) = if other.is_empty() { (first, one) } else { (second, other) };
            format!(
                "The conclusion depends on the relevance: {who} has the higher NDCG by {}; by {} the two cannot be told apart.",
                listed(by),
                listed(open)
            )
        }
    };
    if !unknown.is_empty() {
        text.push_str(&format!(" By {} it is undefined here.", listed(&unknown)));
    }
    text
}

/// What late embeddings have over early ones of the same method, in a sentence.
pub fn early_or_late(
    method: &str,
    gauge: &Gauge,
    relevance: Relevance,
    early_over_late: Option<Verdict>,
) -> String {
    let Some(Verdict { test, first_is_better }) = early_over_late else {
        return format!("{method}: early and late share no target with the same sources.");
    };
    let measure = gauge.measure(relevance);
    let facts = format!(
        "difference {}, {}, {}",
        figure(measure, test.difference),
        interval(measure, &test),
        p_value(&test)
    );
    match first_is_better {
        Some(true) => format!("{method}: early is better ({facts})."),
        Some(false) => format!("{method}: late is better ({facts})."),
        None if test.interval.is_none() => {
            format!("{method}: one target cannot tell early and late apart ({facts}).")
        }
        None => format!("{method}: early and late cannot be told apart ({facts})."),
    }
}

/// `a, b and c`.
fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(
        difference: f64,
        interval: [f64; 2],
        first_is_better: Option<bool>,
    ) -> Option<Verdict> {
        let interval = Some(interval);
        let test = PairedTest { targets: 22, difference, interval, p_value: 0.0124, exact: false };
        Some(Verdict { test, first_is_better })
    }

    #[test]
    fn every_gauge_is_a_measure_and_no_measure_is_forgotten() {
        let mut there: Vec<usize> = GAUGES
            .iter()
            .flat_map(|gauge| Relevance::ALL.map(|relevance| gauge.measure(relevance)))
            .collect();
        there.sort_unstable();
        there.dedup();
        assert_eq!(there, (0..MEASURES.len()).collect::<Vec<_>>());
        for (named, wanted) in [
            (None, "ndcg"),
            (Some("ndcg.gain"), "ndcg"),
            (Some("regret.3"), "regret.3"),
            (Some("x"), "ndcg"),
        ] {
            assert_eq!(Gauge::named(named).name, wanted);
        }
        assert_eq!(relevance(None, Some("ndcg.gain")), Relevance::Gain);
        assert_eq!(relevance(Some("rank"), Some("ndcg.gain")), Relevance::Rank);
        assert_eq!(relevance(Some("none"), None), Relevance::Percent);
    }

    #[test]
    fn a_comparison_says_who_by_how_much_and_how_sure() {
        let (ndcg, regret) = (Gauge::named(None), Gauge::named(Some("regret.1")));
        let say = |gauge, verdict| compared("LoRA", "BitFit", gauge, Relevance::Percent, verdict);
        assert_eq!(
            say(ndcg, verdict(0.0312, [0.01, 0.052], Some(true))),
            "By NDCG (percent), LoRA is better than BitFit, by 0.031 over 22 targets (95 % interval 0.010 to 0.052, p = 0.012)."
        );
        // Less regret is better.
        let less = say(regret, verdict(0.02, [0.01, 0.03], Some(false)));
        assert!(less.starts_with("By Regret@1, BitFit is better than LoRA, by 0.020"), "{less}");
        let open = say(regret, verdict(0.02, [-0.01, 0.03], None));
        assert!(open.starts_with("By Regret@1, BitFit is ahead by 0.020"), "{open}");
        assert!(open.contains("may be chance"), "{open}");
        assert!(say(ndcg, None).contains("share no target"));
        let same = say(ndcg, verdict(0.0, [0.0, 0.0], None));
        assert!(same.contains("equally well"), "{same}");
        let one = say(ndcg, without_interval(verdict(0.02, [0.0, 0.0], None)));
        // Few targets that agree: the interval alone would say more than there is.
        let few = say(ndcg, verdict(0.02, [0.01, 0.03], None));
        assert!(few.contains("may be chance: it takes more targets to tell (95 %"), "{few}");
        assert!(one.contains("more targets to tell (no interval from one target, "), "{one}");
        assert!(!one.contains("includes 0"), "{one}");
    }

    fn without_interval(verdict: Option<Verdict>) -> Option<Verdict> {
        let Verdict { test, first_is_better } = verdict?;
        let test = PairedTest { targets: 1, interval: None, ..test };
        Some(Verdict { test, first_is_better })
    }

    #[test]
    fn the_end_of_an_interval_is_not_0_by_rounding() {
        let ndcg = Gauge::named(None).measure(Relevance::Percent);
        assert_eq!(ends(ndcg, [0.0004, 0.02]), "0.0004 to 0.0200");
        assert_eq!(ends(ndcg, [-0.3, -0.0004]), "−0.3000 to −0.0004");
        assert_eq!(ends(ndcg, [0.0, 0.02]), "0.000 to 0.020");
        let place = Gauge::named(Some("rank_of_best")).measure(Relevance::Percent);
        assert_eq!(ends(place, [0.004, 1.5]), "0.004 to 1.500");
    }

    #[test]
    fn whether_a_conclusion_holds_is_said() {
        let of = |who: [Option<Option<bool>>; 4]| {
            let verdicts: Vec<_> = Relevance::ALL
                .into_iter()
                .zip(who.map(|who| who.and_then(|who| verdict(0.1, [0.0, 0.2], who))))
                .collect();
            holds("A", "B", &verdicts)
        };
        let (a, b, open) = (Some(Some(true)), Some(Some(false)), Some(None));
        assert!(of([a, a, a, a]).contains("holds by every relevance: A"));
        assert!(of([b, b, b, None]).contains("every relevance: B"));
        assert!(of([b, b, b, None]).contains("By gain it is undefined"));
        assert!(of([open; 4]).starts_with("No relevance tells the two apart"));
        let turns = of([a, open, b, a]);
        assert!(turns.contains("A has the higher NDCG by percent and gain, B by rank"), "{turns}");
        let depends = of([open, b, open, b]);
        assert!(depends.contains("depends on the relevance: B"), "{depends}");
        assert!(depends.contains("by percent and rank the two cannot"), "{depends}");
        assert!(of([None; 4]).contains("cannot be compared"));
        let one = without_interval(verdict(0.1, [0.0, 0.2], None));
        let single = holds("A", "B", &Relevance::ALL.map(|relevance| (relevance, one)));
        assert_eq!(single, "No relevance tells the two apart: one target gives no interval.");
    }

    #[test]
    fn early_against_late() {
        let say = |who| {
            let ndcg = Gauge::named(None);
            early_or_late("LoRA", ndcg, Relevance::Rank, verdict(-0.01, [-0.02, 0.001], who))
        };
        assert_eq!(
            say(None),
            "LoRA: early and late cannot be told apart (difference −0.010, 95 % interval −0.020 to 0.001, p = 0.012)."
        );
        assert!(say(Some(false)).contains("late is better"));
        let one = without_interval(verdict(-0.01, [0.0, 0.0], None));
        let said = early_or_late("LoRA", Gauge::named(None), Relevance::Rank, one);
        assert!(said.starts_with("LoRA: one target cannot tell early and late apart"), "{said}");
    }
}
