//! The heatmap: the similarity of every two tasks, neighbours alike.

use super::{Lit, Scene, Shown};
use crate::components::picture::{SaveButtons, Zoom, ZoomButtons, measured};
use crate::platform::pictures;
use crate::state::Store;
use crate::viewport::Viewport;
use crate::{labels, png, ramp, words};
use leptos::ev::{KeyboardEvent, PointerEvent};
use leptos::prelude::*;
use std::sync::Arc;
use tupate_metrics::{at_once, no_pause};
use tupate_zoo::map::Map;

/// Before it is known, in points.
const WIDTH: f64 = 560.0;
/// Below this height a row has no room for its name.
const LEGIBLE: f64 = 11.0;
/// Rows that are seen at the nearest.
const FEWEST: f64 = 6.0;

/// Room for names beside the cells, of a picture of this width.
fn gutter(width: f64) -> f64 {
    (0.24 * width).clamp(84.0, 150.0)
}

/// The picture with its tools.
#[component]
pub fn Heatmap() -> impl IntoView {
    let store = expect_context::<Store>();
    let scene = expect_context::<Scene>();
    let (measure, picture) = measured();
    let width = Memo::new(move |_| if measure.get() > 0.0 { measure.get() } else { WIDTH });
    let count = Memo::new(move |_| scene.map().map_or(1, |shown| shown.len()));
    let zoom = Zoom::new(Signal::derive(move || count.get() as f64 / FEWEST));
    // Another map is seen whole.
    Effect::new(move |_| {
        scene.shown.track();
        zoom.view.set(Viewport::WHOLE);
    });
    let ends = Memo::new(move |_| scene.map().map_or([0.0, 1.0], |shown| shown.ends));
    let side = move || width.get() - gutter(width.get());

    // From a place in the picture to that in the window of cells.
    let inside = move |[x, y]: [f64; 2]| {
        let (width, gutter) = (width.get_untracked(), gutter(width.get_untracked()));
        [(x * width - gutter) / (width - gutter), y]
    };
    let cell = move |seen: [f64; 2]| -> Option<Lit> {
        let n = count.get_untracked() as f64;
        // Beside the cells, a name is pointed at.
        let names = seen[0] < 0.0;
        let place = zoom.view.get_untracked().place(seen);
        let at = |share: f64| (0.0..1.0).contains(&share).then_some((share * n) as usize);
        let task = at(place[1])?;
        Some(Lit { task, with: if names { None } else { Some(at(place[0])?) } })
    };
    let over = move |event: &PointerEvent| pictures::place_in(event).map(inside);
    let on_move = move |event: PointerEvent| {
        if let Some(at) = over(&event)
            && !zoom.drag(&event, at)
        {
            scene.point(cell(at));
        }
    };
    let on_up = move |event: PointerEvent| {
        if zoom.release(&event)
            && let Some(lit) = over(&event).and_then(cell)
        {
            scene.choose(store, lit.task);
        }
    };
    let on_key = move |event: KeyboardEvent| {
        let n = count.get_untracked();
        let lit = scene.lit.get_untracked();
        let row = lit.map(|lit| lit.task).or(scene.target.get_untracked()).unwrap_or(0);
        let column = lit.and_then(|lit| lit.with).unwrap_or(row);
        let middle = |at: usize| (at as f64 + 0.5) / n as f64;
        let seen = zoom.view.get_untracked().seen([middle(column), middle(row)]);
        if zoom.key(&event, seen) {
            return;
        }
        let to = |at: usize, by: isize| at.saturating_add_signed(by).min(n - 1);
        let (row, column) = match event.key().as_str() {
            "ArrowUp" => (to(row, -1), column),
            "ArrowDown" => (to(row, 1), column),
            "ArrowLeft" => (row, to(column, -1)),
            "ArrowRight" => (row, to(column, 1)),
            "Home" => (0, 0),
            "End" => (n - 1, n - 1),
            "Enter" => return scene.choose(store, row),
            "Escape" => return scene.point(None),
            _ => return,
        };
        event.prevent_default();
        scene.point(Some(Lit { task: row, with: Some(column) }));
        zoom.view.update(|view| {
            *view = view.revealing([middle(column), middle(row)], 1.0 / n as f64);
        });
    };
    let readout = move || {
        let shown = scene.map()?;
        match scene.lit.get() {
            Some(Lit { task, with: Some(with) }) => Some(shown.pair(task, with)),
            Some(Lit { task, with: None }) => Some(shown.names[task].clone()),
            None => None,
        }
    };
    let name = Callback::new(move |()| file_name(store, "similarities"));
    view! {
        <figure class="picture" aria-labelledby="heatmap-head">
            <div class="picture-head">
                <h2 id="heatmap-head">"Every two tasks"</h2>
                <ZoomButtons zoom hook="heatmap" what="the heatmap" />
                <SaveButtons hook="heatmap" name what="the heatmap" drawn=Callback::new(|()| pictures::standalone("heatmap")) />
            </div>
            <svg
                id="heatmap"
                node_ref=picture
                class="heatmap"
                class:near=move || { zoom.view.get().zoom > 1.0 }
                viewBox=move || format!("0 0 {} {}", width.get(), side())
                tabindex="0"
                role="application"
                aria-roledescription="heatmap"
                aria-label=move || {
                    format!(
                        "Similarities of {}. Arrow keys go from cell to cell, Enter makes the row's task the target, plus and minus zoom.",
                        words::counted(count.get() as u64, "task"),
                    )
                }
                aria-describedby="heatmap-readout"
                data-testid="heatmap"
                data-zoom=move || zoom.view.get().zoom.to_string()
                on:pointerdown=move |event| {
                    if let Some(at) = over(&event) {
                        zoom.press(&event, at);
                    }
                }
                on:pointermove=on_move
                on:pointerup=on_up
                on:pointercancel=move |event| {
                    zoom.release(&event);
                }
                on:pointerleave=move |_| scene.point(None)
                on:wheel=move |event| {
                    if let Some(at) = pictures::place_in(&event).map(inside) {
                        zoom.wheel(&event, at);
                    }
                }
                on:keydown=on_key
            >
                <rect class="ground" width="100%" height="100%" />
                {move || drawing(scene, zoom.view.get(), width.get())}
                {move || marks(scene, zoom.view.get(), width.get())}
            </svg>
            <figcaption>
                <Scale ends />
                <p class="readout" id="heatmap-readout" aria-live="polite" data-testid="readout">
                    {move || readout().unwrap_or_else(|| "Point at a cell to read it; a click makes its row the target. Ctrl and the wheel, or two fingers, zoom.".into())}
                </p>
            </figcaption>
        </figure>
    }
}

