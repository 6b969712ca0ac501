//! Processors for which there is no kernel.

use super::{Panels, Precision, Scratch};
use std::mem::MaybeUninit;

pub fn available(_: Precision) -> bool {
    false
}

pub fn block(
    _: &Panels,
    _: &[f32],
    _: Option<&[f32]>,
    _: &mut Scratch,
    _: &mut [MaybeUninit<f32>],
) {
    unreachable!("no weight is laid out where `available` says no");
}
