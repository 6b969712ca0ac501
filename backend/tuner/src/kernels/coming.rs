//! A number that the device is about to have: a GPU is asked for more work before anybody
//! waits for it.

#[cfg(feature = "cuda")]
use super::gpu::{Driver, Machine, Tensors};
use candle_core::{Result, Tensor};

/// A number that the device is about to have.
pub struct Coming(Number);

enum Number {
    Here(f32),
    #[cfg(feature = "cuda")]
    OnGpu {
        machine: Driver,
        scalar: Tensor,
        when: <Driver as Machine>::Moment,
    },
}

impl Coming {
    /// The value of a scalar, f32.
    ///
    /// # Errors
    /// Only those of the device.
    pub fn new(scalar: &Tensor) -> Result<Self> {
        #[cfg(feature = "cuda")]
        if scalar.device().is_cuda() {
            let machine = Driver::of(scalar)?;
            let when = machine.moment()?;
            return Ok(Self(Number::OnGpu { machine, scalar: scalar.detach(), when }));
        }
        Ok(Self(Number::Here(scalar.to_scalar()?)))
    }

    /// Waits for it, and for nothing that was asked for since.
    ///
    /// # Errors
    /// Only those of the device.
    pub fn read(self) -> Result<f64> {
        match self.0 {
            Number::Here(value) => Ok(f64::from(value)),
            #[cfg(feature = "cuda")]
            Number::OnGpu { machine, scalar, when } => {
                Ok(f64::from(machine.read_scalar(&scalar, &when)?))
            }
        }
    }
}