/// A file's name for a picture of the zoo that is open.
pub fn file_name(store: Store, what: &str) -> String {
    let zoo = store.loaded.with_untracked(|l| l.as_ref().map(|l| l.zoo.name().to_owned()));
    let method = store.view.with_untracked(|view| view.method.clone()).unwrap_or_default();
    let name = format!("{} {method} {what}", zoo.unwrap_or_default());
    let plain = |c: char| if c.is_alphanumeric() || c == '.' { c } else { '-' };
    name.trim().chars().take(80).map(plain).collect()
}

/// All cells as one picture's address.
pub async fn cells(map: &Map, ends: [f64; 2], pause: &impl AsyncFn()) -> String {
    let n = map.tasks.len();
    let mut pixels = Vec::with_capacity(n * n);
    for i in 0..n {
        let row = map.similarities.row(i).iter().map(|value| ramp::step(*value, ends));
        pixels.extend(row);
        pixels[i * n + i] = ramp::SELF;
        pause().await;
    }
    let png = png::indexed(n, &pixels, &ramp::palette(), pause).await;
    pause().await;
    png::address(&png)
}

/// The cells and the names of their rows.
fn drawing(scene: Scene, view: Viewport, width: f64) -> Option<impl IntoView + use<>> {
    let shown = scene.map()?;
    let n = shown.len() as f64;
    let gutter = gutter(width);
    let side = width - gutter;
    let window = format!("{} {} {} {}", view.x * n, view.y * n, view.size() * n, view.size() * n);
    let height = side * view.zoom / n;
    let first = (view.y * n) as usize;
    let last = (((view.y + view.size()) * n).ceil() as usize).min(shown.len());
    let names = (height >= LEGIBLE)
        .then(|| (first..last).map(|row| row_name(&shown, view, width, row, "")).collect_view());
    Some(view! {
        <svg
            x=gutter.to_string()
            y="0"
            width=side.to_string()
            height=side.to_string()
            viewBox=window
            preserveAspectRatio="none"
        >
            <image class="cells" href=shown.cells.clone() width=n.to_string() height=n.to_string() />
        </svg>
        <g class="names">{names}</g>
    })
}

