//! The page: opens a zoo in the browser and ranks its tasks there.
//!
//! A zoo is ranked without a server, and uploaded nowhere; [`pages::tune`] alone sends
//! something, and says so before. [`platform`] is the
//! only module that calls the browser; [`answer`], [`failure`], [`filter`], [`guest`],
//! [`labels`], [`library`], [`png`], [`ramp`], [`scale`], [`verdict`],
//! [`viewport`] and [`words`] know nothing of it and are tested natively.

pub mod answer;
pub mod app;
pub mod components;
pub mod export;
pub mod failure;
pub mod filter;
pub mod guest;
pub mod inline;
pub mod labels;
pub mod later;
pub mod library;
pub mod pages;
pub mod platform;
pub mod png;
pub mod preparing;
pub mod ramp;
pub mod scale;
pub mod shards;
pub mod source;
pub mod state;
pub mod trust;
pub mod verdict;
pub mod viewport;
pub mod words;

use app::App;
use later::Later;
use leptos::prelude::*;

/// Shows the page in the document's `#app`; the rest of the program comes `later`.
pub fn start(later: Later) {
    platform::show_panics();
    if let Some(place) = platform::mount_point() {
        mount_to(place, move || view! { <App later /> }).forget();
    }
}
