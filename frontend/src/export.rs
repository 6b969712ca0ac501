//! A ranking to take away: as CSV, JSON, a table for a paper, and a picture.

use crate::answer::{Answer, Loaded};
use crate::scale::Axis;
use crate::words;
use serde_json::{Value, json};
use tupate_zoo::lab::csv_field;
use tupate_zoo::{RankedSource, TaskEntry};

/// Sources in the table and the picture.
const FIRST: usize = 20;

/// A file to save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its media type.
    pub kind: &'static str,
    /// Its content.
    pub text: String,
}

/// What makes each of them.
#[derive(Clone, Copy, Debug)]
pub struct Exports {
    /// Every source as a row of CSV.
    pub csv: fn(&Loaded, &Answer) -> File,
    /// All that is known.
    pub json: fn(&Loaded, &Answer) -> File,
    /// A table for a paper.
    pub table: fn(&Loaded, &Answer) -> File,
    /// A picture.
    pub picture: fn(&Loaded, &Answer) -> Picture,
}

/// What makes each of them.
pub const EXPORTS: Exports = Exports { csv, json, table, picture };

fn file(answer: &Answer, ending: &str, kind: &'static str, text: String) -> File {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = answer.ranking.target.chars().take(60).map(safe).collect();
    File { name: format!("sources-for-{name}.{ending}"), kind, text }
}

fn rows<'a>(
    loaded: &'a Loaded,
    answer: &'a Answer,
) -> impl Iterator<Item = (&'a RankedSource, Option<&'a TaskEntry>)> {
    answer.ranking.sources.iter().map(|source| (source, loaded.zoo.task(&source.task)))
}

/// The rank of a source by the method that is held against the first.
fn beside(answer: &Answer, task: &str) -> Option<usize> {
    answer.beside.as_ref()?.as_ref().ok()?.ranks.get(task).copied()
}

fn gain(answer: &Answer, task: &str) -> Option<f64> {
    answer.gains.as_ref()?.of.get(task).copied()
}

