//! What is known of a data set whose distributed files are understood.

use super::Objective;
use super::columns::{Column, Columns};
use super::extract::Leniency;
use super::questions::Form;
pub use super::table::DATASETS;
use super::words::TagColumn;

/// How a data set's files are laid out.
#[derive(Clone, Copy, Debug)]
pub enum Layout {
    /// A header names the columns; for each value, the names it goes by in
    /// the distributions of this data set.
    Header {
        /// Names of the first text.
        first: &'static [&'static str],
        /// Names of the second text; empty for a single text.
        second: &'static [&'static str],
        /// Names of the label or score.
        label: &'static [&'static str],
    },
    /// A table without a header: places, from 0.
    Places {
        /// Columns of every line.
        width: usize,
        /// Some lines have more.
        more: bool,
        /// The first text's column.
        first: usize,
        /// The second text's column, if there is one.
        second: Option<usize>,
        /// The column of the label or score.
        label: usize,
    },
    /// Questions with their texts, in one of [`Form::GENERAL`] or this form.
    Questions {
        /// The form that only this data set has.
        own: Option<Form>,
    },
    /// A word and its label a line.
    Words {
        /// The word's column, from 0.
        word: usize,
        /// The label's column.
        tag: TagColumn,
        /// The label's column in CoNLL-U: `upos`, `xpos` or `deprel`; empty
        /// where none of them is meant.
        conllu: &'static str,
        /// Where it stands in trees, if it does.
        tree: Option<Tree>,
    },
}

/// Which label of a word is one of its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    /// Of a Penn Treebank tree, so many nodes above the part of speech.
    Penn(usize),
    /// The category of a leaf in CCGbank.
    Ccgbank,
}

impl Layout {
    /// Where the values of texts stand; `score` if numbers are predicted.
    pub(super) fn columns(self, score: bool) -> Option<Columns> {
        match self {
            Self::Header { first, second, label } => Some(Columns::Texts {
                first: named(first),
                second: (!second.is_empty()).then(|| named(second)),
                label: named(label),
                score,
            }),
            Self::Places { first, second, label, .. } => Some(Columns::Texts {
                first: Column::At(first),
                second: second.map(Column::At),
                label: Column::At(label),
                score,
            }),
            Self::Questions { .. } | Self::Words { .. } => None,
        }
    }

    /// Matches no layout.
    pub(super) fn never(&self) -> bool {
        false
    }
}

/// Where the Hugging Face hub has a data set as Parquet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hub {
    /// Owner and name of the repository.
    pub repository: (&'static str, &'static str),
    /// The configuration: one data set of several in a repository.
    pub config: &'static str,
    /// The training split's name there.
    pub train: &'static str,
    /// The development split's name there.
    pub dev: &'static str,
}

