//! The first rows of a file, as the server will read them, and what each column is for.

use csv_core::{ReadRecordResult, Reader};
use serde_json::Value;
use std::collections::BTreeMap;
use tupate_api::UploadFormat;
use tupate_tasks::columns::{self, Column, ColumnChoice, Columns, Role};

/// As many bytes of a file are looked at.
pub const LOOK: u64 = 256 << 10;
/// As many rows are shown.
pub const SHOWN: usize = 6;
/// The most columns that are shown; a file with more is named as what it is.
pub const MOST_COLUMNS: usize = 40;

/// Rows of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The columns' names.
    pub names: Vec<String>,
    /// The rows that were looked at, each with a cell for every column.
    pub rows: Vec<Vec<String>>,
    /// Whether these are all there are.
    pub whole: bool,
    /// The columns that hold lists.
    lists: Vec<String>,
}

/// What each column is for.
pub type Roles = Vec<Option<Role>>;

/// The roles that a column may have, with what they are called on the page.
pub const ROLES: [(Role, &str); 10] = [
    (Role::Text, "text"),
    (Role::Text1, "first text"),
    (Role::Text2, "second text"),
    (Role::Label, "label"),
    (Role::Score, "number to predict"),
    (Role::Question, "question"),
    (Role::Context, "context"),
    (Role::Answer, "answer"),
    (Role::Words, "words"),
    (Role::Tag, "labels of words"),
];

/// The form that a file's name says.
pub fn format_of(name: &str) -> Option<UploadFormat> {
    UploadFormat::of_ending(name.rsplit_once('.')?.1)
}

/// Reads the beginning of a file; `whole` says that it is all of it.
///
/// # Errors
/// Why it cannot be read, for people.
pub fn read(bytes: &[u8], format: UploadFormat, whole: bool) -> Result<Table, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // What was cut off may be in the middle of a line.
    let end =
        if whole { bytes.len() } else { bytes.iter().rposition(|b| *b == b'\n').unwrap_or(0) };
    let text = std::str::from_utf8(&bytes[..end])
        .map_err(|e| format!("it is not UTF-8 (byte {})", e.valid_up_to() + 1))?;
    let mut table = match format {
        UploadFormat::Csv => cells(csv(text))?,
        UploadFormat::Tsv => {
            let lines = text.lines().filter(|line| !line.is_empty());
            cells(lines.map(|line| line.split('\t').map(str::to_owned).collect()).collect())?
        }
        UploadFormat::Jsonl => objects(text)?,
    };
    table.whole = whole;
    // The last record of a part may go on behind it.
    if !whole && format == UploadFormat::Csv {
        table.rows.pop();
    }
    match (table.rows.is_empty(), table.names.len()) {
        (true, _) => Err("it has no rows".to_owned()),
        (_, n) if n > MOST_COLUMNS => {
            Err(format!("it has {n} columns, and the page shows at most {MOST_COLUMNS}"))
        }
        _ => Ok(table),
    }
}

fn cells(rows: Vec<Vec<String>>) -> Result<Table, String> {
    let mut rows = rows.into_iter();
    let names: Vec<_> = rows.next().ok_or("it is empty")?;
    let names: Vec<_> = names.iter().map(|name| name.trim().to_owned()).collect();
    if let [only] = names.as_slice()
        && only.contains([',', ';', '\t'])
    {
        return Err(format!("its first line, {only:?}, is one column: another separator?"));
    }
    let rows = rows.map(|mut row| {
        row.resize(names.len(), String::new());
        row
    });
    Ok(Table { rows: rows.collect(), names, ..Table::default() })
}

/// Records as RFC 4180 has them.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut reader, mut input) = (Reader::new(), text.as_bytes());
    // No record is longer than the text, nor has more ends than that.
    let (mut output, mut ends) = (vec![0; text.len() + 1], vec![0; text.len() + 2]);
    let mut rows = Vec::new();
    let (mut written, mut ended) = (0, 0);
    loop {
        let (result, read, wrote, fields) =
            reader.read_record(input, &mut output[written..], &mut ends[ended..]);
        input = &input[read..];
        written += wrote;
        ended += fields;
        match result {
            ReadRecordResult::Record => {
                let mut start = 0;
                let cell = |end: &usize| {
                    let cell = String::from_utf8_lossy(&output[start..*end]).into_owned();
                    start = *end;
                    cell
                };
                rows.push(ends[..ended].iter().map(cell).collect());
                (written, ended) = (0, 0);
            }
            // Reading nothing is how its end is said.
            ReadRecordResult::InputEmpty => {}
            _ => return rows,
        }
    }
}

