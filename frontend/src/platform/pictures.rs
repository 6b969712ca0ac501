//! Pictures in the browser: how large they are, where the pointer is, and saving them.

use super::export::png_of;
use super::{download, element, window};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, ResizeObserver, XmlSerializer};

/// What of a picture's looks comes from style sheets, which a saved one is without.
const LOOKS: &[&str] = &[
    "fill",
    "fill-opacity",
    "stroke",
    "stroke-width",
    "stroke-dasharray",
    "stroke-linecap",
    "opacity",
    "font-family",
    "font-size",
    "font-weight",
    "text-anchor",
    "image-rendering",
    "paint-order",
    "visibility",
];

/// Tells an element's width now and whenever it changes, for as long as it lives.
pub fn watch_width(element: &Element, tell: impl Fn(f64) + 'static) {
    tell(element.get_bounding_client_rect().width());
    let watched = element.clone();
    let seen =
        Closure::<dyn Fn(JsValue, ResizeObserver)>::new(move |_, observer: ResizeObserver| {
            match watched.is_connected() {
                true => tell(watched.get_bounding_client_rect().width()),
                false => observer.disconnect(),
            }
        });
    if let Ok(observer) = ResizeObserver::new(seen.as_ref().unchecked_ref()) {
        observer.observe(element);
        // Freed by the browser with its observer.
        seen.into_js_value();
    }
}

/// Where in the element that listens the pointer is: 0 to 1 to the right and down.
pub fn place_in(event: &web_sys::MouseEvent) -> Option<[f64; 2]> {
    let element: Element = event.current_target()?.dyn_into().ok()?;
    let area = element.get_bounding_client_rect();
    let share = |at: f64, from: f64, size: f64| (at - from) / size.max(1.0);
    Some([
        share(f64::from(event.client_x()), area.left(), area.width()),
        share(f64::from(event.client_y()), area.top(), area.height()),
    ])
}

/// Sends all moves of a pointer to the element that listens, also from outside of it.
pub fn hold_pointer(event: &web_sys::PointerEvent) {
    if let Some(Ok(element)) = event.current_target().map(JsCast::dyn_into::<Element>) {
        // Fails where the pointer is gone already.
        let _ = element.set_pointer_capture(event.pointer_id());
    }
}

/// A picture as an SVG file that needs no style sheet, with its size.
pub type Standalone = (String, [f64; 2]);

/// The picture of this id for itself.
pub fn standalone(id: &str) -> Option<Standalone> {
    let picture = element(id)?;
    let copy: Element = picture.clone_node_with_deep(true).ok()?.dyn_into().ok()?;
    let all = |of: &Element| of.query_selector_all("*").ok();
    let (own, copies) = (all(&picture)?, all(&copy)?);
    for at in 0..own.length() {
        let pair = own.get(at).zip(copies.get(at));
        if let Some((Ok(from), Ok(to))) =
            pair.map(|(a, b)| (a.dyn_into::<Element>(), b.dyn_into::<Element>()))
        {
            dress(&from, &to);
        }
    }
    dress(&picture, &copy);
    let area = picture.get_bounding_client_rect();
    let size = [area.width(), area.height()];
    for (name, value) in [
        ("xmlns", "http://www.w3.org/2000/svg"),
        ("width", &*size[0].to_string()),
        ("height", &*size[1].to_string()),
    ] {
        copy.set_attribute(name, value).ok()?;
    }
    // Marks of the page, and nothing of the picture.
    for name in ["id", "class", "tabindex", "role", "data-testid", "aria-describedby"] {
        copy.remove_attribute(name).ok()?;
    }
    Some((XmlSerializer::new().ok()?.serialize_to_string(&copy).ok()?, size))
}

fn dress(from: &Element, to: &Element) {
    if let Ok(Some(looks)) = window().get_computed_style(from) {
        for name in LOOKS {
            if let Ok(value) = looks.get_property_value(name) {
                let _ = to.set_attribute(name, &value);
            }
        }
    }
}

/// Saves a picture as SVG; false where the browser does not.
pub fn save_svg((text, _): &Standalone, name: &str) -> bool {
    download(&format!("{name}.svg"), "image/svg+xml", text.as_bytes())
}

/// Saves a picture as PNG; false where the browser does not.
pub async fn save_png((text, [width, height]): &Standalone, name: &str) -> bool {
    let png = png_of(text, *width, *height).await;
    png.is_some_and(|png| download(&format!("{name}.png"), "image/png", &png))
}
