//! The columns of a file: guessed from its header or its first object.

use super::error::Spot;
use super::records::{Record, Records};
use super::{Error, Objective};
use serde_json::Value;
use std::path::Path;
use tupate_tasks::columns::{self, ColumnChoice, NoGuess};
pub(super) use tupate_tasks::columns::{Column, Columns};

/// What such columns are read for.
pub(super) fn objective(columns: &Columns) -> Objective {
    match columns {
        Columns::Texts { score: false, .. } => Objective::Classification,
        Columns::Texts { score: true, .. } => Objective::Regression,
        Columns::Questions { .. } => Objective::SpanExtraction,
        Columns::Words { .. } => Objective::TokenClassification,
    }
}

/// The columns of a file that no table describes: what the user said, and by
/// their names what is left to say.
pub(super) fn guess(
    file: &Path,
    records: &Records,
    choice: Option<&ColumnChoice>,
) -> Result<Columns, Error> {
    let (line, names) = names(records);
    let lists = |name: &str| match records.rows.first() {
        Some((_, Record::Fields(object))) => {
            object.0.iter().any(|(field, value)| field == name && value.is_array())
        }
        _ => false,
    };
    columns::guess(&names, lists, choice).map_err(|why| match why {
        NoGuess::Mixed { given } => Error::MixedColumns { file: file.into(), line, given },
        NoGuess::Unknown { role } => {
            let by_place = choice.is_some_and(ColumnChoice::by_place);
            let columns = if by_place { Vec::new() } else { names };
            Error::UnknownColumn { file: file.into(), line, role, columns }
        }
    })
}

/// Refuses a table's first row where its columns were said by their places and it is a
/// header: the label's name would be a class of its own.
pub(super) fn refuse_header(
    file: &Path,
    records: &Records,
    columns: &Columns,
) -> Result<(), Error> {
    let cell = |row: &Record, column: &Column| match (row, column) {
        (Record::Cells(cells), Column::At(place)) => cells.get(*place).map(|c| c.trim().to_owned()),
        _ => None,
    };
    let (None, Some((Spot::Line(line), first))) = (&records.header, records.rows.first()) else {
        return Ok(());
    };
    let parts = columns.parts();
    let names: Option<Vec<_>> = parts.iter().map(|(_, column)| cell(first, column)).collect();
    let (Some(names), Some(label)) = (names, cell(first, columns.label())) else { return Ok(()) };
    let again = records
        .rows
        .iter()
        .skip(1)
        .any(|(_, row)| cell(row, columns.label()).is_some_and(|other| other == label));
    let is_number = label.parse::<f64>().is_ok();
    if again || is_number || !names.iter().any(|name| columns::is_usual(name)) {
        return Ok(());
    }
    Err(Error::HeaderByPlace { file: file.into(), line: *line, names })
}

/// What is left of a file's columns, to be said after those that are used.
pub(super) fn unused(records: &Records, columns: &Columns) -> String {
    // Of a wide table, enough to see what it is about.
    const SHOWN: usize = 5;
    let (_, names) = names(records);
    let left = columns.unused(&names);
    if left.is_empty() {
        return String::new();
    }
    let shown: Vec<_> = left.iter().take(SHOWN).map(|name| format!("{name:?}")).collect();
    let more = left.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("; not used: {}{more}", shown.join(", "))
}

/// The header's names and line, or the first object's.
fn names(records: &Records) -> (usize, Vec<String>) {
    match (&records.header, records.rows.first()) {
        (Some((line, names)), _) => (*line, names.clone()),
        (None, Some((at, Record::Fields(object)))) => {
            let line = if let Spot::Line(line) = at { *line } else { 1 };
            (line, object.0.iter().map(|(name, _)| name.clone()).collect())
        }
        _ => (1, Vec::new()),
    }
}

/// Whether a field holds something that is not there.
pub(super) fn is_missing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}