fn objects(text: &str) -> Result<Table, String> {
    let mut table = Table::default();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let value = serde_json::from_str(line).map_err(|e| format!("line {}: {e}", i + 1))?;
        let Value::Object(fields) = value else {
            return Err(format!("line {}: it is no JSON object", i + 1));
        };
        if table.rows.is_empty() {
            table.names = fields.keys().cloned().collect();
            let lists = fields.iter().filter(|(_, value)| value.is_array());
            table.lists = lists.map(|(name, _)| name.clone()).collect();
        }
        let cell = |name: &String| match fields.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(list)) => {
                let words = list.iter().map(|v| v.as_str().map_or(v.to_string(), str::to_owned));
                words.collect::<Vec<_>>().join(" ")
            }
            Some(other) => other.to_string(),
        };
        table.rows.push(table.names.iter().map(cell).collect());
    }
    Ok(table)
}

impl Table {
    /// What the columns' names say that they are for; nothing where they do not say.
    pub fn guess(&self) -> Roles {
        let columns = columns::guess(&self.names, |name| self.is_list(name), None);
        self.roles(columns.ok().as_ref())
    }

    fn is_list(&self, name: &str) -> bool {
        self.lists.iter().any(|list| list == name)
    }

    fn roles(&self, columns: Option<&Columns>) -> Roles {
        let mut roles = vec![None; self.names.len()];
        let mut set = |column: &Column, role| {
            let Column::Named(names) = column else { return };
            let at = self.names.iter().position(|name| Some(name) == names.first());
            if let Some(place) = at.and_then(|at| roles.get_mut(at)) {
                *place = Some(role);
            }
        };
        match columns {
            Some(Columns::Texts { first, second, label, score }) => {
                match second {
                    None => set(first, Role::Text),
                    Some(second) => {
                        set(first, Role::Text1);
                        set(second, Role::Text2);
                    }
                }
                set(label, if *score { Role::Score } else { Role::Label });
            }
            Some(Columns::Questions { question, context, answer }) => {
                set(question, Role::Question);
                set(context, Role::Context);
                set(answer, Role::Answer);
            }
            Some(Columns::Words { words, tags }) => {
                set(words, Role::Words);
                set(tags, Role::Tag);
            }
            None => {}
        }
        roles
    }

    /// The roles as a request has them, or what is missing.
    ///
    /// # Errors
    /// Which role no column has, or why they do not go together.
    pub fn choice(&self, roles: &Roles) -> Result<String, String> {
        let named = self.names.iter().zip(roles);
        let parts = named.filter_map(|(name, role)| Some(format!("{}={name}", role.as_ref()?)));
        let written = parts.collect::<Vec<_>>().join(",");
        if written.is_empty() {
            return Err("say what the columns are for: one is the text, one the label".to_owned());
        }
        let choice: ColumnChoice = written.parse().map_err(|e| format!("{e}"))?;
        let columns = columns::guess(&self.names, |name| self.is_list(name), Some(&choice))
            .map_err(|why| why.to_string())?;
        // What was left to say would be guessed without being shown.
        match self.roles(Some(&columns)) == *roles {
            true => Ok(written),
            false => Err("say what the columns are for: one is the text, one the label".to_owned()),
        }
    }

    /// What the label's column holds, commonest first, and whether it looks like numbers.
    pub fn labels(&self, roles: &Roles) -> Option<(Vec<(String, usize)>, bool)> {
        let at = roles.iter().position(|role| *role == Some(Role::Label))?;
        let mut counts = BTreeMap::<&str, usize>::new();
        for row in &self.rows {
            *counts.entry(row[at].trim()).or_default() += 1;
        }
        let numbers = counts.keys().all(|label| label.parse::<f64>().is_ok());
        let many = counts.len() > 20 && counts.len() * 2 > self.rows.len();
        let mut counts: Vec<_> = counts.into_iter().map(|(l, n)| (l.to_owned(), n)).collect();
        counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        Some((counts, numbers && many))
    }
}

