//! The data sets whose distributed files are understood: one row each.

use super::columns::{Column, Columns, Leniency};

/// Where a data set's values stand in its files.
#[derive(Clone, Copy, Debug)]
pub enum Layout {
    /// A header names the columns; for each value, the names it goes by in
    /// the distributions of this data set.
    Header {
        /// Names of the first text.
        first: &'static [&'static str],
        /// Names of the second text; empty for a single text.
        second: &'static [&'static str],
        /// Names of the label.
        label: &'static [&'static str],
    },
    /// A table without a header: places, from 0.
    Places {
        /// Columns of every line.
        width: usize,
        /// The first text's column.
        first: usize,
        /// The second text's column, if there is one.
        second: Option<usize>,
        /// The label's column.
        label: usize,
    },
}

/// One data set: which files hold it and what stands in them.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The task's id in `tupate_tasks::TASKS`.
    pub id: &'static str,
    /// Sets of file names that make up the training split, `.gz` left out.
    /// Where none is there, `train*` is looked for.
    pub train: &'static [&'static [&'static str]],
    /// The same for the development split; then `dev*` is looked for.
    pub dev: &'static [&'static [&'static str]],
    /// Where the values stand.
    pub layout: Layout,
    /// The label as written in the files and the class's name; the order is
    /// the class's number, and is that of the Hugging Face `glue` data set.
    pub labels: &'static [(&'static str, &'static str)],
    /// The label of examples that have none.
    pub unlabelled: Option<&'static str>,
    /// The distributed files are known to hold a few broken lines.
    pub broken_lines: bool,
    /// What the distributors state about use.
    pub licence: &'static str,
}

impl Known {
    /// The names by which a training file is looked for.
    pub fn train_names(&self) -> Vec<String> {
        file_names(self.train, "train*")
    }

    /// The names by which a development file is looked for.
    pub fn dev_names(&self) -> Vec<String> {
        file_names(self.dev, "dev*")
    }

    /// The classes' names, in the order of their numbers.
    pub fn label_names(&self) -> Vec<String> {
        self.labels.iter().map(|(_, name)| (*name).to_owned()).collect()
    }

    pub(super) fn columns(&self) -> Columns {
        match self.layout {
            Layout::Header { first, second, label } => Columns {
                first: named(first),
                second: (!second.is_empty()).then(|| named(second)),
                label: named(label),
            },
            Layout::Places { first, second, label, .. } => Columns {
                first: Column::At(first),
                second: second.map(Column::At),
                label: Column::At(label),
            },
        }
    }

    pub(super) fn leniency(&self) -> Leniency {
        Leniency { broken_lines: self.broken_lines, unlabelled: self.unlabelled }
    }
}

fn named(names: &[&str]) -> Column {
    Column::Named(names.iter().map(|name| (*name).to_owned()).collect())
}

fn file_names(sets: &[&[&str]], pattern: &str) -> Vec<String> {
    let sets = sets.iter().map(|set| set.join(" + "));
    sets.chain([pattern.to_owned()]).collect()
}

const PLAIN: Known = Known {
    id: "",
    train: &[&["train.tsv"]],
    dev: &[&["dev.tsv"]],
    layout: Layout::Header { first: &["sentence"], second: &[], label: &["label"] },
    labels: &[],
    unlabelled: None,
    broken_lines: false,
    licence: "",
};

const fn pair(
    first: &'static [&'static str],
    second: &'static [&'static str],
    label: &'static [&'static str],
) -> Layout {
    Layout::Header { first, second, label }
}

const NLI: Layout = pair(&["sentence1"], &["sentence2"], &["gold_label", "label"]);
const ENTAILMENT: &[(&str, &str)] =
    &[("entailment", "entailment"), ("not_entailment", "not_entailment")];
const THREE_WAY: &[(&str, &str)] =
    &[("entailment", "entailment"), ("neutral", "neutral"), ("contradiction", "contradiction")];

