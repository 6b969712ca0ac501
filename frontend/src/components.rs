//! The parts that pages are made of.

pub mod facts;
pub mod messages;
pub mod opener;
pub mod ranking;
pub mod switches;
pub mod target;
pub mod theme;
