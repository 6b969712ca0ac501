//! The curves of a run as a picture of their own.

use super::curves::{Drawn, HEIGHT, WIDTH};
use super::watched::{Curve, Point};
use crate::export::xml;
use crate::platform::pictures::Standalone;
use crate::words;
use std::fmt::Write;

/// Space around a drawing: above it its name, on the left its scale, below the epochs.
const ABOVE: f64 = 58.0;
const LEFT: f64 = 64.0;
const BELOW: f64 = 44.0;

/// Both drawings beside one another.
pub fn of(run: &str, curves: &[Curve], epochs: u64) -> Standalone {
    let [width, height] = [2.0 * (LEFT + WIDTH) + 24.0, ABOVE + HEIGHT + BELOW];
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\" \
         fill=\"#16191c\"><rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\
         <text x=\"24\" y=\"24\" font-weight=\"600\">{}</text>",
        xml(&words::clipped(run, 90))
    );
    panel(&mut svg, LEFT, "Loss", &Drawn::of(curves, epochs, |point: &Point| point.loss), epochs);
    let score = Drawn::of(curves, epochs, |point: &Point| point.score);
    panel(&mut svg, 2.0 * LEFT + WIDTH, "Validation score", &score, epochs);
    svg.push_str("</svg>");
    (svg, [width, height])
}

fn panel(svg: &mut String, left: f64, name: &str, drawn: &Drawn, epochs: u64) {
    let grey = "fill=\"#555c63\"";
    let last = words::number(drawn.last, 3);
    let middle = HEIGHT / 2.0;
    // Writing to a string cannot fail.
    let _ = write!(
        svg,
        "<g transform=\"translate({left} {ABOVE})\">\
         <text y=\"-10\" {grey}>{name}</text>\
         <text x=\"{WIDTH}\" y=\"-10\" text-anchor=\"end\" font-weight=\"600\">{last}</text>\
         <path d=\"M0 0H{WIDTH}M0 {middle}H{WIDTH}M0 {HEIGHT}H{WIDTH}\" stroke=\"#dcdcd6\"/>"
    );
    for (at, path) in drawn.paths.iter().enumerate() {
        let colour = if at + 1 == drawn.paths.len() { "#0a5e8c" } else { "#9db4c2" };
        let _ = write!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" \
             stroke-linecap=\"round\" stroke-linejoin=\"round\"/>"
        );
    }
    // A line that does not change needs no scale.
    if drawn.high > drawn.low {
        for (value, y) in [(drawn.high, 4.0), (drawn.low, HEIGHT + 4.0)] {
            let value = words::number(value, 3);
            let _ =
                write!(svg, "<text x=\"-8\" y=\"{y}\" text-anchor=\"end\" {grey}>{value}</text>");
        }
    }
    let y = HEIGHT + 20.0;
    let _ = write!(
        svg,
        "<text y=\"{y}\" {grey}>epoch 1</text>\
         <text x=\"{WIDTH}\" y=\"{y}\" text-anchor=\"end\" {grey}>{epochs}</text></g>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_holds_both_curves_and_their_scales() {
        let points = [(1, 0.9), (2, 0.4)];
        let points = points.map(|(epoch, loss)| Point { epoch, loss, score: 0.5 });
        let curve = Curve { learning_rate: 1e-3, points: points.into() };
        let (svg, _) = of("a < b", &[curve], 2);
        for part in [
            ">a &lt; b</text>",
            ">Loss</text>",
            ">0.900</text>",
            ">0.400</text>",
            "d=\"M0.0 0.0L300.0 100.0\"",
            ">Validation score</text>",
            "d=\"M0.0 50.0L300.0 50.0\"",
            ">2</text></g></svg>",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
    }
}