/// Gives a column a role, which no other has then.
pub fn assign(roles: &mut Roles, at: usize, role: Option<Role>) {
    if role.is_some() {
        roles.iter_mut().filter(|other| **other == role).for_each(|other| *other = None);
    }
    if let Some(place) = roles.get_mut(at) {
        *place = role;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str, format: UploadFormat) -> Table {
        read(text.as_bytes(), format, true).unwrap()
    }

    #[test]
    fn rows_are_read_in_each_form() {
        let csv = table("text,label\r\n\"a, \"\"b\"\"\nc\",1\r\nd,2\r\n", UploadFormat::Csv);
        assert_eq!(csv.names, ["text", "label"]);
        assert_eq!(csv.rows, [["a, \"b\"\nc", "1"], ["d", "2"]]);
        let tsv = table("text\tlabel\n\"a\t1\n\nb\n", UploadFormat::Tsv);
        assert_eq!(tsv.rows, [["\"a", "1"], ["b", ""]]);
        let json = "{\"label\": 1, \"text\": \"a\"}\n\n{\"text\": null}\n";
        let json = table(json, UploadFormat::Jsonl);
        assert_eq!(
            (&json.names[..], &json.rows[1][..]),
            (&["label".to_owned(), "text".to_owned()][..], &[String::new(), String::new()][..])
        );
        let words = table("{\"tags\": [1, 2], \"tokens\": [\"a\", \"b\"]}", UploadFormat::Jsonl);
        assert_eq!(words.guess(), [Some(Role::Tag), Some(Role::Words)]);
        assert_eq!(words.rows[0], ["1 2", "a b"]);
    }

    #[test]
    fn a_part_of_a_file_ends_with_its_last_whole_row() {
        let csv = "text,label\n\"a\nb\",1\nc,2\n\"d\ne";
        let cut = read(csv.as_bytes(), UploadFormat::Csv, false).unwrap();
        assert_eq!(cut.rows, [["a\nb", "1"], ["c", "2"]]);
        let cut = read("text\tlabel\na\t1\nb\t2\nü".as_bytes(), UploadFormat::Tsv, false).unwrap();
        assert_eq!(cut.rows.len(), 2);
        assert!(!cut.whole);
    }

    #[test]
    fn what_is_no_table_says_why() {
        for (bytes, format, part) in [
            (&b""[..], UploadFormat::Csv, "empty"),
            (b"text,label\n", UploadFormat::Csv, "no rows"),
            (b"text;label\na;1\n", UploadFormat::Csv, "another separator"),
            (b"\xff\xfe\n\n", UploadFormat::Tsv, "UTF-8 (byte 1)"),
            (b"{}\n[1]\n", UploadFormat::Jsonl, "line 2"),
            (b"nonsense", UploadFormat::Jsonl, "line 1"),
        ] {
            let why = read(bytes, format, true).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
        let wide = vec!["a"; 100].join("\t") + "\n" + &vec!["b"; 100].join("\t");
        assert!(
            read(wide.as_bytes(), UploadFormat::Tsv, true).unwrap_err().contains("100 columns")
        );
    }

    #[test]
    fn what_is_shown_is_what_is_asked_for() {
        let mut table = table("id,body,queue\n1,a,x\n2,b,x\n3,c,y\n", UploadFormat::Csv);
        let mut roles = table.guess();
        assert_eq!(roles, [None, None, None], "no column goes by a label's name");
        assert!(table.choice(&roles).unwrap_err().contains("say what"));
        assign(&mut roles, 1, Some(Role::Text));
        assert!(table.choice(&roles).unwrap_err().contains("label"));
        assign(&mut roles, 2, Some(Role::Label));
        assert_eq!(table.choice(&roles).unwrap(), "text=body,label=queue");
        assert_eq!(table.labels(&roles).unwrap(), (vec![("x".into(), 2), ("y".into(), 1)], false));
        assign(&mut roles, 0, Some(Role::Label));
        assert_eq!(roles, [Some(Role::Label), Some(Role::Text), None], "one column has a role");
        assign(&mut roles, 2, Some(Role::Question));
        assert!(table.choice(&roles).unwrap_err().contains("do not go together"));
        // Of two columns, what one is says what the other is; it must be shown, too.
        table.names.remove(0);
        assert!(table.choice(&vec![Some(Role::Text), None]).is_err());
    }
}
