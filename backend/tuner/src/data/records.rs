//! From text to records: literal TSV, RFC 4180 CSV, and JSON objects, one a
//! line or in a list.

use super::Error;
use super::error::Spot;
use super::json::{self, Object};
use super::text::{line_breaks, lines};
use std::path::Path;

/// How a file's text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Tab-separated; quotes are data, as in all of GLUE.
    Tsv,
    /// Comma-separated with RFC 4180 quoting.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// One JSON document.
    Json,
    /// A word and its label a line, a blank line after each sentence.
    Conll,
    /// Universal Dependencies' ten columns.
    Conllu,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// What the file's name says, `.gz` set aside.
    pub(super) fn of(file: &Path) -> Option<Self> {
        let name = file.file_name()?.to_string_lossy().to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "tsv" => Some(Self::Tsv),
            "csv" => Some(Self::Csv),
            "jsonl" => Some(Self::JsonLines),
            "json" => Some(Self::Json),
            "conll" => Some(Self::Conll),
            "conllu" => Some(Self::Conllu),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// One record: a table's cells, or a JSON object's fields.
pub(super) enum Record {
    /// The cells of one line of a table.
    Cells(Vec<String>),
    /// The fields of one JSON object.
    Fields(Object),
}

/// A file's records with the place at which each begins.
pub(super) struct Records {
    /// A table's header and its line; absent for JSON and headerless tables.
    pub(super) header: Option<(usize, Vec<String>)>,
    /// A table's delimiter; a space for JSON, which has none.
    pub(super) delimiter: char,
    /// Place and content. Not empty.
    pub(super) rows: Vec<(Spot, Record)>,
}

/// Reads `text`, which is of one of the formats of records. Blank lines are
/// passed over; `header` says whether a table has one.
pub(super) fn parse(
    file: &Path,
    text: &str,
    format: Format,
    header: bool,
) -> Result<Records, Error> {
    if text.trim().is_empty() {
        return Err(Error::EmptyFile { file: file.into() });
    }
    let records = match format {
        Format::Tsv => {
            let rows = lines(text).filter(|(_, line)| !line.is_empty());
            let cells = |line: &str| line.split('\t').map(str::to_owned).collect();
            table(file, rows.map(|(n, line)| (n, cells(line))).collect(), '\t', header)?
        }
        Format::Csv => table(file, csv_rows(file, text)?, ',', header)?,
        Format::Json => objects(file, json::items(file, text)?)?,
        _ => objects(file, json::lines_of_objects(file, text)?)?,
    };
    if records.rows.is_empty() {
        return Err(Error::OnlyHeader { file: file.into() });
    }
    Ok(records)
}

fn table(
    file: &Path,
    rows: Vec<(usize, Vec<String>)>,
    delimiter: char,
    header: bool,
) -> Result<Records, Error> {
    let mut rows = rows.into_iter();
    let header = match header {
        false => None,
        true => rows.next().map(|(n, cells)| {
            (n, cells.iter().map(|cell| cell.trim().to_owned()).collect::<Vec<_>>())
        }),
    };
    if let Some((line, names)) = &header {
        check_header(file, *line, names, delimiter)?;
    }
    let rows = rows.map(|(n, cells)| (Spot::Line(n), Record::Cells(cells))).collect();
    Ok(Records { header, delimiter, rows })
}

fn check_header(file: &Path, line: usize, names: &[String], delimiter: char) -> Result<(), Error> {
    // Spreadsheets leave unnamed columns behind; those can never be chosen,
    // so that any number of them is harmless.
    let twice = |i: &usize| !names[*i].is_empty() && names[..*i].contains(&names[*i]);
    if let Some(i) = (0..names.len()).find(twice) {
        let (at, name) = (Spot::Line(line), names[i].clone());
        return Err(Error::DuplicateColumn { file: file.into(), at, name, table: true });
    }
    match names {
        [only] if only.contains([',', ';', '\t']) => {
            Err(Error::Separator { file: file.into(), line, header: only.clone(), delimiter })
        }
        _ => Ok(()),
    }
}

fn csv_rows(file: &Path, text: &str) -> Result<Vec<(usize, Vec<String>)>, Error> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut rows = Vec::new();
    let (mut line, mut counted) = (1, 0);
    let mut record = csv::StringRecord::new();
    loop {
        let before = reader.position().byte() as usize;
        // The reader passes over line ends in front of a record; the line
        // that is named must be the record's own.
        let start = text.len() - text[before..].trim_start_matches(['\r', '\n']).len();
        line += line_breaks(&text.as_bytes()[counted..start]);
        counted = start;
        let more = reader.read_record(&mut record).map_err(|error| Error::Csv {
            file: file.into(),
            line,
            detail: error.to_string(),
        })?;
        if !more {
            return Ok(rows);
        }
        match quotes(&text[start..reader.position().byte() as usize]) {
            Quotes::Sound => {}
            Quotes::Open => return Err(Error::OpenQuote { file: file.into(), line }),
            Quotes::GoesOn => return Err(Error::QuoteGoesOn { file: file.into(), line }),
        }
        rows.push((line, record.iter().map(str::to_owned).collect()));
    }
}

