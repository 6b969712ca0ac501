//! Which column plays which role, as the user says it: `text=review,label=stars`.

use super::Column;
use std::fmt;
use std::str::FromStr;

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A single text.
    Text,
    /// The first text of a pair.
    Text1,
    /// The second text of a pair.
    Text2,
    /// The class.
    Label,
    /// The number to predict.
    Score,
    /// The question.
    Question,
    /// The text that holds the answer.
    Context,
    /// The answer, as it stands in the context.
    Answer,
    /// The words of a sentence, or one word a line.
    Words,
    /// The labels of the words.
    Tag,
}

/// The roles as they are written.
const ROLES: &[(&str, Role)] = &[
    ("text", Role::Text),
    ("text1", Role::Text1),
    ("text2", Role::Text2),
    ("label", Role::Label),
    ("score", Role::Score),
    ("question", Role::Question),
    ("context", Role::Context),
    ("answer", Role::Answer),
    ("words", Role::Words),
    ("word", Role::Words),
    ("tag", Role::Tag),
];

/// Roles that go together: what a file is read for.
const KINDS: [&[Role]; 3] = [
    &[Role::Text, Role::Text1, Role::Text2, Role::Label, Role::Score],
    &[Role::Question, Role::Context, Role::Answer],
    &[Role::Words, Role::Tag],
];

/// The user's choice of columns. A number is a place, from 1, in files without
/// a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnChoice {
    written: String,
    chosen: Vec<(Role, Column)>,
}

/// Why a choice of columns makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChoiceError(String);

impl fmt::Display for ChoiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ChoiceError {}

impl Role {
    fn of(written: &str) -> Option<Self> {
        ROLES.iter().find(|(name, _)| *name == written).map(|(_, role)| *role)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = ROLES.iter().find(|(_, role)| role == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl ColumnChoice {
    /// The column that plays this role.
    pub fn get(&self, role: Role) -> Option<&Column> {
        self.chosen.iter().find(|(chosen, _)| *chosen == role).map(|(_, column)| column)
    }

    /// Whether one of these roles is played.
    pub fn any(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.get(*role).is_some())
    }

    /// Whether any column is given by its place.
    pub fn by_place(&self) -> bool {
        self.chosen.iter().any(|(_, column)| matches!(column, Column::At(_)))
    }

    /// A column given by its name.
    pub fn named(&self) -> Option<&str> {
        self.chosen.iter().find_map(|(_, column)| match column {
            Column::Named(names) => names.first().map(String::as_str),
            Column::At(_) => None,
        })
    }

    /// As the user wrote it.
    pub fn written(&self) -> &str {
        &self.written
    }
}

impl FromStr for ColumnChoice {
    type Err = ChoiceError;

    fn from_str(written: &str) -> Result<Self, ChoiceError> {
        let wrong = |what: String| Err(ChoiceError(what));
        let mut pairs: Vec<(Role, String)> = Vec::new();
        // A piece that begins with no role belongs to the name before it:
        // columns may have commas in their names.
        for piece in written.split(',') {
            let role = piece.split_once('=').and_then(|(role, name)| Some((Role::of(role)?, name)));
            match (role, pairs.last_mut()) {
                (Some((role, name)), _) => pairs.push((role, name.to_owned())),
                (None, Some((_, name))) => *name = format!("{name},{piece}"),
                (None, None) => {
                    let roles: Vec<_> = ROLES.iter().map(|(name, _)| *name).collect();
                    return wrong(format!(
                        "{piece:?} is no ROLE=NAME; the roles are {}",
                        roles.join(", ")
                    ));
                }
            }
        }
        let mut chosen: Vec<(Role, Column)> = Vec::new();
        for (role, name) in pairs {
            if chosen.iter().any(|(other, _)| *other == role) {
                return wrong(format!("the role {role} is given twice"));
            }
            let column = match name.parse::<usize>() {
                Ok(0) => return wrong(format!("{role}=0: places count from 1")),
                Ok(place) => Column::At(place - 1),
                Err(_) if name.is_empty() => return wrong(format!("{role}= names no column")),
                Err(_) => Column::Named(vec![name]),
            };
            if let Some((other, _)) = chosen.iter().find(|(_, other)| *other == column) {
                return wrong(format!("{role} and {other} are one column"));
            }
            chosen.push((role, column));
        }
        let kind = |role| KINDS.iter().position(|kind| kind.contains(&role));
        let (first, _) = &chosen[0];
        if let Some((other, _)) = chosen.iter().find(|(other, _)| kind(*other) != kind(*first)) {
            return wrong(format!("{first} and {other} do not go together"));
        }
        let has = |role| chosen.iter().any(|(chosen, _)| *chosen == role);
        for (a, b) in
            [(Role::Label, Role::Score), (Role::Text, Role::Text1), (Role::Text, Role::Text2)]
        {
            if has(a) && has(b) {
                return wrong(format!("{a} and {b} do not go together"));
            }
        }
        if has(Role::Text1) != has(Role::Text2) {
            return wrong("a pair needs both text1 and text2".to_owned());
        }
        Ok(Self { written: written.to_owned(), chosen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_names_and_places() {
        let choice: ColumnChoice = "text=a, b,label=3".parse().unwrap();
        assert_eq!(choice.get(Role::Text), Some(&Column::Named(vec!["a, b".into()])));
        assert_eq!(choice.get(Role::Label), Some(&Column::At(2)));
        assert!(choice.any(&[Role::Score, Role::Label]) && choice.by_place());
        assert_eq!((choice.named(), choice.written()), (Some("a, b"), "text=a, b,label=3"));
        let choice: ColumnChoice = "word=2,tag=upos".parse().unwrap();
        assert_eq!(choice.get(Role::Words), Some(&Column::At(1)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (written, expected) in [
            (
                "review",
                "\"review\" is no ROLE=NAME; the roles are text, text1, text2, label, score, question, \
                 context, answer, words, word, tag",
            ),
            ("text=a,text=b", "the role text is given twice"),
            ("text=a,label=", "label= names no column"),
            ("text=0,label=1", "text=0: places count from 1"),
            ("text=a,label=a", "label and text are one column"),
            ("text=a,tag=b", "text and tag do not go together"),
            ("question=a,label=b", "question and label do not go together"),
            ("label=a,score=b", "label and score do not go together"),
            ("text=a,text1=b,text2=c", "text and text1 do not go together"),
            ("text1=a,label=b", "a pair needs both text1 and text2"),
        ] {
            let error = written.parse::<ColumnChoice>().unwrap_err();
            assert_eq!(error.to_string(), expected, "{written}");
        }
    }
}
