//! The plane: each task as a point, alike ones close together.

use super::heatmap::file_name;
use super::points::{Legend, TIES, marks, over, rings, texts, ties};
use super::{Lit, Scene, Shown};
use crate::components::picture::{SaveButtons, Zoom, ZoomButtons, measured};
use crate::platform::pictures;
use crate::state::Store;
use crate::viewport::Viewport;
use crate::{labels, words};
use leptos::ev::{KeyboardEvent, PointerEvent};
use leptos::prelude::*;
use tupate_zoo::map::Places;

/// Before it is known, in points.
const WIDTH: f64 = 560.0;
/// Height for a width of 1.
const SHAPE: f64 = 0.8;
/// Room around the points.
const MARGIN: f64 = 24.0;
/// From the pointer to the point that is meant, at most.
const REACH: f64 = 24.0;
/// The nearest that one may come.
const NEAREST: f64 = 24.0;
/// Most letters of a name beside its point.
const LETTERS: usize = 24;

/// A plane that can be chosen: its name in links, on its switch, and what it is.
struct Kind {
    name: &'static str,
    label: &'static str,
    describe: &'static str,
    of: fn(&Shown) -> &Places,
}

/// Every plane. The first is the default.
const KINDS: &[Kind] = &[
    Kind {
        name: "scaling",
        label: "MDS",
        describe: "Classical scaling of the similarities: alike tasks lie close.",
        of: |shown| &shown.map.scaling,
    },
    Kind {
        name: "components",
        label: "PCA",
        describe: "Principal components of the vectors: directions and lengths both count.",
        of: |shown| &shown.map.components,
    },
];

fn kind(store: Store) -> &'static Kind {
    let named = store.view.with(|view| view.plane.clone());
    KINDS.iter().find(|kind| Some(kind.name) == named.as_deref()).unwrap_or(&KINDS[0])
}

/// The points in the picture as a whole, 0 to 1 to the right and down.
fn spread(places: &Places) -> Vec<[f64; 2]> {
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for point in &places.points {
        for c in 0..2 {
            (low[c], high[c]) = (low[c].min(point[c]), high[c].max(point[c]));
        }
    }
    // One scale for both directions: distances are what the picture is about.
    let (wide, tall) = (1.0 - 2.0 * MARGIN / WIDTH, SHAPE - 2.0 * MARGIN / WIDTH);
    let scale = ((high[0] - low[0]) / wide).max((high[1] - low[1]) / tall);
    let scale = if scale > 0.0 && scale.is_finite() { scale } else { 1.0 };
    let middle = [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0];
    let at = |point: &[f64; 2]| {
        [0.5 + (point[0] - middle[0]) / scale, 0.5 - (point[1] - middle[1]) / scale / SHAPE]
    };
    places.points.iter().map(at).collect()
}