/// Every source as a row of CSV.
pub fn csv(loaded: &Loaded, answer: &Answer) -> File {
    let mut text = String::from(
        "rank,task,name,score,class,family,train_examples,licence,gain,rank_by_other\r\n",
    );
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for (source, task) in rows(loaded, answer) {
        let of = |fact: fn(&TaskEntry) -> String| task.map_or_else(String::new, fact);
        let cells = [
            source.rank.to_string(),
            csv_field(&source.task),
            csv_field(&of(|t| t.name.clone())),
            source.score.to_string(),
            of(|t| t.class.name().to_owned()),
            csv_field(&of(|t| t.family.clone())),
            of(|t| t.train_examples.to_string()),
            csv_field(&of(|t| t.licence.clone().unwrap_or_default())),
            number(gain(answer, &source.task)),
            beside(answer, &source.task).map_or_else(String::new, |rank| rank.to_string()),
        ];
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    file(answer, "csv", "text/csv", text)
}

/// The JSON of `tupate rank --json`, with the zoo that it is of and what is known
/// besides.
pub fn json(loaded: &Loaded, answer: &Answer) -> File {
    let mut value = serde_json::to_value(&answer.ranking).unwrap_or(Value::Null);
    value["zoo"] = json!({
        "name": loaded.zoo.name(), "sha256": loaded.sha256, "from": loaded.origin.address(),
    });
    if let Some(gains) = &answer.gains {
        value["transfer"] = json!({
            "setting": gains.setting, "metric": gains.metric, "no_transfer": gains.baseline,
            "gain": gains.of,
        });
    }
    if let Some(Ok(other)) = &answer.beside {
        value["compared"] = json!({ "method": other.method, "ranks": other.ranks });
    }
    let text = serde_json::to_string_pretty(&value).unwrap_or_default() + "\n";
    file(answer, "json", "application/json", text)
}

fn latex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', letter]),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '\\' => escaped.push_str("\\textbackslash{}"),
            '−' => escaped.push_str("$-$"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// The first sources as a LaTeX table whose caption says what it is of.
pub fn table(loaded: &Loaded, answer: &Answer) -> File {
    let measured = answer.gains.is_some();
    let mut text = format!(
        "% Needs \\usepackage{{booktabs}}.\n\\begin{{table}}\n  \\centering\n  \
         \\begin{{tabular}}{{rll{}r}}\n    \\toprule\n    \
         Rank & Source & Class & Similarity{} \\\\\n    \\midrule\n",
        if measured { "r" } else { "" },
        if measured { " & Gain" } else { "" },
    );
    for (source, task) in rows(loaded, answer).take(FIRST) {
        let name = task.map_or(source.task.as_str(), |task| task.name.as_str());
        let class = task.map_or("", |task| task.class.name());
        let mut line = format!(
            "    {} & {} & {class} & {}",
            source.rank,
            latex(name),
            latex(&words::score(source.score))
        );
        if measured {
            let gain = gain(answer, &source.task);
            let gain = gain.map_or_else(|| "--".into(), |gain| latex(&words::number(gain, 3)));
            line.push_str(&format!(" & {gain}"));
        }
        text.push_str(&line);
        text.push_str(" \\\\\n");
    }
    let target = name_of(loaded, &answer.ranking.target);
    let encoder = &answer.ranking.recipe.encoder;
    let truth = answer.gains.as_ref().map_or_else(String::new, |gains| match gains.baseline {
        Some(_) => format!(" Gain: change of the target's score ({}).", latex(&gains.setting)),
        None => format!(" Gain: the target's score ({}).", latex(&gains.setting)),
    });
    text.push_str(&format!(
        "    \\bottomrule\n  \\end{{tabular}}\n  \\caption{{Sources for {} of {}, by {} similarity \
         of tuned parameters ({}) on {}.{truth} Zoo ``{}'', sha256 \\texttt{{{}}}; method of Zhou, \
         Xu and McAuley (EMNLP 2022); computed with Tupate {}.}}\n\\end{{table}}\n",
        latex(&target),
        words::count(answer.passing as u64),
        latex(answer.similarity),
        latex(&loaded.method_label(&answer.method)),
        latex(&encoder.name),
        latex(loaded.zoo.name()),
        loaded.sha256.get(..16).unwrap_or(&loaded.sha256),
        env!("CARGO_PKG_VERSION"),
    ));
    file(answer, "tex", "application/x-tex", text)
}

fn name_of(loaded: &Loaded, id: &str) -> String {
    loaded.zoo.task(id).map_or_else(|| id.to_owned(), |task| task.name.clone())
}

/// A text inside SVG.
pub fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A picture with its measures in pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The file.
    pub file: File,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

/// The first sources as a picture, as the page draws them by day.
pub fn picture(loaded: &Loaded, answer: &Answer) -> Picture {
    const WIDTH: f64 = 720.0;
    const ROW: f64 = 26.0;
    const HEAD: f64 = 76.0;
    const FOOT: f64 = 44.0;
    const FROM: f64 = 230.0;
    const TO: f64 = 640.0;
    let sources: Vec<_> = rows(loaded, answer).take(FIRST).collect();
    let scores: Vec<f64> = sources.iter().map(|(source, _)| source.score).collect();
    let axis = Axis::of(&scores);
    let height = HEAD + ROW * sources.len() as f64 + FOOT;
    let x = |share: f64| FROM + share * (TO - FROM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"13\" \
         fill=\"#191c1e\"><rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\
         <text x=\"24\" y=\"34\" font-size=\"17\" font-weight=\"600\">Sources for {}</text>",
        xml(&words::clipped(&name_of(loaded, &answer.ranking.target), 60))
    );
    let bottom = HEAD + ROW * sources.len() as f64;
    for tick in &axis.ticks {
        let at = x(axis.place(*tick));
        svg.push_str(&format!(
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{}\" y2=\"{bottom}\" stroke=\"#dcdcd6\"/>\
             <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\" \
             fill=\"#555c63\">{}</text>",
            HEAD - 4.0,
            HEAD - 10.0,
            xml(&axis.label(*tick))
        ));
    }
    for (at, (source, task)) in sources.iter().enumerate() {
        let middle = HEAD + ROW * (at as f64 + 0.5);
        let name = task.map_or(source.task.as_str(), |task| task.name.as_str());
        let (from, to) = axis.mark(source.score);
        let colour = match (at, source.score < 0.0) {
            (_, true) => "#b26a1f",
            (0, false) => "#0a5e8c",
            _ => "#6a94ae",
        };
        svg.push_str(&format!(
            "<text x=\"40\" y=\"{0:.1}\" text-anchor=\"end\" fill=\"#555c63\">{1}</text>\
             <text x=\"52\" y=\"{0:.1}\">{2}</text>\
             <rect x=\"{3:.1}\" y=\"{4:.1}\" width=\"{5:.1}\" height=\"10\" rx=\"2\" \
             fill=\"{colour}\"/>\
             <text x=\"{6}\" y=\"{0:.1}\" text-anchor=\"end\">{7}</text>",
            middle + 4.5,
            source.rank,
            xml(&words::clipped(name, 26)),
            x(from),
            middle - 5.0,
            ((to - from) * (TO - FROM)).max(2.0),
            WIDTH - 24.0,
            words::score(source.score),
        ));
    }
    svg.push_str(&format!(
        "<text x=\"24\" y=\"{:.1}\" font-size=\"11\" fill=\"#555c63\">{}</text></svg>",
        height - 18.0,
        xml(&format!(
            "{} similarity, {}; zoo “{}”, sha256 {}; Tupate {}",
            words::similarity_label(answer.similarity),
            words::clipped(&loaded.method_label(&answer.method), 40),
            words::clipped(loaded.zoo.name(), 30),
            words::short_hash(&loaded.sha256),
            env!("CARGO_PKG_VERSION")
        ))
    ));
    Picture { file: file(answer, "svg", "image/svg+xml", svg), width: WIDTH, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_special_to_a_format_is_text_in_it() {
        assert_eq!(
            latex("a_b & 50% {x} ^~\\ −1"),
            "a\\_b \\& 50\\% \\{x\\} \\textasciicircum{}\\textasciitilde{}\\textbackslash{} $-$1"
        );
        assert_eq!(xml("<a b=\"c\">&\u{7}"), "&lt;a b=&quot;c&quot;&gt;&amp; ");
    }
}
