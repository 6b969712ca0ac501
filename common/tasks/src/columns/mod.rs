//! Which column of a file plays which role: by the user's word, or by its name.
//!
//! Who reads the file and who shows a part of it before it is read guess the same.

mod choice;

pub use choice::{ChoiceError, ColumnChoice, Role};

use std::fmt;

/// Names that a pair of texts goes by in the data sets people have, most
/// telling first.
const PAIRS: &[(&str, &str)] = &[
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("texta", "textb"),
    ("sentencea", "sentenceb"),
    ("question", "passage"),
    ("question", "sentence"),
    ("question", "context"),
    ("query", "document"),
    ("query", "passage"),
    ("claim", "evidence"),
];

/// Names of a single text.
const TEXTS: &[&str] = &[
    "text",
    "sentence",
    "sentence1",
    "review",
    "content",
    "utterance",
    "question",
    "premise",
    "tweet",
    "message",
    "comment",
    "document",
    "passage",
    "body",
    "query",
    "reviewtext",
    "tweettext",
    "fulltext",
    "title",
];

/// Names of a label.
const LABELS: &[&str] = &[
    "label",
    "labels",
    "goldlabel",
    "class",
    "category",
    "target",
    "sentiment",
    "intent",
    "topic",
    "rating",
    "stars",
    "polarity",
    "isduplicate",
    "quality",
    "answer",
    "y",
];

/// Names of the parts of a question whose answer is a span. A passage with an
/// answer is more often a yes/no question, so that only a context is one here.
const QUESTIONS: &[&str] = &["question", "query"];
const CONTEXTS: &[&str] = &["context"];
const ANSWERS: &[&str] = &["answers", "answer", "answertext"];

/// Names of lists of words and of their labels.
const WORDS: &[&str] = &["words", "tokens"];
const TAGS: &[&str] = &["tags", "nertags", "postags", "chunktags", "labels"];

/// Where one value of an example stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// The first of these names that is there.
    Named(Vec<String>),
    /// A place in a table without a header, from 0.
    At(usize),
}

/// Where an example's values stand.
#[derive(Clone, Debug, PartialEq)]
pub enum Columns {
    /// One or two texts, and a class or (`score`) a number.
    Texts {
        /// The text, or the first of two.
        first: Column,
        /// The second text.
        second: Option<Column>,
        /// The class or the number.
        label: Column,
        /// Whether it is a number to predict.
        score: bool,
    },
    /// A question, the text that holds its answer, and the answer.
    Questions {
        /// The question.
        question: Column,
        /// The text that holds the answer.
        context: Column,
        /// The answer.
        answer: Column,
    },
    /// A list of words and a list of their labels.
    Words {
        /// The words.
        words: Column,
        /// Their labels.
        tags: Column,
    },
}

impl Column {
    /// The column of this name.
    pub fn named(name: &str) -> Self {
        Self::Named(vec![name.to_owned()])
    }

    /// The name for messages: what the file calls it, or its place from 1.
    pub fn shown(&self) -> String {
        match self {
            Self::Named(names) => format!("{:?}", names.first().map_or("", String::as_str)),
            Self::At(place) => (place + 1).to_string(),
        }
    }
}

impl Columns {
    /// Each column with what it is for.
    pub fn parts(&self) -> Vec<(&'static str, &Column)> {
        match self {
            Self::Texts { first, second: None, label, score } => {
                vec![("text", first), (target(*score), label)]
            }
            Self::Texts { first, second: Some(second), label, score } => {
                vec![("first text", first), ("second text", second), (target(*score), label)]
            }
            Self::Questions { question, context, answer } => {
                vec![("question", question), ("context", context), ("answer", answer)]
            }
            Self::Words { words, tags } => vec![("words", words), ("tag", tags)],
        }
    }

    /// `text = "review", label = "stars"`.
    pub fn shown(&self) -> String {
        let parts = self.parts().into_iter();
        let shown = parts.map(|(role, column)| format!("{role} = {}", column.shown()));
        shown.collect::<Vec<_>>().join(", ")
    }

