//! What part of a picture is seen: zooming and moving, by whatever means.

/// The part of a picture that is seen. The whole picture is 1 wide and 1 high.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Viewport {
    /// Left end.
    pub x: f64,
    /// Upper end.
    pub y: f64,
    /// How often the part fits into the whole, to either side; at least 1.
    pub zoom: f64,
}

impl Viewport {
    /// All of it.
    pub const WHOLE: Self = Self { x: 0.0, y: 0.0, zoom: 1.0 };

    /// Width and height of the part.
    pub fn size(self) -> f64 {
        1.0 / self.zoom
    }

    /// Nearer by `factor`, at most to `most`, with the point that is seen at `at` (0 to 1
    /// in the window) staying where it is.
    #[must_use]
    pub fn zoomed(self, factor: f64, at: [f64; 2], most: f64) -> Self {
        let zoom = (self.zoom * factor).clamp(1.0, most.max(1.0));
        let moved = self.size() - 1.0 / zoom;
        Self { x: self.x + at[0] * moved, y: self.y + at[1] * moved, zoom }.inside()
    }

    /// Moved by shares of the window.
    #[must_use]
    pub fn moved(self, by: [f64; 2]) -> Self {
        let size = self.size();
        Self { x: self.x + by[0] * size, y: self.y + by[1] * size, ..self }.inside()
    }

    /// Moved as little as possible for `place` to be seen, with `margin` around it.
    #[must_use]
    pub fn revealing(self, place: [f64; 2], margin: f64) -> Self {
        let margin = margin.min(self.size() / 2.0);
        let reveal = |from: f64, at: f64| from.min(at - margin).max(at + margin - self.size());
        Self { x: reveal(self.x, place[0]), y: reveal(self.y, place[1]), ..self }.inside()
    }

    /// Where a place of the picture is seen, 0 to 1 in the window.
    pub fn seen(self, place: [f64; 2]) -> [f64; 2] {
        [(place[0] - self.x) * self.zoom, (place[1] - self.y) * self.zoom]
    }

    /// Which place of the picture is seen there.
    pub fn place(self, seen: [f64; 2]) -> [f64; 2] {
        [self.x + seen[0] / self.zoom, self.y + seen[1] / self.zoom]
    }

    fn inside(self) -> Self {
        let most = 1.0 - self.size();
        Self { x: self.x.clamp(0.0, most), y: self.y.clamp(0.0, most), ..self }
    }
}

/// Fingers or a mouse on a picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gesture {
    /// Number and place, 0 to 1 in the window.
    down: Vec<(i32, [f64; 2])>,
    /// How far the first one went, in shares of the window.
    way: f64,
}

/// Below this share of the window, a press is no move.
const STILL: f64 = 0.01;

impl Gesture {
    /// A pointer is put down.
    pub fn press(&mut self, pointer: i32, at: [f64; 2]) {
        if self.down.is_empty() {
            self.way = 0.0;
        }
        self.release(pointer);
        if self.down.len() < 2 {
            self.down.push((pointer, at));
        }
    }

    /// A pointer is taken up. Whether that was a click: alone, and without a move.
    pub fn release(&mut self, pointer: i32) -> bool {
        let before = self.down.len();
        self.down.retain(|(other, _)| *other != pointer);
        let click = before == 1 && self.down.is_empty() && self.way < STILL;
        if before == 2 {
            // What is left of a pinch is no click.
            self.way = STILL;
        }
        click
    }

    /// A pointer moves, which moves or zooms the picture. `None` where it is not down.
    pub fn drag(
        &mut self,
        pointer: i32,
        to: [f64; 2],
        view: Viewport,
        most: f64,
    ) -> Option<Viewport> {
        let at = self.down.iter().position(|(other, _)| *other == pointer)?;
        let from = self.down[at].1;
        self.down[at].1 = to;
        self.way += (to[0] - from[0]).hypot(to[1] - from[1]);
        let fingers = self.down.len() as f64;
        let moved = view.moved([(from[0] - to[0]) / fingers, (from[1] - to[1]) / fingers]);
        let Some((_, other)) = self.down.iter().find(|(other, _)| *other != pointer) else {
            return Some(moved);
        };
        let far = |p: [f64; 2]| (p[0] - other[0]).hypot(p[1] - other[1]).max(STILL);
        let middle = [(to[0] + other[0]) / 2.0, (to[1] + other[1]) / 2.0];
        Some(moved.zoomed(far(to) / far(from), middle, most))
    }

    /// Whether something is down.
    pub fn is_on(&self) -> bool {
        !self.down.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_press_is_a_click_unless_it_moves_or_pinches() {
        let mut gesture = Gesture::default();
        gesture.press(1, [0.5, 0.5]);
        assert!(gesture.is_on() && gesture.release(1) && !gesture.is_on());
        gesture.press(1, [0.5, 0.5]);
        let view = Viewport { x: 0.25, y: 0.25, zoom: 2.0 };
        let moved = gesture.drag(1, [0.4, 0.5], view, 9.0).unwrap();
        assert!((moved.x - 0.3).abs() < 1e-12 && moved.y == 0.25, "{moved:?}");
        assert!(!gesture.release(1));
        gesture.press(1, [0.4, 0.5]);
        gesture.press(2, [0.6, 0.5]);
        let closer = gesture.drag(2, [0.8, 0.5], Viewport::WHOLE, 9.0).unwrap();
        assert!((closer.zoom - 2.0).abs() < 1e-12, "{closer:?}");
        assert!(!gesture.release(1) && !gesture.release(2));
        assert_eq!(gesture.drag(3, [0.0; 2], view, 9.0), None);
    }

    proptest! {
        #[test]
        fn the_view_never_leaves_the_picture_and_what_is_pointed_at_stays(
            steps in proptest::collection::vec((0.2_f64..5.0, 0.0_f64..1.0, 0.0_f64..1.0, -1.0_f64..1.0), 1..20)
        ) {
            let mut view = Viewport::WHOLE;
            for (factor, x, y, by) in steps {
                let before = view.place([x, y]);
                let zoomed = view.zoomed(factor, [x, y], 30.0);
                if zoomed.zoom >= view.zoom {
                    let after = zoomed.place([x, y]);
                    prop_assert!((before[0] - after[0]).abs() < 1e-9);
                    prop_assert!((before[1] - after[1]).abs() < 1e-9);
                }
                view = zoomed.moved([by, -by]);
                prop_assert!(view.zoom >= 1.0 && view.zoom <= 30.0);
                prop_assert!(view.x >= 0.0 && view.x + view.size() <= 1.0 + 1e-12);
                prop_assert!(view.y >= 0.0 && view.y + view.size() <= 1.0 + 1e-12);
                let shown = view.revealing([x, y], 0.01).seen([x, y]);
                prop_assert!(shown.iter().all(|s| (-1e-9..=1.0 + 1e-9).contains(s)), "{shown:?}");
            }
        }
    }
}
