//! Which device computes.

use crate::Error;
use candle_core::Device;

/// The device of this name: `cpu`, `cuda:N`, or `auto` for the first GPU if
/// this build and machine have one.
///
/// # Errors
/// When the name is not known or the device is not there.
pub fn device(name: &str) -> Result<Device, Error> {
    let missing = |why: String| Error::Device { device: name.to_owned(), why };
    match name {
        "cpu" => Ok(Device::Cpu),
        "auto" => Ok(gpu(0).unwrap_or(Device::Cpu)),
        _ => {
            let index = name
                .strip_prefix("cuda:")
                .and_then(|i| i.parse().ok())
                .ok_or_else(|| missing("the devices are auto, cpu, cuda:0, cuda:1, …".into()))?;
            gpu(index).map_err(missing)
        }
    }
}

#[cfg(feature = "cuda")]
fn gpu(index: usize) -> Result<Device, String> {
    // Where the driver's library is missing, loading it panics: look for the
    // driver first (the second name is its form under WSL), and take a panic
    // for what it then means.
    if !["/dev/nvidiactl", "/dev/dxg"].iter().any(|file| std::path::Path::new(file).exists()) {
        return Err("this machine has no NVIDIA driver; use --device cpu".into());
    }
    match std::panic::catch_unwind(|| super::gpu::open(index)) {
        Ok(device) => device.map_err(|e| e.to_string()),
        Err(_) => Err("the CUDA libraries of the driver cannot be loaded".into()),
    }
}

#[cfg(not(feature = "cuda"))]
fn gpu(_: usize) -> Result<Device, String> {
    Err("this build has no GPU support; use --device cpu".into())
}
