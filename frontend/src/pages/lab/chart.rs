//! Every method's figure by the measure that is chosen, with its interval, as a dot.

use super::{Figures, Lab};
use crate::components::picture::{SaveButtons, measured};
use crate::pages::map::file_name;
use crate::platform::pictures;
use crate::scale::Axis;
use crate::state::Store;
use crate::{labels, verdict, words};
use leptos::prelude::*;
use tupate_metrics::MEASURES;
use tupate_zoo::lab::Row;

/// Before it is known, in points.
const WIDTH: f64 = 720.0;
const ROW: f64 = 30.0;
/// Below this width names stand above their marks, in higher rows.
const NARROW: f64 = 520.0;
const HIGH_ROW: f64 = 46.0;
const HEAD: f64 = 26.0;
/// Room at the right for the figure.
const FIGURE: f64 = 60.0;

#[component]
pub fn Chart() -> impl IntoView {
    let store = expect_context::<Store>();
    let lab = expect_context::<Lab>();
    let (measure, picture) = measured();
    let width = Memo::new(move |_| if measure.get() > 0.0 { measure.get() } else { WIDTH });
    let order = Memo::new(move |_| {
        let measure = lab.measure();
        lab.figures.get().map_or(Vec::new(), |figures| figures.best_first(measure))
    });
    let height = move || {
        HEAD + row_height(width.get()) * order.with(|order| order.len().max(1)) as f64 + 6.0
    };
    let phrase = move || lab.gauge.get().phrase(lab.relevance.get().0);
    let sentence = move || {
        let figures = lab.figures.get()?;
        let measure = lab.measure();
        let best = *order.with(|order| order.first().copied()).as_ref()?;
        let report = figures.rows[best].report.as_ref().ok()?;
        let value = verdict::figure(measure, report.mean[measure]?);
        let figure = |at: &usize| {
            let mean = figures.rows[*at].report.as_ref().ok()?.mean[measure]?;
            Some(verdict::figure(measure, mean))
        };
        let equal = order.with(|order| {
            order.iter().take_while(|at| figure(at).as_ref() == Some(&value)).count()
        });
        let best = match equal {
            1 => format!("is {}", figures.names[best]),
            n => format!("is shared by {n} methods"),
        };
        // Equal figures have intervals of their own.
        let interval = report.interval[measure].filter(|_| equal == 1);
        let interval = interval.map_or_else(String::new, |ends| {
            format!(", 95 % interval {}", verdict::ends(measure, ends))
        });
        let floor = report.random[measure].map_or_else(String::new, |floor| {
            format!("; a random order has {}", verdict::figure(measure, floor))
        });
        Some(format!(
            "Against {}, the best by {} {best}: {value} over {}{interval}{floor}.",
            figures.setting,
            phrase(),
            words::counted(report.defined(measure) as u64, "target"),
        ))
    };
    let none = move || {
        let defined = order.with(|order| !order.is_empty());
        let failed = lab
            .figures
            .with(|f| f.as_ref().is_some_and(|f| f.rows.iter().all(|r| r.report.is_err())));
        (!defined && !failed).then(|| {
            format!("{} is undefined for every target here. NDCG by gain needs the scores without transfer, and a source that improves on one.", phrase())
        })
    };
    let has = move |what: fn(&Row) -> bool| {
        lab.figures.with(|f| f.as_ref().is_some_and(|f| f.rows.iter().any(what)))
    };
    let has_table = move || has(|row| row.is_table);
    let has_ceiling = move || {
        has(|row| row.report.as_ref().is_ok_and(|report| report.ceiling_beside().is_some()))
    };
    let name = Callback::new(move |()| {
        file_name(store, &format!("lab {}", MEASURES[untrack(|| lab.measure())].name))
    });
    view! {
        <section class="answer" aria-labelledby="plot-head">
            <div aria-live="polite" aria-atomic="true">
                <p class="sentence" data-testid="lab-sentence">
                    {sentence}
                </p>
            </div>
            <Failures />
            <p class="hint">{none}</p>
            <figure class="picture" aria-labelledby="plot-head">
                <div class="picture-head">
                    <h2 id="plot-head">
                        {phrase}
                        {move || {
                            let better = MEASURES[lab.measure()].greater_is_better;
                            if better { ", greater is better" } else { ", smaller is better" }
                        }}
                    </h2>
                    <SaveButtons hook="dot-plot" name what="the dot plot" drawn=Callback::new(|()| pictures::standalone("dot-plot")) />
                </div>
                <svg
                    id="dot-plot"
                    node_ref=picture
                    class="dot-plot"
                    viewBox=move || format!("0 0 {} {}", width.get(), height())
                    role="img"
                    aria-label=move || format!("{} of each method with its interval; the table below has the figures", phrase())
                    data-testid="dot-plot"
                >
                    <rect class="ground" width="100%" height="100%" />
                    {move || {
                        let figures = lab.figures.get()?;
                        Some(plot(&figures, &order.get(), lab.measure(), width.get()))
                    }}
                </svg>
                <figcaption>
                    <ul class="legend">
                        <li>{key("late")} "late"</li>
                        <li>{key("early")} "early"</li>
                        {move || has_table().then(|| view! { <li>{key("table")} "table of scores"</li> })}
                        <li>{key("interval")} "95 % interval over targets"</li>
                        <li>{key("floor")} "random order"</li>
                        {move || {
                            has_ceiling()
                                .then(|| view! { <li>{key("ceiling")} "one seed by the others"</li> })
                        }}
                    </ul>
                </figcaption>
            </figure>
        </section>
    }
}

