//! What pictures have in common: how wide they are, zooming, moving, and being saved.

use crate::platform::pictures::{self, Standalone};
use crate::viewport::{Gesture, Viewport};
use leptos::ev::{KeyboardEvent, PointerEvent, WheelEvent};
use leptos::prelude::*;
use leptos::svg::Svg;

/// Nearer at a press of a key or a button.
const STEP: f64 = 1.5;
/// Nearer at a step of a mouse's wheel, which browsers count as some 100.
const WHEEL: f64 = 1.002;

/// The width of a picture in points, kept up to date, and what tells it.
pub fn measured() -> (RwSignal<f64>, NodeRef<Svg>) {
    let (width, picture) = (RwSignal::new(0.0), NodeRef::<Svg>::new());
    picture.on_load(move |element| {
        pictures::watch_width(&element, move |now| {
            // A picture that is not drawn has none.
            if now > 0.0 && (now - width.get_untracked()).abs() > 0.5 {
                width.set(now);
            }
        });
    });
    (width, picture)
}

/// A picture that can be zoomed and moved. Copied freely: it holds handles only.
#[derive(Clone, Copy)]
pub struct Zoom {
    /// What is seen of it.
    pub view: RwSignal<Viewport>,
    most: Signal<f64>,
    gesture: StoredValue<Gesture>,
}

impl Zoom {
    /// All of it, with the nearest that one may come.
    pub fn new(most: Signal<f64>) -> Self {
        let (view, gesture) =
            (RwSignal::new(Viewport::WHOLE), StoredValue::new(Gesture::default()));
        Self { view, most, gesture }
    }

    fn by(self, factor: f64, at: [f64; 2]) {
        let most = self.most.get_untracked();
        self.view.update(|view| *view = view.zoomed(factor, at, most));
    }

    /// Takes the keys that zoom; whether it was one.
    pub fn key(self, event: &KeyboardEvent, at: [f64; 2]) -> bool {
        match event.key().as_str() {
            "+" | "=" => self.by(STEP, at),
            "-" | "−" => self.by(1.0 / STEP, at),
            "0" => self.view.set(Viewport::WHOLE),
            _ => return false,
        }
        event.prevent_default();
        true
    }

    /// With Ctrl, or two fingers on a touch pad: alone, a wheel moves the page.
    pub fn wheel(self, event: &WheelEvent, at: [f64; 2]) {
        if event.ctrl_key() || event.meta_key() {
            event.prevent_default();
            self.by(WHEEL.powf(-event.delta_y()), at);
        }
    }

    /// A finger or a mouse's button goes down.
    pub fn press(self, event: &PointerEvent, at: [f64; 2]) {
        if event.button() == 0 {
            self.gesture.update_value(|gesture| gesture.press(event.pointer_id(), at));
            pictures::hold_pointer(event);
        }
    }

    /// It moves; whether it moved the picture.
    pub fn drag(self, event: &PointerEvent, at: [f64; 2]) -> bool {
        let (view, most) = (self.view.get_untracked(), self.most.get_untracked());
        let moved = self
            .gesture
            .try_update_value(|gesture| gesture.drag(event.pointer_id(), at, view, most))
            .flatten();
        if let Some(moved) = moved
            && moved != view
        {
            self.view.set(moved);
        }
        moved.is_some()
    }

    /// It goes up; whether that was a click.
    pub fn release(self, event: &PointerEvent) -> bool {
        let release = |gesture: &mut Gesture| gesture.release(event.pointer_id());
        self.gesture.try_update_value(release).unwrap_or(false)
    }
}

/// Buttons that zoom a picture.
#[component]
pub fn ZoomButtons(
    /// Whose.
    zoom: Zoom,
    /// Prefix of the test hooks.
    hook: &'static str,
    /// The picture, in a phrase.
    what: &'static str,
) -> impl IntoView {
    let whole = move || zoom.view.get().zoom <= 1.0;
    let nearest = move || zoom.view.get().zoom >= zoom.most.get();
    let middle = [0.5, 0.5];
    view! {
        <div class="picture-tools" role="group" aria-label=format!("Zoom {what}")>
            <button
                type="button"
                class="tool"
                data-testid=format!("{hook}-in")
                aria-label="Zoom in"
                aria-disabled=move || nearest().to_string()
                on:click=move |_| zoom.by(STEP, middle)
            >
                "+"
            </button>
            <button
                type="button"
                class="tool"
                data-testid=format!("{hook}-out")
                aria-label="Zoom out"
                aria-disabled=move || whole().to_string()
                on:click=move |_| zoom.by(1.0 / STEP, middle)
            >
                "−"
            </button>
            <button
                type="button"
                class="tool"
                data-testid=format!("{hook}-whole")
                aria-label="Show all of it"
                aria-disabled=move || whole().to_string()
                on:click=move |_| zoom.view.set(Viewport::WHOLE)
            >
                "All"
            </button>
        </div>
    }
}

/// Buttons that save a picture.
#[component]
pub fn SaveButtons(
    /// Prefix of the test hooks.
    hook: &'static str,
    /// Name of the file, without its ending.
    name: Callback<(), String>,
    /// The picture, in a phrase.
    what: &'static str,
    /// What makes it.
    drawn: Callback<(), Option<Standalone>>,
    /// Whether there is something to save yet.
    #[prop(optional, into)]
    ready: Option<Signal<bool>>,
) -> impl IntoView {
    let failed = RwSignal::new(false);
    let disabled = move || ready.is_some_and(|ready| !ready.get());
    let svg = move |_| {
        let picture = drawn.run(());
        failed.set(!picture.is_some_and(|picture| pictures::save_svg(&picture, &name.run(()))));
    };
    let png = move |_| {
        leptos::task::spawn_local(async move {
            let saved = match drawn.run(()) {
                Some(picture) => pictures::save_png(&picture, &name.run(())).await,
                None => false,
            };
            let _ = failed.try_set(!saved);
        });
    };
    view! {
        <div class="picture-tools" role="group" aria-label=format!("Save {what}")>
            <button
                type="button"
                class="tool"
                data-testid=format!("{hook}-svg")
                aria-label="Save as SVG"
                disabled=disabled
                on:click=svg
            >
                "SVG"
            </button>
            <button
                type="button"
                class="tool"
                data-testid=format!("{hook}-png")
                aria-label="Save as PNG"
                disabled=disabled
                on:click=png
            >
                "PNG"
            </button>
        </div>
        <Show when=move || failed.get()>
            <p class="hint" role="alert">
                "This browser does not save it. Try the other format."
            </p>
        </Show>
    }
}
