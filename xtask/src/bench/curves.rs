//! Loss curves of this program and of PyTorch with PEFT, drawn over each other: speed that
//! was bought with wrong maths would show.

use super::tune::{METHODS, Peers, Side};
use crate::{context::Context, steps::Steps};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;

/// Epochs and seeds of each curve.
const EPOCHS: usize = 6;
const SEEDS: [&str; 3] = ["0", "1", "2"];

/// The sides, as the picture names and draws them.
const SIDES: [(&str, Side, &str); 4] = [
    ("tupate f32", Side::Own("f32"), "stroke=\"#0b5e8e\""),
    ("PEFT f32", Side::Peer(&[]), "stroke=\"#b8651b\""),
    ("tupate bf16", Side::Own("bf16"), "stroke=\"#0b5e8e\" stroke-dasharray=\"2 4\""),
    ("PEFT bf16", Side::Peer(&["--bf16"]), "stroke=\"#b8651b\" stroke-dasharray=\"2 4\""),
];

/// The mean loss of each epoch of each seed, `[seed][epoch]`.
type Curves = Vec<Vec<f64>>;

/// Tunes; a table in Markdown and the picture.
pub fn run(context: &Context, steps: &mut Steps) -> Result<(String, String)> {
    let peers = Peers::make(context, steps)?;
    let file = peers.folder.join("curves.tsv");
    fs::write(&file, texts(640)).with_context(|| format!("cannot write {}", file.display()))?;
    let encoder = context.cache.join("encoders/minilm");
    let mut all = Vec::new();
    for (method, rate) in METHODS {
        let mut of_method: [Curves; SIDES.len()] = Default::default();
        steps.take(&format!("curves, {method}"), || {
            for seed in SEEDS {
                let epochs = EPOCHS.to_string();
                let flags = ["--method", method, "--lr", rate, "--epochs", &epochs, "--seed", seed];
                for ((_, side, _), curves) in SIDES.iter().zip(&mut of_method) {
                    let run = peers.tune(context, *side, &file, &encoder, &flags)?;
                    curves.push(losses(*side, &run)?);
                }
            }
            Ok(format!("{} runs", SEEDS.len() * SIDES.len()))
        })?;
        all.push((*method, of_method));
    }
    Ok((table(&all)?, picture(&all)?))
}

/// The mean loss of each epoch.
fn losses(side: Side, run: &Value) -> Result<Vec<f64>> {
    let numbers = |values: &Value| -> Option<Vec<f64>> {
        values.as_array()?.iter().map(Value::as_f64).collect()
    };
    let losses = match side {
        Side::Own(_) => {
            let curve = run["candidates"][0]["curve"].as_array().context("a run has no curve")?;
            numbers(&curve.iter().map(|epoch| epoch["loss"].clone()).collect())
        }
        Side::Peer(_) => numbers(&run["losses"]).map(|all| {
            let steps = all.chunks((all.len() / EPOCHS).max(1));
            steps.map(|epoch| epoch.iter().sum::<f64>() / epoch.len() as f64).collect()
        }),
    };
    let losses = losses.context("a run has no losses")?;
    ensure!(losses.len() == EPOCHS, "{} epochs of {EPOCHS} have a loss", losses.len());
    Ok(losses)
}

/// Mean, least and greatest of the seeds at each epoch.
fn summary(curves: &Curves) -> Vec<[f64; 3]> {
    let at = |epoch: usize| curves.iter().map(move |curve| curve[epoch]);
    let each = |epoch| {
        let mean = at(epoch).sum::<f64>() / curves.len() as f64;
        [mean, at(epoch).fold(f64::INFINITY, f64::min), at(epoch).fold(0.0, f64::max)]
    };
    (0..EPOCHS).map(each).collect()
}

fn table(all: &[(&str, [Curves; SIDES.len()])]) -> Result<String> {
    let mut text = String::from("![Loss by epoch](loss-curves.svg)\n\n| method | side |");
    for epoch in 1..=EPOCHS {
        write!(text, " epoch {epoch} |")?;
    }
    writeln!(text, "\n|---|---|{}", "--:|".repeat(EPOCHS))?;
    for (method, sides) in all {
        for ((name, ..), curves) in SIDES.iter().zip(sides) {
            write!(text, "| {method} | {name} |")?;
            for [mean, least, greatest] in summary(curves) {
                write!(text, " {mean:.3} ({least:.3} to {greatest:.3}) |")?;
            }
            text.push('\n');
        }
    }
    Ok(text)
}