    /// Those of a file's columns that none of these is.
    pub fn unused<'a>(&self, names: &'a [String]) -> Vec<&'a str> {
        let used = |place: usize, name: &str| {
            self.parts().iter().any(|(_, column)| match column {
                Column::Named(all) => all.iter().any(|one| one == name),
                Column::At(at) => *at == place,
            })
        };
        let left = names.iter().enumerate().filter(|(place, name)| !used(*place, name));
        left.map(|(_, name)| name.as_str()).collect()
    }

    /// The column of the label, for messages.
    pub fn label(&self) -> &Column {
        match self {
            Self::Texts { label, .. } => label,
            Self::Questions { answer, .. } => answer,
            Self::Words { tags, .. } => tags,
        }
    }
}

fn target(score: bool) -> &'static str {
    if score { "score" } else { "label" }
}

/// Lower case, letters and digits only: `Sentence_1` and `sentence1` are one. So is `#`:
/// `Text #` is a number, and no text.
fn plain(name: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || *c == '#';
    name.chars().filter(kept).flat_map(char::to_lowercase).collect()
}

/// Whether this is a name that columns of texts, questions or labels go by.
pub fn is_usual(name: &str) -> bool {
    let name = plain(name);
    let mut pairs = PAIRS.iter().flat_map(|(a, b)| [a, b]);
    let lists = [TEXTS, LABELS, QUESTIONS, CONTEXTS, ANSWERS];
    pairs.any(|usual| *usual == name) || lists.concat().contains(&name.as_str()) || name == "score"
}

/// Why the columns of a file cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoGuess {
    /// Columns are chosen by place, and one by its name.
    Mixed {
        /// The name.
        given: String,
    },
    /// No column goes by a name that says this.
    Unknown {
        /// The role, in words.
        role: &'static str,
    },
}

impl fmt::Display for NoGuess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mixed { given } => write!(f, "{given:?} is a name, and others are places"),
            Self::Unknown { role } => write!(f, "no column is known to be the {role}"),
        }
    }
}

