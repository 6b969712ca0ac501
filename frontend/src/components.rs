//! The parts that pages are made of.

pub mod around;
pub mod arrival;
pub mod beside;
pub mod facts;
pub mod files;
pub mod guest;
pub mod messages;
pub mod narrowing;
pub mod opener;
pub mod picture;
pub mod ranking;
pub mod stage;
pub mod switches;
pub mod takeaway;
pub mod target;
pub mod theme;
pub mod trust;
pub mod turn;
