//! Where names can stand beside points without covering anything.

/// Which end of a text is at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Its beginning: it stands to the right.
    Start,
    /// Its middle: it stands above or below.
    Middle,
    /// Its end: it stands to the left.
    End,
}

impl Side {
    /// As SVG's `text-anchor`.
    pub fn anchor(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A text's place: its side, and its baseline.
pub type Label = (Side, [f64; 2]);

/// Height of a line, in the units of the places.
const LINE: f64 = 14.0;
/// From a point to its name.
const GAP: f64 = 9.0;
/// Half the width of a point's mark.
const MARK: f64 = 6.0;
/// What stays free between a name and the edge of the area.
const EDGE: f64 = 1.0;
/// Edge of a square of the grid in which neighbours are looked for.
const GRID: f64 = 48.0;

/// About how wide a text is at 12 px: too wide rather than too narrow.
pub fn width(text: &str) -> f64 {
    6.9 * text.chars().count() as f64
}

#[derive(Clone, Copy, Debug)]
struct Region {
    from: [f64; 2],
    to: [f64; 2],
}

impl Region {
    fn meets(&self, other: &Self) -> bool {
        (0..2).all(|c| self.from[c] < other.to[c] && other.from[c] < self.to[c])
    }
}

/// Places names beside points, `[x, y]` with `y` downwards, in an area of this size. The
/// one of `first` has its place whatever it covers; of the others the earlier ones go
/// first, and whose name has no room gets none. Near an edge a name moves along its point
/// as far as the edge asks.
pub fn place(
    points: &[[f64; 2]],
    widths: &[f64],
    first: Option<usize>,
    size: [f64; 2],
) -> Vec<Option<Label>> {
    let across = (size[0] / GRID).ceil().max(1.0) as usize;
    let down = (size[1] / GRID).ceil().max(1.0) as usize;
    let mut squares: Vec<Vec<Region>> = vec![Vec::new(); across * down];
    let under = |region: &Region| {
        let at = |x: f64, n: usize| ((x / GRID).max(0.0) as usize).min(n - 1);
        let columns = at(region.from[0], across)..=at(region.to[0], across);
        let rows = at(region.from[1], down)..=at(region.to[1], down);
        rows.flat_map(move |row| columns.clone().map(move |column| row * across + column))
    };
    for &[x, y] in points {
        let mark = Region { from: [x - MARK, y - MARK], to: [x + MARK, y + MARK] };
        under(&mark).for_each(|square| squares[square].push(mark));
    }
    let mut labels = vec![None; points.len()];
    let order = first.into_iter().chain((0..points.len()).filter(|point| Some(*point) != first));
    for point in order {
        let ([x, y], width) = (points[point], widths[point]);
        if x < 0.0 || y < 0.0 || x > size[0] || y > size[1] {
            continue;
        }
        // Not `clamp`, which panics where the area is smaller than the name.
        let within = |v: f64, least: f64, most: f64| v.min(most - EDGE).max(least + EDGE);
        let beside = within(y + LINE / 3.0, LINE * 0.8, size[1] - LINE * 0.2);
        let along = within(x, width / 2.0, size[0] - width / 2.0);
        let places = [
            (Side::Start, [x + GAP, beside]),
            (Side::End, [x - GAP, beside]),
            (Side::Middle, [along, y - GAP]),
            (Side::Middle, [along, y + GAP + LINE * 0.75]),
        ];
        labels[point] = places.into_iter().find(|(side, [x, y])| {
            let left = match side {
                Side::Start => *x,
                Side::Middle => x - width / 2.0,
                Side::End => x - width,
            };
            let own = Region { from: [left, y - LINE * 0.8], to: [left + width, y + LINE * 0.2] };
            let inside = own.from.iter().all(|v| *v >= 0.0) && (0..2).all(|c| own.to[c] <= size[c]);
            let free = || under(&own).all(|at| squares[at].iter().all(|r| !r.meets(&own)));
            let taken = inside && (Some(point) == first || free());
            if taken {
                under(&own).for_each(|square| squares[square].push(own));
            }
            taken
        });
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lone_name_stands_to_the_right_and_at_the_edge_to_the_left() {
        let place = |x: f64| place(&[[x, 50.0]], &[40.0], None, [200.0, 100.0])[0].unwrap().0;
        assert_eq!([place(20.0), place(180.0)], [Side::Start, Side::End]);
        let outside = super::place(&[[-5.0, 5.0]], &[4.0], None, [50.0, 50.0]);
        assert_eq!(outside, [None]);
    }

    #[test]
    fn in_the_corners_a_name_moves_inside() {
        for (corner, side, y) in [
            ([0.0, 0.0], Side::Start, 12.2),
            ([0.0, 100.0], Side::Start, 96.2),
            ([200.0, 0.0], Side::End, 12.2),
            ([200.0, 100.0], Side::End, 96.2),
        ] {
            let (found, [_, baseline]) =
                place(&[corner], &[40.0], None, [200.0, 100.0])[0].unwrap();
            assert!(
                found == side && (baseline - y).abs() < 1e-9,
                "{corner:?}: {found:?}, {baseline}"
            );
        }
        // No room at all: no name, and no panic.
        assert_eq!(place(&[[4.0, 4.0]], &[40.0], None, [8.0, 8.0]), [None]);
        let above = place(&[[5.0, 50.0]], &[180.0], None, [190.0, 100.0])[0].unwrap();
        assert_eq!(above, (Side::Middle, [91.0, 41.0]));
    }

    #[test]
    fn the_first_has_its_name_in_any_crowd() {
        let crowd: Vec<[f64; 2]> =
            (0..400).map(|i| [f64::from(i % 20) * 5.0, f64::from(i / 20) * 5.0]).collect();
        let labels = place(&crowd, &[40.0; 400], Some(210), [100.0, 100.0]);
        assert!(labels[210].is_some() && labels.iter().flatten().count() == 1);
    }

    proptest! {
        #[test]
        fn nothing_is_covered(
            points in proptest::collection::vec((0.0_f64..400.0, 0.0_f64..300.0, 10.0_f64..90.0), 1..80)
        ) {
            let places: Vec<[f64; 2]> = points.iter().map(|p| [p.0, p.1]).collect();
            let widths: Vec<f64> = points.iter().map(|p| p.2).collect();
            let labels = place(&places, &widths, None, [400.0, 300.0]);
            let regions: Vec<Region> = labels.iter().zip(&widths).filter_map(|(label, width)| {
                let (side, [x, y]) = (*label)?;
                let left = match side {
                    Side::Start => x,
                    Side::Middle => x - width / 2.0,
                    Side::End => x - width,
                };
                Some(Region { from: [left, y - LINE * 0.8], to: [left + width, y + LINE * 0.2] })
            }).collect();
            for (i, a) in regions.iter().enumerate() {
                prop_assert!(regions[..i].iter().all(|b| !a.meets(b)));
                let covered = places.iter().any(|p| a.meets(&Region { from: *p, to: *p }));
                prop_assert!(!covered, "a point is covered");
                prop_assert!(a.from[0] >= 0.0 && a.to[0] <= 400.0);
                prop_assert!(a.from[1] >= 0.0 && a.to[1] <= 300.0);
            }
            // Whoever is alone has room, in a corner too.
            prop_assert!(places.len() > 1 || labels[0].is_some());
        }
    }
}