/// Methods without figures, and why.
#[component]
fn Failures() -> impl IntoView {
    let lab = expect_context::<Lab>();
    move || {
        let figures = lab.figures.get()?;
        let failed = figures.rows.iter().zip(&figures.names);
        let failed = failed
            .filter_map(|(row, name)| Some((row.report.as_ref().err()?.clone(), name.clone())));
        let lines = failed.map(|(why, name)| view! { <li><strong>{name}</strong> ": " {why}</li> });
        let lines: Vec<_> = lines.collect();
        (!lines.is_empty()).then(|| {
            view! {
                <section class="message warn" data-testid="lab-failures">
                    <h2>"Not judged"</h2>
                    <ul>{lines}</ul>
                </section>
            }
        })
    }
}

fn key(class: &'static str) -> impl IntoView {
    let mark = match class {
        "interval" => view! { <line class="interval" x1="-9" x2="9" y1="0" y2="0" /> }.into_any(),
        "floor" | "ceiling" => {
            view! { <line class=class x1="0" x2="0" y1="-7" y2="7" /> }.into_any()
        }
        _ => dot(class, 0.0, 0.0).into_any(),
    };
    view! {
        <svg class="key" viewBox="-10 -8 20 16" width="20" height="16" aria-hidden="true">
            {mark}
        </svg>
    }
}

fn dot(class: &'static str, x: f64, y: f64) -> impl IntoView {
    let path = match class {
        "table" => "M0 -6L6 0L0 6L-6 0z",
        _ => "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
    };
    view! { <path class=format!("dot {class}") d=path transform=format!("translate({x:.1} {y:.1})") /> }
}

fn row_height(width: f64) -> f64 {
    if width < NARROW { HIGH_ROW } else { ROW }
}

fn plot(figures: &Figures, order: &[usize], measure: usize, width: f64) -> impl IntoView + use<> {
    let reports = || order.iter().filter_map(|at| figures.rows[*at].report.as_ref().ok());
    let values: Vec<f64> = reports()
        .flat_map(|r| {
            let ceiling = r.ceiling_beside().and_then(|ceiling| ceiling[measure]);
            let ends = r.interval[measure].into_iter().flatten();
            [r.mean[measure], r.random[measure], ceiling].into_iter().flatten().chain(ends)
        })
        .collect();
    let axis = Axis::around(&values);
    let narrow = width < NARROW;
    let row_height = row_height(width);
    let gutter = if narrow { 12.0 } else { (0.3 * width).clamp(108.0, 210.0) };
    let right = width - FIGURE;
    let x = |value: f64| gutter + axis.place(value) * (right - gutter);
    let height = HEAD + row_height * order.len() as f64;
    // Where they are too close, every second or third has its figure.
    let room = 48.0 * axis.ticks.len() as f64 / (right - gutter);
    let every = (room.ceil() as usize).max(1);
    let ticks = axis.ticks.iter().enumerate().map(|(i, tick)| {
        let at = format!("{:.1}", x(*tick));
        let label = (i % every == 0).then(|| {
            view! {
                <text class="tick" x=at.clone() y="14" text-anchor="middle">
                    {axis.label(*tick)}
                </text>
            }
        });
        view! {
            <line class="grid" x1=at.clone() x2=at.clone() y1=HEAD.to_string() y2=height.to_string() />
            {label}
        }
    });
    let ticks = ticks.collect_view();
    // A name's end, or above its marks its beginning.
    let (name_x, anchor) = if narrow { (0.0, "start") } else { (gutter - 12.0, "end") };
    let room = if narrow { width } else { name_x };
    let most = (room / labels::width("m")) as usize;
    let is_beside = figures.is_beside(measure);
    let rows = order.iter().enumerate().filter_map(|(place, at)| {
        let row = &figures.rows[*at];
        let report = row.report.as_ref().ok()?;
        let mut name = figures.names[*at].clone();
        if !is_beside[*at] {
            let targets = words::counted(report.defined(measure) as u64, "target");
            name = format!("{targets}: {name}");
        }
        let mean = report.mean[measure]?;
        let top = HEAD + row_height * place as f64;
        let y = top + if narrow { 31.0 } else { row_height / 2.0 };
        let name_y = if narrow { top + 15.0 } else { y + 4.0 };
        let [top, bottom] = if narrow { [y - 9.0, y + 9.0] } else { [top, top + row_height] };
        let [top, bottom] = [top, bottom].map(|v| v.to_string());
        let line = |class: &'static str, value: Option<f64>| {
            let at = format!("{:.1}", x(value?));
            Some(view! { <line class=class x1=at.clone() x2=at y1=top.clone() y2=bottom.clone() /> })
        };
        let interval = report.interval[measure].map(|[low, high]| {
            let (low, high) = (format!("{:.1}", x(low)), format!("{:.1}", x(high)));
            view! { <line class="interval" x1=low x2=high y1=y.to_string() y2=y.to_string() /> }
        });
        let early = row.method.split('.').any(|part| part == "early");
        let class = if row.is_table { "table" } else if early { "early" } else { "late" };
        let ceiling = report.ceiling_beside().and_then(|ceiling| ceiling[measure]);
        Some(view! {
            <g data-testid="dot" data-method=row.method.clone() data-value=mean.to_string()>
                <text class="method" x=name_x.to_string() y=name_y.to_string() text-anchor=anchor>
                    {words::clipped(&name, most)}
                </text>
                {line("floor", report.random[measure])}
                {line("ceiling", ceiling)}
                {interval}
                {dot(class, x(mean), y)}
                <text class="figure" x=(width - 4.0).to_string() y=(y + 4.0).to_string() text-anchor="end">
                    {verdict::figure(measure, mean)}
                </text>
            </g>
        })
    });
    let rows = rows.collect_view();
    view! { <g>{ticks}</g> <g>{rows}</g> }
}