/// The picture with its tools.
#[component]
pub fn PlaneMap() -> impl IntoView {
    let store = expect_context::<Store>();
    let scene = expect_context::<Scene>();
    let (measure, picture) = measured();
    let width = Memo::new(move |_| if measure.get() > 0.0 { measure.get() } else { WIDTH });
    let size = move || [width.get(), width.get() * SHAPE];
    let points = Memo::new(move |_| {
        let shown = scene.map()?;
        Some(spread((kind(store).of)(&shown)))
    });
    let zoom = Zoom::new(Signal::derive(|| NEAREST));
    Effect::new(move |_| {
        points.track();
        zoom.view.set(Viewport::WHOLE);
    });
    // Places in the window, in points: none before its width is known, or everything would be
    // drawn twice.
    let seen = Memo::new(move |_| {
        let (view, [w, h], known) = (zoom.view.get(), size(), measure.get() > 0.0);
        points.with(|points| {
            let points = points.iter().filter(|_| known).flatten();
            points.map(|p| view.seen(*p)).map(|[x, y]| [x * w, y * h]).collect::<Vec<_>>()
        })
    });
    let names = Memo::new(move |_| {
        let clip = |name: &String| words::clipped(name, LETTERS);
        scene.map().map_or(Vec::new(), |shown| shown.names.iter().map(clip).collect())
    });
    let labels = Memo::new(move |_| {
        let target = scene.target.get();
        names.with(|names| {
            seen.with(|seen| {
                if names.len() != seen.len() {
                    return Vec::new();
                }
                let widths: Vec<f64> = names.iter().map(|name| labels::width(name)).collect();
                labels::place(seen, &widths, target, size())
            })
        })
    });
    let under = move |[x, y]: [f64; 2]| -> Option<usize> {
        let [w, h] = untrack(size);
        seen.with_untracked(|seen| {
            let far = |p: &[f64; 2]| (p[0] - x * w).hypot(p[1] - y * h);
            let nearest = seen.iter().enumerate().min_by(|a, b| far(a.1).total_cmp(&far(b.1)))?;
            (far(nearest.1) <= REACH).then_some(nearest.0)
        })
    };
    let lit = |task: usize| Lit { task, with: None };
    let on_move = move |event: PointerEvent| {
        if let Some(at) = pictures::place_in(&event)
            && !zoom.drag(&event, at)
        {
            scene.point(under(at).map(lit));
        }
    };
    let on_up = move |event: PointerEvent| {
        if zoom.release(&event)
            && let Some(task) = pictures::place_in(&event).and_then(under)
        {
            scene.choose(store, task);
        }
    };
    let on_key = move |event: KeyboardEvent| {
        let lit_now = scene.lit.get_untracked().map(|lit| lit.task);
        let at = lit_now.or(scene.target.get_untracked()).unwrap_or(0);
        let Some(place) = points.with_untracked(|p| p.as_ref().and_then(|p| p.get(at).copied()))
        else {
            return;
        };
        if zoom.key(&event, zoom.view.get_untracked().seen(place)) {
            return;
        }
        let direction = match event.key().as_str() {
            "ArrowUp" => [0.0, -1.0],
            "ArrowDown" => [0.0, 1.0],
            "ArrowLeft" => [-1.0, 0.0],
            "ArrowRight" => [1.0, 0.0],
            "Enter" => return scene.choose(store, at),
            "Escape" => return scene.point(None),
            _ => return,
        };
        event.prevent_default();
        let next = points.with_untracked(|p| neighbour(p.as_ref()?, at, direction)).unwrap_or(at);
        scene.point(Some(lit(next)));
        if let Some(place) =
            points.with_untracked(|p| p.as_ref().and_then(|p| p.get(next).copied()))
        {
            zoom.view.update(|view| *view = view.revealing(place, 0.02));
        }
    };
    let told = move || {
        let shown = scene.map()?;
        let places = (kind(store).of)(&shown);
        let share = |at: usize| words::number(100.0 * places.shares[at], 0);
        let stress = places.stress.map_or_else(String::new, |stress| {
            format!(" Stress {}, of 1 at most: {}.", words::number(stress, 2), strained(stress))
        });
        Some(format!(
            "{} The two directions have {} % and {} % of the variance.{stress}",
            kind(store).describe,
            share(0),
            share(1),
        ))
    };
    let spoken = move || {
        let (shown, lit) = (scene.map()?, scene.lit.get()?);
        let nearest = shown.map.nearest(lit.task);
        let nearest = nearest.iter().take(TIES).map(|other| {
            let similarity = shown.map.similarities.at(lit.task, *other);
            format!("{} {}", shown.names[*other], words::score(similarity))
        });
        let nearest = nearest.collect::<Vec<_>>().join(", ");
        Some(format!("{}; nearest: {nearest}", shown.names[lit.task]))
    };
    let name = Callback::new(move |()| file_name(store, untrack(|| kind(store)).label));
    view! {
        <figure class="picture" aria-labelledby="plane-head">
            <div class="picture-head">
                <h2 id="plane-head">"Tasks in a plane"</h2>
                <Planes />
                <ZoomButtons zoom hook="plane" what="the plane" />
                <SaveButtons hook="plane" name what="the plane" drawn=Callback::new(|()| pictures::standalone("plane")) />
            </div>
            <svg
                id="plane"
                node_ref=picture
                class="plane"
                class:near=move || { zoom.view.get().zoom > 1.0 }
                viewBox=move || format!("0 0 {} {}", size()[0], size()[1])
                tabindex="0"
                role="application"
                aria-roledescription="map"
                aria-label=move || {
                    format!(
                        "{} as points. Arrow keys go from task to task, Enter makes it the target, plus and minus zoom.",
                        names.with(|names| words::counted(names.len() as u64, "task")),
                    )
                }
                aria-describedby="plane-readout"
                data-testid="plane"
                data-kind=move || kind(store).name
                on:pointerdown=move |event| {
                    if let Some(at) = pictures::place_in(&event) {
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
                    if let Some(at) = pictures::place_in(&event) {
                        zoom.wheel(&event, at);
                    }
                }
                on:keydown=on_key
            >
                <rect class="ground" width="100%" height="100%" />
                {move || ties(scene, &seen.get())}
                {move || {
                    let shown = scene.map()?;
                    Some(seen.with(|seen| marks(&shown, seen)))
                }}
                {move || {
                    let labels = labels.get();
                    names.with(|names| texts(names, &labels, scene.target.get(), scene.about()))
                }}
                {move || rings(scene, &seen.get())}
                {move || over(scene, &names.get(), &seen.get(), &labels.get(), width.get())}
            </svg>
            <figcaption>
                <Legend />
                <p class="readout">{told}</p>
                <p class="hidden" id="plane-readout" aria-live="polite" data-testid="plane-readout">
                    {spoken}
                </p>
            </figcaption>
        </figure>
    }
}

fn strained(stress: f64) -> &'static str {
    match stress {
        ..0.1 => "distances are nearly right",
        ..0.25 => "distances are roughly right",
        _ => "distances are distorted, so trust the heatmap more",
    }
}

