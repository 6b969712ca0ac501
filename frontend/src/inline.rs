//! Zoos that links hold.

use crate::failure::Trouble;
use crate::later::Coming;
use crate::platform;
use tupate_zoo::{Error, link};

/// What unpacks such a zoo, as [`unpack`] does.
pub type Unpack = fn(String) -> Coming<Result<Vec<u8>, Error>>;

/// The file that a link holds.
pub fn unpack(data: String) -> Coming<Result<Vec<u8>, Error>> {
    Box::pin(async move { Some(unpacked(&data).await) })
}

async fn unpacked(data: &str) -> Result<Vec<u8>, Error> {
    let deflated = link::deflated_of(data)?;
    match platform::inflate(&deflated, link::MAX_INLINE as u64).await {
        Ok(bytes) => Ok(bytes),
        Err(Trouble::TooLarge { .. }) => Err(link::too_large(link::MAX_INLINE + 1)),
        Err(_) => Err(link::not_deflated("it is no deflated file")),
    }
}
