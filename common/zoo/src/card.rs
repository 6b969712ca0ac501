//! A zoo's card: Markdown for the page that hosts the file.

use crate::{EmbeddingSet, Preferred, Zoo};
use std::fmt::Write;

/// The card of a zoo whose file is called `file` and has this sha256.
pub fn card(zoo: &Zoo, file: &str, sha256: &str) -> String {
    let mut text = String::new();
    write_card(&mut text, zoo, file, sha256).expect("writing to a string");
    text
}

fn write_card(text: &mut String, zoo: &Zoo, file: &str, sha256: &str) -> std::fmt::Result {
    writeln!(text, "# {}\n", plain(zoo.name()))?;
    if !zoo.description().is_empty() {
        writeln!(text, "{}\n", plain(zoo.description()))?;
    }
    writeln!(
        text,
        "Task embeddings of {} tasks: vectors that say which task to train on first. One file in \
         the Tupate zoo format, `{file}`, sha256 `{sha256}`.\n",
        zoo.tasks().len()
    )?;
    writeln!(text, "## Embeddings\n")?;
    writeln!(
        text,
        "| set | tasks | D | method | encoder | weights sha256 | layers | values | init seed |"
    )?;
    writeln!(text, "|---|---:|---:|---|---|---|---|---|---:|")?;
    for set in zoo.sets() {
        set_row(text, set)?;
    }
    writeln!(text, "\nOnly embeddings of one set may be compared with each other.\n")?;
    writeln!(text, "## Tasks\n")?;
    writeln!(
        text,
        "| task | name | class | family | training examples | tunings | metric | score | majority | data licence |"
    )?;
    writeln!(text, "|---|---|---|---|---:|---:|---|---:|---:|---|")?;
    for task in zoo.tasks() {
        let number = |x: Option<f64>| x.map_or_else(|| "unknown".to_owned(), |x| format!("{x:.4}"));
        let name = match &task.link {
            Some(link) => format!("[{}](<{}>)", plain(&task.name), plain(link)),
            None => plain(&task.name),
        };
        writeln!(
            text,
            "| {} | {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
            plain(&task.id),
            task.class.name(),
            plain(&task.family),
            match task.train_examples {
                0 => "unknown".to_owned(),
                n => n.to_string(),
            },
            task.tunings,
            task.metric.name(),
            number(task.score),
            number(task.majority),
            plain(task.licence.as_deref().unwrap_or("unknown"))
        )?;
    }
    if !zoo.transfer().is_empty() {
        writeln!(text, "\n## Measured transfer\n")?;
        writeln!(text, "| setting | metric | targets | sources | seeds | cells run |")?;
        writeln!(text, "|---|---|---:|---:|---:|---:|")?;
        for matrix in zoo.transfer() {
            let run = matrix.scores.iter().flatten().flatten().flatten().count();
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {run} |",
                plain(&matrix.setting),
                plain(&matrix.metric),
                matrix.targets.len(),
                matrix.sources.len(),
                matrix.seeds.len()
            )?;
        }
    }
    if !zoo.scores().is_empty() {
        writeln!(text, "\n## Tables of scores\n")?;
        writeln!(text, "| name | targets | sources |")?;
        writeln!(text, "|---|---:|---:|")?;
        for table in zoo.scores() {
            let (targets, sources) = (table.targets.len(), table.sources.len());
            writeln!(text, "| {} | {targets} | {sources} |", plain(&table.name))?;
        }
    }
    // A stranger's words are not for a shell.
    let mut ids = zoo.tasks().iter().map(|task| task.id.as_str());
    let target = ids.find(|id| is_word(id)).unwrap_or("TASK");
    let preferred = match zoo.preferred() {
        Some(Preferred { method, similarity }) if is_word(method) && is_word(similarity) => {
            format!(" --method {method} --similarity {similarity}")
        }
        _ => String::new(),
    };
    writeln!(text, "\n## Use\n")?;
    writeln!(
        text,
        "```sh\ntupate zoo verify {file}\ntupate rank --zoo {file} --target {target}{preferred}\n\
         ```"
    )
}

fn set_row(text: &mut String, set: &EmbeddingSet) -> std::fmt::Result {
    let recipe = &set.recipe;
    let kebab = |value: serde_json::Result<serde_json::Value>| {
        value.ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let hash = recipe.encoder.weights_sha256.get(..12).unwrap_or("unknown");
    writeln!(
        text,
        "| {} | {} | {} | {}, {} | {} | {hash} | {} | {} | {} |",
        plain(&set.key),
        set.tasks.len(),
        set.dim,
        plain(&recipe.method.to_string()),
        recipe.checkpoint.name(),
        plain(&recipe.encoder.name),
        kebab(serde_json::to_value(recipe.aggregation)),
        kebab(serde_json::to_value(recipe.values)),
        recipe.init_seed
    )
}

/// Whether it is one word to a shell and to Markdown.
fn is_word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.starts_with('-') && text.chars().all(plain)
}

/// Text that stays text in a Markdown table, whatever a stranger's file says.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '<' | '>' | '[' | ']' | '`' | '*' | '\\' | '#' | '!' | '&' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
