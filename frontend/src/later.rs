//! The parts of the program that come when they are first needed: the first view does
//! not wait for what it does not show.
//!
//! The program is cut at the functions of `main.rs`, which hands them over here. A part
//! that has come stays; one that could not be fetched is asked for anew the next time.

use crate::components::around::Around;
use crate::export::Exports;
use crate::shards::Handling;
use crate::state::adapters::Adapters;
use crate::state::keeping;
use crate::{inline, preparing, trust};
use leptos::prelude::AnyView;
use std::pin::Pin;

/// A part on its way: what it is for, or nothing when it could not be fetched.
pub type Coming<T> = Pin<Box<dyn Future<Output = Option<T>>>>;

/// Gives the browser a turn; see [`Breather::into_pause`].
///
/// [`Breather::into_pause`]: crate::platform::Breather::into_pause
pub type Pause = Box<dyn Fn() -> Coming<()>>;

/// Draws a page.
pub type Draw = fn() -> AnyView;

/// How each part is fetched.
#[derive(Clone, Copy, Debug)]
pub struct Later {
    /// The page of the map.
    pub map: fn() -> Coming<Draw>,
    /// The page of the lab.
    pub lab: fn() -> Coming<Draw>,
    /// The page of the library.
    pub library: fn() -> Coming<Draw>,
    /// The page that tunes.
    pub tune: fn() -> Coming<Draw>,
    /// What stands around a ranking.
    pub around: fn() -> Coming<&'static Around>,
    /// What makes files of a ranking.
    pub exports: fn() -> Coming<&'static Exports>,
    /// What reads an adapter or a run of the visitor's.
    pub guest: fn() -> Coming<&'static Adapters>,
    /// What unpacks the zoo that a link holds.
    pub inline: fn() -> Coming<inline::Unpack>,
    /// What keeps a zoo for later visits.
    pub keep: fn() -> Coming<keeping::Keep>,
    /// What ranks a heavy zoo.
    pub prepare: fn() -> Coming<preparing::Prepare>,
    /// What handles zoos in shards.
    pub shards: fn() -> Coming<&'static Handling>,
    /// What tells how far a ranking can be trusted.
    pub trust: fn() -> Coming<trust::Tell>,
}