/// A panel a method: the mean of the seeds as a line, from the least to the greatest as a
/// band.
fn picture(all: &[(&str, [Curves; SIDES.len()])]) -> Result<String> {
    const WIDTH: f64 = 300.0;
    const HEIGHT: f64 = 220.0;
    const LEFT: f64 = 44.0;
    const TOP: f64 = 34.0;
    let values = all.iter().flat_map(|(_, sides)| sides.iter().flatten().flatten());
    let top = (values.fold(0.0_f64, |top, v| top.max(*v)) * 10.0).ceil() / 10.0;
    let (plot_width, plot_height) = (WIDTH - LEFT - 16.0, HEIGHT - TOP - 30.0);
    let y = |loss: f64| TOP + plot_height * (1.0 - loss / top);
    let whole = WIDTH * all.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {whole} {}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#1a1d21\">\n\
         <title>Mean training loss by epoch, this program and PEFT</title>\n\
         <rect width=\"{whole}\" height=\"{}\" fill=\"#fff\"/>\n",
        HEIGHT + 34.0,
        HEIGHT + 34.0,
    );
    for (panel, (method, sides)) in all.iter().enumerate() {
        let left = WIDTH * panel as f64 + LEFT;
        let x = |epoch: usize| left + plot_width * epoch as f64 / (EPOCHS - 1) as f64;
        writeln!(svg, "<text x=\"{left}\" y=\"20\" font-weight=\"600\">{method}</text>")?;
        for tick in 0..=4 {
            let loss = top * f64::from(tick) / 4.0;
            let (at, right) = (y(loss), left + plot_width);
            writeln!(
                svg,
                "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#e3e5e8\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{loss:.2}</text>",
                left - 6.0,
                at + 4.0
            )?;
        }
        for epoch in 0..EPOCHS {
            let at = HEIGHT - 12.0;
            writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{at}\" text-anchor=\"middle\">{}</text>",
                x(epoch),
                epoch + 1
            )?;
        }
        for ((_, _, stroke), curves) in SIDES.iter().zip(sides) {
            let summary = summary(curves);
            let at = |epoch: usize, value: f64| format!("{:.1} {:.1}", x(epoch), y(value));
            let line =
                |which: usize| summary.iter().enumerate().map(move |(epoch, s)| (epoch, s[which]));
            let path = |points: Vec<(usize, f64)>| {
                points.into_iter().map(|(e, v)| at(e, v)).collect::<Vec<_>>().join("L")
            };
            let band = line(1).chain(line(2).rev()).collect();
            let colour = &stroke[8..15];
            writeln!(svg, "<path d=\"M{}Z\" fill=\"{colour}\" opacity=\"0.12\"/>", path(band))?;
            let mean = path(line(0).collect());
            writeln!(svg, "<path d=\"M{mean}\" fill=\"none\" stroke-width=\"2\" {stroke}/>")?;
        }
    }
    for (i, (name, _, stroke)) in SIDES.iter().enumerate() {
        let left = LEFT + 150.0 * i as f64;
        let at = HEIGHT + 16.0;
        writeln!(
            svg,
            "<path d=\"M{left} {at}h28\" stroke-width=\"2\" {stroke}/>\
             <text x=\"{}\" y=\"{}\">{name}</text>",
            left + 36.0,
            at + 4.0
        )?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// A file of texts in two classes that are not easy to tell apart: seven words of eleven
/// are any word's, the others are more often of the class's own.
fn texts(count: usize) -> String {
    const OWN: [[&str; 4]; 2] =
        [["river", "cloud", "north", "plant"], ["music", "paper", "story", "bread"]];
    const ANY: [&str; 8] = ["water", "house", "small", "under", "light", "never", "green", "table"];
    let mut random = super::tune::random();
    let mut text = String::from("text\tlabel\n");
    for i in 0..count {
        let class = i % 2;
        let mut words = Vec::new();
        for _ in 0..6 + (random() * 10.0) as usize {
            let own = match random() {
                chance if chance < 0.65 => &ANY[..],
                chance if chance < 0.88 => &OWN[class],
                _ => &OWN[1 - class],
            };
            words.push(own[(random() * own.len() as f64) as usize]);
        }
        text.push_str(&format!("{}\t{}\n", words.join(" "), ["no", "yes"][class]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn curves_become_a_table_and_a_picture() {
        let curve: Vec<Value> =
            (0..EPOCHS).map(|i| json!({ "loss": 0.6 - 0.1 * i as f64 })).collect();
        let own = json!({ "candidates": [{ "curve": curve }] });
        let steps: Vec<f64> = (0..2 * EPOCHS).map(|i| [0.5, 0.7][i % 2]).collect();
        let peer = json!({ "losses": steps });
        let own = losses(Side::Own("f32"), &own).unwrap();
        let peer = losses(Side::Peer(&[]), &peer).unwrap();
        assert!(peer.iter().all(|loss| (loss - 0.6).abs() < 1e-9), "{peer:?}");
        assert!(losses(Side::Peer(&[]), &json!({ "losses": [] })).is_err());
        let sides = [vec![own], vec![peer.clone()], vec![peer.clone()], vec![peer]];
        let all = [("lora", sides)];
        let table = table(&all).unwrap();
        assert!(table.contains("| lora | tupate f32 | 0.600 (0.600 to 0.600) | 0.500"), "{table}");
        let svg = picture(&all).unwrap();
        assert_eq!(svg.matches("stroke-width=\"2\"").count(), 2 * SIDES.len(), "{svg}");
        assert_eq!(texts(8).lines().count(), 9);
    }
}