/// A row's name beside it, where it is seen.
fn row_name(
    shown: &Arc<Shown>,
    view: Viewport,
    width: f64,
    row: usize,
    class: &'static str,
) -> Option<impl IntoView + use<>> {
    let gutter = gutter(width);
    let y = view.seen([0.0, (row as f64 + 0.5) / shown.len() as f64])[1];
    (0.0..=1.0).contains(&y).then(|| {
        // Those that are marked are set bold, and wider.
        let wide = if class.is_empty() { 1.0 } else { 1.12 };
        let most = ((gutter - 8.0) / (wide * labels::width("m"))) as usize;
        let at = (y * (width - gutter)).clamp(6.0, width - gutter - 6.0) + 4.0;
        view! {
            <text class=class x=(gutter - 6.0).to_string() y=at.to_string() text-anchor="end">
                {words::clipped(&shown.names[row], most)}
            </text>
        }
    })
}

/// The rows that are pointed at or chosen.
fn marks(scene: Scene, view: Viewport, width: f64) -> Option<impl IntoView + use<>> {
    let shown = scene.map()?;
    let n = shown.len() as f64;
    let gutter = gutter(width);
    let side = width - gutter;
    // A strip of the window, cut at its ends.
    let strip = move |at: usize, across: bool| {
        let ends = [at as f64 / n, (at as f64 + 1.0) / n].map(|end| {
            let seen = view.seen([end, end])[usize::from(across)];
            seen.clamp(0.0, 1.0) * side
        });
        let (from, long) = (ends[0], (ends[1] - ends[0]).max(1.0));
        (ends[1] > ends[0]).then(|| {
            let [x, y, w, h] =
                if across { [gutter, from, side, long] } else { [gutter + from, 0.0, long, side] };
            view! {
                <rect x=x.to_string() y=y.to_string() width=w.to_string() height=h.to_string() />
            }
        })
    };
    let target = scene.target.get();
    let lit = scene.lit.get();
    let legible = side * view.zoom / n >= LEGIBLE;
    let other = lit.and_then(|lit| lit.with).filter(|with| Some(*with) != lit.map(|l| l.task));
    // Names of single rows stand over what they would overlap.
    let named = |row: usize, class| row_name(&shown, view, width, row, class);
    let near = |a: Option<usize>, b: Option<usize>| {
        let rows = 14.0 * n / (side * view.zoom);
        a.zip(b).is_some_and(|(a, b)| (a.abs_diff(b) as f64) < rows)
    };
    let row = lit.map(|lit| lit.task);
    Some(view! {
        <g class="target">{target.map(|at| (strip(at, true), strip(at, false)))}</g>
        <g class="lit">
            {lit.map(|lit| strip(lit.task, true))} {lit.and_then(|lit| lit.with).map(|at| strip(at, false))}
        </g>
        <g class="names single">
            {(!legible || target.is_some())
                .then(|| {
                    target
                        .filter(|_| legible || !(near(target, row) || near(target, other)))
                        .map(|at| named(at, "target"))
                })}
            {(!legible).then(|| other.filter(|_| !near(row, other)).map(|at| named(at, "")))}
            {row.map(|at| named(at, "lit"))}
        </g>
    })
}

/// What the colours mean.
#[component]
fn Scale(ends: Memo<[f64; 2]>) -> impl IntoView {
    let steps: Vec<u8> = (0..ramp::STEPS as u8).collect();
    let colours = ramp::palette();
    let picture = at_once(png::indexed(ramp::STEPS, &steps, &colours, &no_pause));
    let picture = png::address(&picture);
    let zero = move || {
        let [low, high] = ends.get();
        (low < 0.0 && high > 0.0).then(|| {
            let at = -low / (high - low);
            (0.12..0.88).contains(&at).then(
                || view! { <span class="scale-zero" style=("--at", at.to_string())>"0"</span> },
            )
        })
    };
    view! {
        <div class="scale">
            <span>{move || words::number(ends.get()[0], 3)}</span>
            <span class="scale-bar">
                <img src=picture alt="" width="255" height="10" />
                {zero}
            </span>
            <span>{move || words::number(ends.get()[1], 3)}</span>
            <span class="scale-note">"light is alike"</span>
        </div>
    }
}
