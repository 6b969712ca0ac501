//! Finding a task by typing, and moving through the finds by keyboard.

use tupate_zoo::TaskEntry;

/// Whether every word of `query` occurs in the task's id, name, class or
/// family; case does not matter.
pub fn matches(task: &TaskEntry, query: &str) -> bool {
    let text = format!(
        "{} {} {} {} {}",
        task.id,
        task.name,
        task.class.name(),
        crate::words::class(task.class),
        task.family
    )
    .to_lowercase();
    query.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

/// The tasks that match, those whose name or id begins with the query first.
pub fn find<'a>(tasks: impl IntoIterator<Item = &'a TaskEntry>, query: &str) -> Vec<&'a TaskEntry> {
    let mut found: Vec<_> = tasks.into_iter().filter(|task| matches(task, query)).collect();
    let start = query.trim().to_lowercase();
    if !start.is_empty() {
        found.sort_by_key(|task| {
            !(task.name.to_lowercase().starts_with(&start)
                || task.id.to_lowercase().starts_with(&start))
        });
    }
    found
}

/// What a key does to an open list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// One down, from the last to the first.
    Next,
    /// One up, from the first to the last.
    Previous,
    /// A page down, stopping at the last.
    PageDown,
    /// A page up, stopping at the first.
    PageUp,
}

/// Entries that a page key moves over.
const PAGE: usize = 8;

impl Move {
    /// The move that a key asks for, by the name that browsers give it.
    pub fn of_key(key: &str) -> Option<Self> {
        Some(match key {
            "ArrowDown" => Self::Next,
            "ArrowUp" => Self::Previous,
            "PageDown" => Self::PageDown,
            "PageUp" => Self::PageUp,
            _ => return None,
        })
    }

    /// The entry that is active afterwards, of `len`; `None` for an empty list.
    pub fn from(self, active: Option<usize>, len: usize) -> Option<usize> {
        let last = len.checked_sub(1)?;
        Some(match (self, active) {
            (Self::Next | Self::PageDown, None) => 0,
            (Self::Previous | Self::PageUp, None) => last,
            (Self::Next, Some(at)) => {
                if at >= last {
                    0
                } else {
                    at + 1
                }
            }
            (Self::Previous, Some(at)) => {
                if at == 0 {
                    last
                } else {
                    (at - 1).min(last)
                }
            }
            (Self::PageDown, Some(at)) => (at + PAGE).min(last),
            (Self::PageUp, Some(at)) => at.saturating_sub(PAGE).min(last),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tupate_tasks::TASKS;

    fn tasks() -> Vec<TaskEntry> {
        TASKS
            .iter()
            .map(|task| TaskEntry {
                id: task.id.into(),
                name: task.name.into(),
                class: task.class,
                family: task.family.into(),
                train_examples: 1,
                tunings: 1,
                metric: task.metric,
                score: None,
                majority: None,
                licence: None,
                link: None,
            })
            .collect()
    }

    fn found(query: &str) -> Vec<String> {
        find(&tasks(), query).into_iter().map(|task| task.id.clone()).collect()
    }

    #[test]
    fn typing_narrows_by_every_word() {
        assert_eq!(found("").len(), TASKS.len());
        assert_eq!(found("  PARA sample "), ["sample_paraphrase"]);
        assert_eq!(found("qa hop"), ["hotpotqa", "wikihop"]);
        assert_eq!(found("nothing such"), [""; 0]);
    }

    #[test]
    fn a_beginning_comes_before_a_middle() {
        assert_eq!(found("nli")[..2], ["snli".to_owned(), "mnli".to_owned()]);
        assert_eq!(found("s")[0], "snli");
        assert_eq!(found("mnl")[0], "mnli");
        assert_eq!(found("cq"), ["cq"]);
        assert_eq!(found("dr")[0], "drop");
    }

    #[test]
    fn arrows_go_round_and_pages_stop() {
        assert_eq!(Move::Next.from(None, 3), Some(0));
        assert_eq!(Move::Next.from(Some(2), 3), Some(0));
        assert_eq!(Move::Previous.from(Some(0), 3), Some(2));
        assert_eq!(Move::Previous.from(None, 3), Some(2));
        assert_eq!(Move::PageDown.from(Some(0), 3), Some(2));
        assert_eq!(Move::PageUp.from(Some(2), 30), Some(0));
        // The list shrank below the active entry.
        assert_eq!(Move::Next.from(Some(9), 3), Some(0));
        assert_eq!(Move::Previous.from(Some(9), 3), Some(2));
        for key in ["ArrowDown", "ArrowUp", "PageDown", "PageUp"] {
            assert_eq!(Move::of_key(key).unwrap().from(Some(0), 0), None);
        }
        assert_eq!(Move::of_key("a"), None);
    }
}
