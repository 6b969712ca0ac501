//! An example as a reader of files hands it on: texts, and a label by its
//! spelling.

use super::error::Spot;
use super::{Answer, Input, Objective};

/// An example as it stands in a file.
pub(super) struct Raw {
    pub(super) at: Spot,
    pub(super) input: Input,
    pub(super) target: Target,
    /// Questions about one article or text have the same group, so that a
    /// held-out split does not share its texts with training.
    pub(super) group: Group,
}

/// Which examples are about one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Group {
    /// The nth article or text of its file.
    Nth(u32),
    /// The text or title of this hash, in whichever file.
    About(u64),
}

impl Group {
    /// The examples of a file that are about nothing in common.
    pub(super) const NONE: Self = Self::Nth(0);
}

/// What is to be predicted, before classes have numbers.
pub(super) enum Target {
    /// A class as it is spelled.
    Class(String),
    /// A finite number.
    Score(f32),
    /// Accepted answers; none where there is no answer.
    Answers(Vec<Answer>),
    /// One class a word, and the line of each where words have lines.
    Tags(Vec<String>, Vec<usize>),
}

impl Target {
    pub(super) fn objective(&self) -> Objective {
        match self {
            Self::Class(_) => Objective::Classification,
            Self::Score(_) => Objective::Regression,
            Self::Answers(_) => Objective::SpanExtraction,
            Self::Tags(..) => Objective::TokenClassification,
        }
    }

    /// The classes as they are spelled.
    pub(super) fn spelled(&self) -> &[String] {
        match self {
            Self::Class(class) => std::slice::from_ref(class),
            Self::Tags(tags, _) => tags,
            Self::Score(_) | Self::Answers(_) => &[],
        }
    }
}

impl Raw {
    /// The place of the `i`th class of this example.
    pub(super) fn at(&self, i: usize) -> Spot {
        match &self.target {
            Target::Tags(_, lines) => lines.get(i).map_or(self.at.clone(), |l| Spot::Line(*l)),
            _ => self.at.clone(),
        }
    }
}

/// What a reader made of a file.
#[derive(Default)]
pub(super) struct Extracted {
    pub(super) rows: Vec<Raw>,
    /// What was passed over and why, to be told.
    pub(super) notes: Vec<String>,
}