/// The point that lies next in a direction: near, and not far off it.
fn neighbour(points: &[[f64; 2]], from: usize, direction: [f64; 2]) -> Option<usize> {
    let own = points[from];
    let cost = |p: &[f64; 2]| {
        let away = [p[0] - own[0], (p[1] - own[1]) * SHAPE];
        let along = away[0] * direction[0] + away[1] * direction[1];
        let aside = (away[0] * direction[1] - away[1] * direction[0]).abs();
        (along > 0.0 && aside <= 1.5 * along).then_some(along + 2.0 * aside)
    };
    let ahead = points.iter().enumerate().filter_map(|(i, p)| Some((i, cost(p)?)));
    ahead.filter(|(i, _)| *i != from).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i)
}

#[component]
fn Planes() -> impl IntoView {
    let store = expect_context::<Store>();
    let entries = KINDS.iter().map(|entry| {
        view! {
            <label title=entry.describe>
                <input
                    type="radio"
                    name="plane-kind"
                    value=entry.name
                    data-testid=format!("plane-{}", entry.name)
                    prop:checked=move || kind(store).name == entry.name
                    on:change=move |_| store.adjust(|view| view.plane = Some(entry.name.into()))
                />
                <span>{entry.label}</span>
            </label>
        }
    });
    view! {
        <fieldset class="switch">
            <legend class="hidden">"Plane"</legend>
            <div class="segments">{entries.collect_view()}</div>
        </fieldset>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_fill_the_picture_on_one_scale() {
        let places = |points: &[[f64; 2]]| Places {
            points: points.to_vec(),
            shares: [0.5, 0.5],
            stress: None,
        };
        let wide = spread(&places(&[[-2.0, 0.0], [2.0, 1.0], [0.0, -1.0]]));
        assert!(wide.iter().flatten().all(|v| (0.0..=1.0).contains(v)), "{wide:?}");
        assert!((wide[0][0] - MARGIN / WIDTH).abs() < 1e-12, "{wide:?}");
        // A step to the right is as long as one upwards.
        let right = (wide[1][0] - wide[0][0]) / 4.0;
        let up = (wide[2][1] - wide[1][1]) * SHAPE / 2.0;
        assert!((right - up).abs() < 1e-12);
        assert_eq!(spread(&places(&[[3.0, 3.0]; 2])), [[0.5; 2]; 2]);
        assert!(spread(&places(&[])).is_empty());
    }

    #[test]
    fn arrows_lead_to_what_lies_ahead() {
        let points = [[0.5, 0.5], [0.7, 0.52], [0.6, 0.9], [0.1, 0.45], [0.52, 0.1]];
        let next = |direction| neighbour(&points, 0, direction);
        assert_eq!(next([1.0, 0.0]), Some(1));
        assert_eq!(next([0.0, 1.0]), Some(2));
        assert_eq!(next([-1.0, 0.0]), Some(3));
        assert_eq!(next([0.0, -1.0]), Some(4));
        assert_eq!(neighbour(&points, 1, [1.0, 0.0]), None);
    }
}
