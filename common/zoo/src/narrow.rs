//! Narrowing the list of sources by what is known of them, as a link says.

use crate::{Ranking, TaskEntry, Zoo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tupate_tasks::TaskClass;

/// The filter by a task's class: [`TaskClass::name`].
pub const CLASS: &str = "class";
/// The filter by family.
pub const FAMILY: &str = "family";
/// The filter by the licence of the data.
pub const LICENCE: &str = "licence";
/// The filter by the least number of training examples.
pub const LEAST: &str = "min";
/// The filter by the greatest number of training examples.
pub const MOST: &str = "max";

/// Values of one filter, at most.
const MOST_FACETS: usize = 500;

/// What a source must be to be listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrow {
    /// Of this class.
    pub class: Option<TaskClass>,
    /// Of this family.
    pub family: Option<String>,
    /// With data of this licence; empty for none that is stated.
    pub licence: Option<String>,
    /// With at least so many training examples.
    pub least: Option<u64>,
    /// With at most so many.
    pub most: Option<u64>,
}

impl Narrow {
    /// The filters of a link. What is not understood narrows nothing.
    pub fn of(filters: &[(String, String)]) -> Self {
        let mut narrow = Self::default();
        for (name, value) in filters {
            match name.as_str() {
                CLASS => {
                    narrow.class = TaskClass::ALL.into_iter().find(|class| class.name() == value);
                }
                FAMILY => narrow.family = Some(value.clone()),
                LICENCE => narrow.licence = Some(value.clone()),
                LEAST => narrow.least = value.parse().ok(),
                MOST => narrow.most = value.parse().ok(),
                _ => {}
            }
        }
        narrow
    }

    /// Whether it lets everything pass.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a task passes.
    pub fn passes(&self, task: &TaskEntry) -> bool {
        let n = task.train_examples;
        self.class.is_none_or(|class| task.class == class)
            && self.family.as_ref().is_none_or(|family| task.family == *family)
            && self.licence.as_ref().is_none_or(|l| task.licence.as_deref().unwrap_or("") == l)
            && self.least.is_none_or(|least| n >= least)
            && self.most.is_none_or(|most| n <= most)
    }

    /// Takes out of a ranking what does not pass, and counts anew.
    pub fn apply(&self, zoo: &Zoo, ranking: &mut Ranking) {
        if self.is_open() {
            return;
        }
        let there: BTreeSet<&str> =
            zoo.tasks().iter().filter(|t| self.passes(t)).map(|t| t.id.as_str()).collect();
        ranking.sources.retain(|source| there.contains(source.task.as_str()));
        for (at, source) in ranking.sources.iter_mut().enumerate() {
            source.rank = at + 1;
        }
    }
}

/// What there is to narrow by; of very many, those that were met first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facets {
    /// Short names of classes.
    pub classes: BTreeSet<String>,
    /// Families.
    pub families: BTreeSet<String>,
    /// Licences of data; empty where none is stated.
    pub licences: BTreeSet<String>,
}

impl Facets {
    /// Of these tasks.
    pub fn of<'a>(tasks: impl IntoIterator<Item = &'a TaskEntry>) -> Self {
        let mut facets = Self::default();
        tasks.into_iter().for_each(|task| facets.add(task));
        facets
    }

    fn add(&mut self, task: &TaskEntry) {
        let licence = task.licence.as_deref().unwrap_or("");
        for (all, own) in [
            (&mut self.classes, task.class.name()),
            (&mut self.families, &*task.family),
            (&mut self.licences, licence),
        ] {
            if !all.contains(own) && all.len() < MOST_FACETS {
                all.insert(own.to_owned());
            }
        }
    }

    pub(crate) fn join(&mut self, other: Self) {
        for (all, more) in [
            (&mut self.classes, other.classes),
            (&mut self.families, other.families),
            (&mut self.licences, other.licences),
        ] {
            for own in more {
                if all.len() < MOST_FACETS {
                    all.insert(own);
                }
            }
        }
    }
}

/// Sets one filter of a link, or takes it away, and leaves the others.
pub fn set(filters: &mut Vec<(String, String)>, name: &str, value: Option<String>) {
    filters.retain(|(other, _)| other != name);
    filters.extend(value.map(|value| (name.to_owned(), value)));
    filters.sort();
}

#[cfg(test)]
mod tests {
    use super::*;
    use tupate_tasks::Metric;

    fn task(class: TaskClass, family: &str, n: u64, licence: Option<&str>) -> TaskEntry {
        TaskEntry {
            id: "t".into(),
            name: "T".into(),
            class,
            family: family.into(),
            train_examples: n,
            tunings: 1,
            metric: Metric::Accuracy,
            score: None,
            majority: None,
            licence: licence.map(Into::into),
            link: None,
        }
    }

    fn filters(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn each_filter_lets_pass_what_it_says() {
        let nli = task(TaskClass::ClassificationRegression, "NLI", 500, Some("MIT"));
        let squad = task(TaskClass::QuestionAnswering, "QA", 90_000, None);
        for (filter, first, second) in [
            (vec![], true, true),
            (vec![("class", "CR")], true, false),
            (vec![("class", "QA")], false, true),
            (vec![("family", "NLI")], true, false),
            (vec![("licence", "MIT")], true, false),
            (vec![("licence", "")], false, true),
            (vec![("min", "500")], true, true),
            (vec![("min", "501")], false, true),
            (vec![("max", "500")], true, false),
            (vec![("class", "CR"), ("max", "10")], false, false),
            (vec![("class", "??"), ("min", "many"), ("colour", "red")], true, true),
        ] {
            let narrow = Narrow::of(&filters(&filter));
            assert_eq!((narrow.passes(&nli), narrow.passes(&squad)), (first, second), "{filter:?}");
        }
    }

    #[test]
    fn one_filter_changes_without_the_others() {
        let mut of = filters(&[("class", "CR"), ("later", "x")]);
        set(&mut of, MOST, Some("10".into()));
        set(&mut of, CLASS, Some("QA".into()));
        assert_eq!(of, filters(&[("class", "QA"), ("later", "x"), ("max", "10")]));
        set(&mut of, CLASS, None);
        assert_eq!(of, filters(&[("later", "x"), ("max", "10")]));
        assert!(!Narrow::of(&of).is_open());
    }
}