/// One data set: which files hold it and what stands in them.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The task's id in `tupate_tasks::TASKS`.
    pub id: &'static str,
    /// Sets of file names that make up the training split, `.gz` left out.
    /// Where none is there, `train*` is looked for.
    pub train: &'static [&'static [&'static str]],
    /// The same for the development split; then `dev*` and `val*` are looked
    /// for.
    pub dev: &'static [&'static [&'static str]],
    /// What is asked.
    pub objective: Objective,
    /// How the files are laid out; of several, the first that fits.
    pub layouts: &'static [Layout],
    /// The label as written in the files and the class's name; the order is
    /// the class's number, and is that of the Hugging Face `glue` data set.
    /// Empty where there are no classes, or the training file says which.
    pub labels: &'static [(&'static str, &'static str)],
    /// The label of examples that have none.
    pub unlabelled: Option<&'static str>,
    /// The distributed files are known to hold a few broken lines.
    pub broken_lines: bool,
    /// What the distributors state about use.
    pub licence: &'static str,
    /// Where it can be downloaded from, or why it cannot.
    pub hub: Result<Hub, &'static str>,
}

impl Known {
    /// The names by which a training file is looked for.
    pub fn train_names(&self) -> Vec<String> {
        file_names(self.train, &["train*"])
    }

    /// The names by which a development file is looked for.
    pub fn dev_names(&self) -> Vec<String> {
        file_names(self.dev, &["dev*"])
    }

    /// The classes' names, in the order of their numbers.
    pub fn label_names(&self) -> Vec<String> {
        self.labels.iter().map(|(_, name)| (*name).to_owned()).collect()
    }

    /// What stands in the files, for people.
    pub fn forms(&self) -> Vec<String> {
        let shown = |names: &[&str]| names.join(" or ");
        let forms = self.layouts.iter().map(|layout| match layout {
            Layout::Header { first, second: [], label } => {
                format!("columns {}; {}", shown(first), shown(label))
            }
            Layout::Header { first, second, label } => {
                format!("columns {}; {}; {}", shown(first), shown(second), shown(label))
            }
            Layout::Places { width, first, second, label, .. } => {
                let places = [Some(*first), *second, Some(*label)];
                let places: Vec<_> =
                    places.iter().flatten().map(|place| (place + 1).to_string()).collect();
                format!("{width} columns without a header, of which {}", places.join(", "))
            }
            Layout::Questions { own } => {
                let forms = own.iter().chain(Form::GENERAL).map(|form| form.name());
                format!("the form of {}", forms.collect::<Vec<_>>().join(" or "))
            }
            Layout::Words { word, tag, conllu, tree } => {
                let tag = match tag {
                    TagColumn::Last => "its label last".to_owned(),
                    TagColumn::At(place) => format!("its label in column {}", place + 1),
                };
                let conllu = match *conllu {
                    "" => String::new(),
                    column => format!(", or CoNLL-U and its {column}"),
                };
                let tree = match tree {
                    None => "",
                    Some(Tree::Penn(_)) => ", or trees in Penn bracketing (.ptb, .mrg)",
                    Some(Tree::Ccgbank) => ", or CCGbank's derivations (.auto)",
                };
                format!("a word a line in column {} and {tag}{conllu}{tree}", word + 1)
            }
        });
        forms.collect()
    }

    /// Where the values stand in the files of a task of texts.
    #[cfg(test)]
    pub(super) fn columns(&self) -> Option<Columns> {
        self.layouts[0].columns(self.objective == Objective::Regression)
    }

    pub(super) fn leniency(&self) -> Leniency {
        Leniency { broken_lines: self.broken_lines, unlabelled: self.unlabelled }
    }
}

fn named(names: &[&str]) -> Column {
    Column::Named(names.iter().map(|name| (*name).to_owned()).collect())
}

fn file_names(sets: &[&[&str]], patterns: &[&str]) -> Vec<String> {
    let sets = sets.iter().map(|set| set.join(" + "));
    sets.chain(patterns.iter().map(|pattern| (*pattern).to_owned())).collect()
}

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
            let (input, objective) = match (known.columns(), known.layouts[0]) {
                (Some(Columns::Texts { second: Some(_), score, .. }), _) => {
                    (InputShape::Pair, score)
                }
                (Some(Columns::Texts { .. }), _) => (InputShape::Single, false),
                (_, Layout::Questions { .. }) => (InputShape::Span, false),
                _ => (InputShape::Words, false),
            };
            assert_eq!(info.input, input, "{}", known.id);
            assert_eq!(known.objective == Objective::Regression, objective, "{}", known.id);
            assert!(!known.licence.is_empty(), "{}", known.id);
            let classes = known.objective == Objective::Classification;
            assert_eq!(known.labels.len() >= 2, classes || known.id == "ged", "{}", known.id);
        }
    }

    #[test]
    fn every_task_has_a_reader_or_is_generated() {
        for task in tupate_tasks::TASKS {
            assert!(find(task.id).is_some() || task.id.starts_with("sample_"), "{}", task.id);
        }
    }
}
