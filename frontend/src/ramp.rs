//! The colours of the heatmap: one scale by day and by night, and for every eye.
//!
//! From dark blue over grey to pale yellow, ever lighter: blue and yellow are told apart
//! with every common kind of colour blindness, and lightness alone says the order.

/// Colours of a palette: the scale, and one more for what has none.
pub const COLOURS: usize = 256;
/// Steps of the scale.
pub const STEPS: usize = COLOURS - 1;
/// The palette's place of a task beside itself, which says nothing.
pub const SELF: u8 = STEPS as u8;

/// Where the scale bends, in sRGB.
const STOPS: [[u8; 3]; 6] = [
    [0x10, 0x22, 0x4e],
    [0x24, 0x4c, 0x7f],
    [0x4f, 0x77, 0x92],
    [0x8b, 0x9f, 0x96],
    [0xc8, 0xc4, 0x88],
    [0xff, 0xf0, 0xa6],
];
const NEUTRAL: [u8; 3] = [0x7d, 0x7d, 0x7d];

/// All colours, in sRGB: the scale's from low to high, then that of [`SELF`].
pub fn palette() -> [[u8; 3]; COLOURS] {
    std::array::from_fn(|step| if step == STEPS { NEUTRAL } else { colour(step) })
}

fn colour(step: usize) -> [u8; 3] {
    let at = step as f64 / (STEPS - 1) as f64 * (STOPS.len() - 1) as f64;
    let below = (at as usize).min(STOPS.len() - 2);
    let share = at - below as f64;
    std::array::from_fn(|c| {
        let (low, high) = (f64::from(STOPS[below][c]), f64::from(STOPS[below + 1][c]));
        (low + (high - low) * share).round() as u8
    })
}

/// The step of a value on a scale from `low` to `high`; the middle one where both are
/// the same.
pub fn step(value: f64, [low, high]: [f64; 2]) -> u8 {
    let share = (value - low) / (high - low);
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.5 };
    (share * (STEPS - 1) as f64).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance as WCAG 2.2 defines it, of what the three kinds of cones see:
    /// all of them, or two (Viénot, Brettel and Mollon 1999).
    fn luminance(colour: [u8; 3], blind: &str) -> f64 {
        let [r, g, b] = colour.map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        let [r, g, b] = match blind {
            "protan" => [0.1121 * r + 0.8853 * g, 0.1127 * r + 0.8897 * g, 0.0045 * r + b],
            "deutan" => {
                [0.2920 * r + 0.7054 * g, 0.2934 * r + 0.7089 * g, -0.02098 * r + 0.02559 * g + b]
            }
            _ => [r, g, b],
        };
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    #[test]
    fn every_step_is_lighter_than_the_one_before_for_every_eye() {
        let palette = palette();
        for blind in ["", "protan", "deutan"] {
            let light: Vec<f64> = palette[..STEPS].iter().map(|c| luminance(*c, blind)).collect();
            assert!(light.windows(2).all(|pair| pair[0] < pair[1] + 1e-6), "{blind}");
            // A tenth of the scale is a difference that one sees.
            for pair in light.windows(26) {
                assert!((pair[25] + 0.05) / (pair[0] + 0.05) > 1.08, "{blind} {pair:?}");
            }
        }
    }

    #[test]
    fn values_have_their_step() {
        let ends = [0.9, 1.0];
        assert_eq!([0.9, 0.95, 1.0, 0.1, 2.0].map(|v| step(v, ends)), [0, 127, 254, 0, 254]);
        assert_eq!(step(0.5, [0.5, 0.5]), 127);
        assert!(step(1.0, ends) < SELF);
    }
}
