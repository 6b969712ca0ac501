//! Processors of ARM, all of which have NEON.

use super::kernel::kernel;
use std::arch::aarch64::*;

/// Four columns in each of four registers.
pub const PANEL: usize = 16;

pub fn is_there() -> bool {
    std::arch::is_aarch64_feature_detected!("neon")
}

kernel!(
    single,
    "neon",
    super::PANEL,
    float32x4_t,
    |at| vld1q_f32(at),
    |at: *const u32| vld1q_f32(at.cast()),
    |word: u32| vdupq_n_f32(f32::from_bits(word)),
    |sums, left, right| vfmaq_f32(sums, left, right),
    |at: *mut f32, n: usize, sums| {
        // Lane by lane: by way of memory, the sums would be in memory all the time.
        match n {
            0 => {}
            1 => vst1q_lane_f32::<0>(at, sums),
            2 => vst1_f32(at, vget_low_f32(sums)),
            3 => {
                vst1_f32(at, vget_low_f32(sums));
                vst1q_lane_f32::<2>(at.add(2), sums);
            }
            _ => vst1q_f32(at, sums),
        }
    },
);
