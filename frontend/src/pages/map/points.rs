//! What is drawn of the plane: points, names, lines and rings.

use super::{Scene, Shown};
use crate::{labels, words};
use leptos::prelude::*;
use tupate_tasks::TaskClass;

/// The closest tasks that are tied to the one that everything is about.
pub const TIES: usize = 3;

/// A class's mark around the origin, as a path, with its style.
fn mark(class: TaskClass) -> (&'static str, &'static str) {
    match class {
        TaskClass::ClassificationRegression => {
            ("M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z", "mark classes")
        }
        TaskClass::QuestionAnswering => ("M-4.2 -4.2h8.4v8.4h-8.4z", "mark questions"),
        TaskClass::SequenceLabelling => ("M0 -5.4L5.2 4.2H-5.2z", "mark labels"),
    }
}

fn at([x, y]: [f64; 2]) -> String {
    format!("translate({x:.1} {y:.1})")
}

pub fn marks(shown: &Shown, seen: &[[f64; 2]]) -> impl IntoView + use<> {
    let points = seen.iter().zip(&shown.classes).zip(&shown.map.tasks).map(|((place, class), id)| {
        let (path, class) = mark(*class);
        view! { <path class=class d=path transform=at(*place) data-testid="point" data-task=id.clone() /> }
    });
    view! { <g>{points.collect_view()}</g> }
}

pub fn texts(
    names: &[String],
    labels: &[Option<labels::Label>],
    target: Option<usize>,
    about: Option<usize>,
) -> impl IntoView + use<> {
    let texts = names.iter().zip(labels).enumerate().filter_map(|(i, (name, label))| {
        let (side, [x, y]) = (*label)?;
        // The one that everything is about is written over all others.
        (Some(i) != about).then(|| {
            view! {
                <text
                    class:target=Some(i) == target
                    x=format!("{x:.1}")
                    y=format!("{y:.1}")
                    text-anchor=side.anchor()
                >
                    {name.clone()}
                </text>
            }
        })
    });
    view! { <g class="names">{texts.collect_view()}</g> }
}

/// Lines to the closest.
pub fn ties(scene: Scene, seen: &[[f64; 2]]) -> Option<impl IntoView + use<>> {
    let (shown, about) = (scene.map()?, scene.about()?);
    let from = *seen.get(about)?;
    let lines = shown.map.nearest(about).into_iter().take(TIES).filter_map(|other| {
        let to = *seen.get(other)?;
        Some(view! {
            <line
                x1=format!("{:.1}", from[0])
                y1=format!("{:.1}", from[1])
                x2=format!("{:.1}", to[0])
                y2=format!("{:.1}", to[1])
            />
        })
    });
    Some(view! { <g class="ties">{lines.collect_view()}</g> })
}

/// Rings around the target and what is pointed at.
pub fn rings(scene: Scene, seen: &[[f64; 2]]) -> impl IntoView + use<> {
    let ring = |task: Option<usize>, class: &'static str, radius: &'static str| {
        let place = *seen.get(task?)?;
        Some(view! { <circle class=class r=radius transform=at(place) /> })
    };
    let lit = scene.lit.get();
    view! {
        <g class="rings">
            {ring(scene.target.get(), "target", "8.5")} {ring(lit.map(|lit| lit.task), "lit", "8.5")}
            {ring(lit.and_then(|lit| lit.with), "with", "8.5")}
        </g>
    }
}

/// The name of what everything is about, whether or not there was room for it.
pub fn over(
    scene: Scene,
    names: &[String],
    seen: &[[f64; 2]],
    labels: &[Option<labels::Label>],
    width: f64,
) -> Option<impl IntoView + use<>> {
    let about = scene.about()?;
    let ([x, y], name) = (*seen.get(about)?, names.get(about)?.clone());
    let beside = || {
        let right = x + labels::width(&name) + 12.0 < width;
        if right {
            (labels::Side::Start, [x + 11.0, y + 4.5])
        } else {
            (labels::Side::End, [x - 11.0, y + 4.5])
        }
    };
    let (side, [x, y]) = labels.get(about).copied().flatten().unwrap_or_else(beside);
    Some(view! {
        <g class="names single">
            <text class="lit" x=format!("{x:.1}") y=format!("{y:.1}") text-anchor=side.anchor()>
                {name}
            </text>
        </g>
    })
}

/// What the marks mean, of the classes that are there.
#[component]
pub fn Legend() -> impl IntoView {
    let scene = expect_context::<Scene>();
    let classes = Memo::new(move |_| {
        let shown = scene.map();
        let there = |class: &TaskClass| shown.as_ref().is_some_and(|s| s.classes.contains(class));
        TaskClass::ALL.into_iter().filter(there).collect::<Vec<_>>()
    });
    let entries = move || {
        let entry = |class: TaskClass| {
            let (path, style) = mark(class);
            view! {
                <li>
                    <svg class="plane-legend" viewBox="-7 -7 14 14" width="14" height="14" aria-hidden="true">
                        <path class=style d=path />
                    </svg>
                    {words::class(class)}
                </li>
            }
        };
        classes.get().into_iter().map(entry).collect_view()
    };
    view! { <ul class="legend">{entries}</ul> }
}