/// Every data set that can be read from its distributed files.
pub static DATASETS: &[Known] = &[
    Known {
        id: "snli",
        train: &[&["train.tsv"], &["snli_1.0_train.jsonl"], &["snli_1.0_train.txt"]],
        dev: &[&["dev.tsv"], &["snli_1.0_dev.jsonl"], &["snli_1.0_dev.txt"]],
        layout: NLI,
        labels: THREE_WAY,
        unlabelled: Some("-"),
        licence: "CC BY-SA 4.0",
        ..PLAIN
    },
    Known {
        id: "mnli",
        train: &[&["train.tsv"], &["multinli_1.0_train.jsonl"]],
        dev: &[&["dev_matched.tsv"], &["multinli_1.0_dev_matched.jsonl"]],
        layout: NLI,
        labels: THREE_WAY,
        unlabelled: Some("-"),
        licence: "OANC licence; parts of the fiction genre CC BY 3.0 or CC BY-SA 3.0",
        ..PLAIN
    },
    Known {
        id: "qqp",
        layout: pair(&["question1"], &["question2"], &["is_duplicate"]),
        labels: &[("0", "not_duplicate"), ("1", "duplicate")],
        // Questions with a line break or a tab in them, and a few empty ones.
        broken_lines: true,
        licence: "Quora's terms of service; non-commercial use",
        ..PLAIN
    },
    Known {
        id: "qnli",
        layout: pair(&["question"], &["sentence"], &["label"]),
        labels: ENTAILMENT,
        licence: "CC BY-SA 4.0 (derived from SQuAD)",
        ..PLAIN
    },
    Known {
        id: "sst2",
        labels: &[("0", "negative"), ("1", "positive")],
        licence: "none stated by the distributors (Stanford NLP)",
        ..PLAIN
    },
    Known {
        id: "scitail",
        train: &[&["train.tsv"], &["scitail_1.0_train.tsv"]],
        dev: &[&["dev.tsv"], &["scitail_1.0_dev.tsv"]],
        layout: Layout::Places { width: 3, first: 0, second: Some(1), label: 2 },
        labels: &[("neutral", "neutral"), ("entails", "entails")],
        licence: "none stated on the data (AI2)",
        ..PLAIN
    },
    Known {
        id: "cola",
        train: &[&["train.tsv"], &["in_domain_train.tsv"]],
        // GLUE's development set is both of the corpus's.
        dev: &[
            &["dev.tsv"],
            &["in_domain_dev.tsv", "out_of_domain_dev.tsv"],
            &["in_domain_dev.tsv"],
            &["out_of_domain_dev.tsv"],
        ],
        layout: Layout::Places { width: 4, first: 3, second: None, label: 1 },
        labels: &[("0", "unacceptable"), ("1", "acceptable")],
        licence: "none stated; sentences belong to their authors, research use",
        ..PLAIN
    },
    Known {
        id: "mrpc",
        layout: pair(&["#1 String"], &["#2 String"], &["Quality"]),
        labels: &[("0", "not_equivalent"), ("1", "equivalent")],
        licence: "Microsoft Research Data Licence; non-commercial research",
        ..PLAIN
    },
    Known {
        id: "rte",
        layout: pair(&["sentence1"], &["sentence2"], &["label"]),
        labels: ENTAILMENT,
        licence: "none stated in GLUE (PASCAL RTE 1, 2, 3 and 5)",
        ..PLAIN
    },
    Known {
        id: "wnli",
        layout: pair(&["sentence1"], &["sentence2"], &["label"]),
        labels: &[("0", "not_entailment"), ("1", "entailment")],
        licence: "CC BY 4.0 (Winograd Schema Challenge)",
        ..PLAIN
    },
    Known {
        id: "boolq",
        train: &[&["train.jsonl"]],
        dev: &[&["dev.jsonl"], &["val.jsonl"]],
        layout: pair(&["question"], &["passage"], &["answer", "label"]),
        labels: &[("false", "no"), ("true", "yes")],
        licence: "CC BY-SA 3.0",
        ..PLAIN
    },
];

/// The rows of [`DATASETS`].
pub fn known() -> &'static [Known] {
    DATASETS
}

/// The row of [`DATASETS`] for this task.
pub fn find(id: &str) -> Option<&'static Known> {
    DATASETS.iter().find(|known| known.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tupate_tasks::{InputShape, task};

    #[test]
    fn every_row_belongs_to_a_task_of_its_shape_and_says_its_terms() {
        for known in DATASETS {
            let info = task(known.id).unwrap_or_else(|| panic!("{} is in no table", known.id));
            let pair = known.columns().second.is_some();
            assert_eq!(info.input == InputShape::Pair, pair, "{}", known.id);
            assert!(known.labels.len() >= 2 && !known.licence.is_empty(), "{}", known.id);
        }
    }
}
