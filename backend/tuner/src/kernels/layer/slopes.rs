//! The derivatives of GELU, the widest that a layer keeps for its backward pass: in bf16
//! where products are, which round what is multiplied with them anyway.

use super::super::product::{Fresh, Precision};
use super::super::rows;
use half::bf16;
use std::mem::MaybeUninit;

/// Room for them, or they themselves.
pub(super) enum Slopes<Single, Half> {
    F32(Single),
    Bf16(Half),
}

/// Room for all of a batch.
pub(super) type Room = Slopes<Fresh<f32>, Fresh<bf16>>;

/// Room for those of some rows; none where nothing is kept.
pub(super) type Piece<'a> =
    Slopes<Option<&'a mut [MaybeUninit<f32>]>, Option<&'a mut [MaybeUninit<bf16>]>>;

/// Those of a batch, `[M, I]`.
pub(super) type Kept = Slopes<Vec<f32>, Vec<bf16>>;

impl Room {
    pub fn new(precision: Precision, len: usize) -> Self {
        match precision {
            Precision::F32 | Precision::Tf32 => Self::F32(Fresh::new(len)),
            Precision::Bf16 => Self::Bf16(Fresh::new(len)),
        }
    }

    /// The room in `blocks` pieces of `each`; no room at all is none for all.
    pub fn pieces(&mut self, each: usize, blocks: usize) -> Vec<Piece<'_>> {
        match self {
            Self::F32(room) => room.pieces(each, blocks).map(Piece::F32).collect(),
            Self::Bf16(room) => room.pieces(each, blocks).map(Piece::Bf16).collect(),
        }
    }

    /// # Safety
    /// All of the room was written.
    #[expect(unsafe_code, reason = "see there")]
    pub unsafe fn written(self) -> Kept {
        // SAFETY: says the caller.
        unsafe {
            match self {
                Self::F32(room) => Kept::F32(room.written()),
                Self::Bf16(room) => Kept::Bf16(room.written()),
            }
        }
    }
}

/// Rounded to the nearest, to even where two are as near; as [`bf16::from_f32`] does, but
/// without a branch.
#[inline(always)]
fn rounded(value: f32) -> bf16 {
    let bits = value.to_bits();
    let up = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    bf16::from_bits(if value.is_nan() { 0x7fc0 } else { (up >> 16) as u16 })
}

/// Rounds all of `slopes` to `to`.
pub(super) fn round(slopes: &[f32], to: &mut [MaybeUninit<bf16>]) {
    assert_eq!(slopes.len(), to.len());
    rows::dispatch(
        #[inline(always)]
        || {
            for (to, slope) in to.iter_mut().zip(slopes) {
                to.write(rounded(*slope));
            }
        },
    );
}

impl Kept {
    /// `values *= slopes`, those from `start` on.
    pub fn multiply(&self, start: usize, values: &mut [f32]) {
        rows::dispatch(
            #[inline(always)]
            || match self {
                Self::F32(slopes) => {
                    for (value, slope) in values.iter_mut().zip(&slopes[start..]) {
                        *value *= slope;
                    }
                }
                Self::Bf16(slopes) => {
                    for (value, slope) in values.iter_mut().zip(&slopes[start..]) {
                        *value *= f32::from_bits(u32::from(slope.to_bits()) << 16);
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_bf16() {
        for bits in (0..=u32::MAX).step_by(40_009) {
            let value = f32::from_bits(bits);
            let (own, wanted) = (rounded(value), bf16::from_f32(value));
            assert!(own == wanted || own.is_nan() && wanted.is_nan(), "{value}: {own}, {wanted}");
        }
    }
}