/// The columns of a file that no table describes: what the user said, and by their names
/// what is left to say. `names` are those of its header, or of its first object, of which
/// `lists` says whether it holds a list.
///
/// # Errors
/// When a role is left that no column has.
pub fn guess(
    names: &[String],
    lists: impl Fn(&str) -> bool,
    choice: Option<&ColumnChoice>,
) -> Result<Columns, NoGuess> {
    let chosen = |role| choice.and_then(|choice| choice.get(role)).cloned();
    if let Some(given) = choice.filter(|choice| choice.by_place()).and_then(ColumnChoice::named) {
        return Err(NoGuess::Mixed { given: given.to_owned() });
    }
    // Names mean nothing in a file without a header.
    let names = if choice.is_some_and(ColumnChoice::by_place) { &[][..] } else { names };
    // The very name before one that differs in its signs.
    let very = |wanted: &str| names.iter().find(|name| name.trim().to_lowercase() == wanted);
    let find = |wanted: &str| very(wanted).or_else(|| names.iter().find(|n| plain(n) == wanted));
    let first_of = |wanted: &[&str]| wanted.iter().find_map(|name| find(name));
    let unknown = |role| NoGuess::Unknown { role };
    let or_found = |role: Role, word, wanted: &[&str]| {
        let found = || first_of(wanted).map(|name| Column::named(name));
        chosen(role).or_else(found).ok_or_else(|| unknown(word))
    };

    let asked = |roles: &[Role]| choice.is_some_and(|choice| choice.any(roles));
    let questions = || {
        first_of(QUESTIONS).is_some() && first_of(CONTEXTS).is_some() && first_of(ANSWERS).is_some()
    };
    let words = || first_of(WORDS).is_some_and(|name| lists(name)) && first_of(TAGS).is_some();
    if asked(&[Role::Question, Role::Context, Role::Answer]) || (choice.is_none() && questions()) {
        return Ok(Columns::Questions {
            question: or_found(Role::Question, "question", QUESTIONS)?,
            context: or_found(
                Role::Context,
                "context",
                &["context", "passage", "document", "text"],
            )?,
            answer: or_found(Role::Answer, "answer", ANSWERS)?,
        });
    }
    if asked(&[Role::Words, Role::Tag]) || (choice.is_none() && words()) {
        return Ok(Columns::Words {
            words: or_found(Role::Words, "words", WORDS)?,
            tags: or_found(Role::Tag, "tag", TAGS)?,
        });
    }

    let texts = match (chosen(Role::Text), chosen(Role::Text1), chosen(Role::Text2)) {
        (Some(text), ..) => Some((text, None)),
        (None, Some(first), Some(second)) => Some((first, Some(second))),
        _ => None,
    };
    let score = chosen(Role::Score);
    let label = score.clone().or_else(|| chosen(Role::Label));
    let taken =
        |name: &String, by: &Column| matches!(by, Column::Named(names) if names[0] == *name);
    // A column that plays another role already is not free.
    let free = |name: &String| {
        let texts = texts.iter().flat_map(|(a, b)| [Some(a), b.as_ref()]).flatten();
        !name.is_empty() && !texts.chain(&label).any(|by| taken(name, by))
    };
    let pair = PAIRS.iter().find_map(|(a, b)| {
        let pair = (find(a)?, find(b)?);
        (free(pair.0) && free(pair.1)).then_some(pair)
    });
    let single = TEXTS.iter().find_map(|name| find(name).filter(|name| free(name)));
    let guessed = pair
        .map(|(a, b)| (Column::named(a), Some(Column::named(b))))
        .or(single.map(|a| (Column::named(a), None)));
    let known_texts = texts.clone().or(guessed);
    let free_of_texts = |name: &&String| {
        let texts = known_texts.iter().flat_map(|(a, b)| [Some(a), b.as_ref()]).flatten();
        free(name) && !texts.into_iter().any(|by| taken(name, by))
    };
    let known_label = label.clone().or_else(|| {
        LABELS.iter().find_map(|name| find(name).filter(free_of_texts)).map(|n| Column::named(n))
    });
    // Of two columns, what one is says what the other is.
    let other = |known: &Column| match names {
        [a, b] => [a, b].into_iter().find(|name| !taken(name, known) && !name.is_empty()),
        _ => None,
    };
    let ((first, second), label) = match (known_texts, known_label) {
        (Some(texts), Some(label)) => (texts, label),
        (Some((a, None)), None) => {
            let label = Column::named(other(&a).ok_or_else(|| unknown("label"))?);
            ((a, None), label)
        }
        (Some(_), None) => return Err(unknown("label")),
        (None, Some(label)) => {
            let text = Column::named(other(&label).ok_or_else(|| unknown("text"))?);
            ((text, None), label)
        }
        (None, None) => return Err(unknown("text")),
    };
    Ok(Columns::Texts { first, second, label, score: score.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guessed(names: &str, choice: &str) -> String {
        let names: Vec<_> = names.split(' ').map(str::to_owned).collect();
        let choice = (!choice.is_empty()).then(|| choice.parse().unwrap());
        match guess(&names, |name| name == "tokens", choice.as_ref()) {
            Ok(columns) => columns.shown(),
            Err(why) => why.to_string(),
        }
    }

    #[test]
    fn names_say_what_a_column_is() {
        for (names, choice, expected) in [
            ("id text label", "", "text = \"text\", label = \"label\""),
            ("Review Stars", "", "text = \"Review\", label = \"Stars\""),
            ("text_ text label", "", "text = \"text\", label = \"label\""),
            ("Review# Review Rating", "", "text = \"Review\", label = \"Rating\""),
            ("Title Review_Text Rating", "", "text = \"Review_Text\", label = \"Rating\""),
            ("x y", "text=x", "text = \"x\", label = \"y\""),
            ("a b c", "text=b,score=c", "text = \"b\", score = \"c\""),
            (
                "gold_label premise hypothesis",
                "",
                "first text = \"premise\", second text = \"hypothesis\", label = \"gold_label\"",
            ),
            (
                "context question answers",
                "",
                "question = \"question\", context = \"context\", answer = \"answers\"",
            ),
            ("tokens ner_tags", "", "words = \"tokens\", tag = \"ner_tags\""),
            ("words ner_tags", "", "no column is known to be the text"),
            ("a b c", "", "no column is known to be the text"),
            ("text b c", "", "no column is known to be the label"),
            ("a b", "text=1,label=b", "\"b\" is a name, and others are places"),
            ("a b", "text=1,label=2", "text = 1, label = 2"),
        ] {
            assert_eq!(guessed(names, choice), expected, "{names} {choice}");
        }
    }
}