/// How the quotes of a record stand.
#[derive(Debug, PartialEq)]
enum Quotes {
    Sound,
    /// A quoted field has no end.
    Open,
    /// Something stands between a quoted field's end and the next delimiter.
    GoesOn,
}

/// The quotes of a record, read from its start. The CSV reader takes all that
/// follows an open quote, other records and all, for one field, and what follows
/// a closing one for a part of it, both without a word.
fn quotes(record: &str) -> Quotes {
    let (mut quoted, mut at_start) = (false, true);
    let mut chars = record.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
            }
            '"' if quoted => {
                quoted = false;
                if chars.peek().is_some_and(|next| !matches!(next, ',' | '\r' | '\n')) {
                    return Quotes::GoesOn;
                }
            }
            '"' if at_start => quoted = true,
            _ => {}
        }
        at_start = !quoted && matches!(c, ',' | '\r' | '\n');
    }
    if quoted { Quotes::Open } else { Quotes::Sound }
}

/// Records of JSON objects, none of which may have a field twice.
pub(super) fn objects(file: &Path, rows: Vec<(Spot, Object)>) -> Result<Records, Error> {
    for (at, object) in &rows {
        let name = |i: usize| &object.0[i].0;
        let twice = |i: &usize| (0..*i).any(|j| name(j) == name(*i));
        if let Some(i) = (0..object.0.len()).find(twice) {
            let (file, at, name) = (file.into(), at.clone(), name(i).clone());
            return Err(Error::DuplicateColumn { file, at, name, table: false });
        }
    }
    let rows = rows.into_iter().map(|(at, object)| (at, Record::Fields(object))).collect();
    Ok(Records { header: None, delimiter: ' ', rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<(usize, Vec<String>)> {
        csv_rows(Path::new("a.csv"), text).unwrap()
    }

    #[test]
    fn csv_records_carry_the_line_on_which_they_begin() {
        let rows = cells("text,label\r\n\r\n\"two\r\nlines\",a\r\n\n\"a \"\"b\"\"\",c");
        let lines: Vec<_> = rows.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 3, 6]);
        assert_eq!(rows[1].1, ["two\r\nlines", "a"]);
        assert_eq!(rows[2].1, ["a \"b\"", "c"]);
    }

    #[test]
    fn open_quotes_and_text_behind_closed_ones_are_seen() {
        for (record, expected) in [
            ("\"a,b", Quotes::Open),
            ("a,\"b", Quotes::Open),
            ("a,\"b\"\"", Quotes::Open),
            ("\"a\",b", Quotes::Sound),
            ("a,b\"c", Quotes::Sound),
            ("a,\"b\"\n", Quotes::Sound),
            ("a,\"b\"\r\n", Quotes::Sound),
            ("a,\"\"", Quotes::Sound),
            ("a,\"b \"\"c\"\"\"", Quotes::Sound),
            ("\"a\"b,c", Quotes::GoesOn),
            ("\"a\" ,c", Quotes::GoesOn),
            ("\"a \\\"b\\\" c\",d", Quotes::GoesOn),
            ("\"a\nb\"c\",d", Quotes::GoesOn),
        ] {
            assert_eq!(quotes(record), expected, "{record}");
        }
    }
}
