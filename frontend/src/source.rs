//! Where zoos are to be had: from the server, from an address, from this device.

use crate::failure::{Address, Failure, Trouble};
use crate::library::Kept;
use crate::platform::{self, Cancel, LocalFile, Wanted};
use tupate_api::{Info, ZooFile};

/// Most bytes of the server's list of zoos.
const LARGEST_LIST: u64 = 8 << 20;

/// Where a zoo is to be had.
#[derive(Clone)]
pub enum Source {
    /// One of the server's.
    Server(ZooFile),
    /// Any address.
    Url(Address),
    /// A file on this device.
    File(LocalFile),
    /// A copy that this browser keeps.
    Copy(Kept),
    /// A link that holds it.
    Link(String),
}

impl Source {
    /// What it is called in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Server(zoo) => zoo.name.clone(),
            Self::Url(address) => address.href.clone(),
            Self::File(file) => file.name(),
            Self::Copy(kept) => kept.name.clone(),
            Self::Link(_) => "The zoo inside this link".into(),
        }
    }

    /// Its size in bytes, if known beforehand.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Server(zoo) => Some(zoo.bytes),
            Self::Url(_) | Self::Link(_) => None,
            Self::File(file) => Some(file.size()),
            Self::Copy(kept) => Some(kept.bytes),
        }
    }

    /// Its address; what is on this device has none.
    pub fn address(&self) -> Option<Address> {
        match self {
            Self::Server(zoo) => platform::address(&zoo.url),
            Self::Url(address) => Some(address.clone()),
            Self::File(_) | Self::Copy(_) | Self::Link(_) => None,
        }
    }

    /// Who is asked for it.
    pub fn host(&self) -> String {
        self.address().map_or_else(|| "this device".into(), |address| address.host)
    }
}

/// A path of the site, from where the page lies.
pub fn within(path: &str) -> &str {
    match path.strip_prefix('/') {
        // Two begin another host's address.
        Some(rest) if !rest.starts_with('/') => rest,
        _ => path,
    }
}

/// The address in a text, if a page may open it.
///
/// # Errors
/// When it is no address, or not a safe one.
pub fn checked_address(text: &str) -> Result<Address, Failure> {
    let address = platform::address(text).ok_or_else(|| Failure::no_address(text))?;
    address.check()?;
    Ok(address)
}

/// What the server has; `None` on a plain file host, where there is nobody to
/// ask.
///
/// # Errors
/// When there is a server and its answer cannot be used.
pub async fn ask_server() -> Result<Option<Info>, Failure> {
    let (Some(address), Some(cancel)) = (platform::address("api/v1/info"), Cancel::new()) else {
        return Ok(None);
    };
    match platform::fetch(&address, &Wanted::whole(LARGEST_LIST), &cancel, |_, _| ())
        .await
        .map(|a| a.bytes)
    {
        // Some hosts answer whatever they do not know with a page.
        Ok(bytes) if bytes.trim_ascii_start().first() != Some(&b'{') => Ok(None),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| Failure::server_list(&error.to_string())),
        Err(Trouble::Status { status: 500.., detail }) => {
            Err(Failure::server_list(&detail.unwrap_or_else(|| "the server is in trouble".into())))
        }
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_site_begin_where_the_page_lies() {
        for (path, from_page) in [
            ("/zoos/a.safetensors", "zoos/a.safetensors"),
            ("zoos/a.safetensors", "zoos/a.safetensors"),
            ("//a.org/z", "//a.org/z"),
            ("https://a.org/z", "https://a.org/z"),
            ("", ""),
        ] {
            assert_eq!(within(path), from_page);
        }
    }
}
