//! Why a server could not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a server could not start. Each says what would mend it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another program listens there.
    #[error(
        "cannot listen on {listen}: the address is in use; stop the program that listens there, \
         or give another port, as in --listen {ip}:0 for a free one", ip = Host(listen)
    )]
    AddressInUse {
        /// The address asked for.
        listen: SocketAddr,
    },
    /// The system reserves the port.
    #[error(
        "cannot listen on {listen}: this user may not open port {}; give one above 1023 with \
         --listen {}:PORT", listen.port(), Host(listen)
    )]
    PortReserved {
        /// The address asked for.
        listen: SocketAddr,
    },
    /// No network interface of this machine has the address.
    #[error(
        "cannot listen on {listen}: this machine does not have the address {}; give one of its \
         own with --listen, such as 127.0.0.1:{}", listen.ip(), listen.port()
    )]
    AddressNotOurs {
        /// The address asked for.
        listen: SocketAddr,
    },
    /// The system refused for another reason.
    #[error("cannot listen on {listen}: {source}; give another address with --listen")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Others could reach the server, and nobody has a token for it.
    #[error(
        "cannot listen on {listen}: others could reach it, and there is no token; make one with \
         `tupate token create --data DIR`, listen on 127.0.0.1:{}, or say --listen-without-token \
         to let others read all that there is", listen.port()
    )]
    Unprotected {
        /// The address asked for.
        listen: SocketAddr,
    },
    /// What the server remembers cannot be read.
    #[error("cannot take up the runs: {0}; check that the folder of --data may be written")]
    Store(String),
    /// A zoo file or folder could not be read.
    #[error(
        "cannot read the zoo {}: {source}; check that the path exists and may be read", path.display()
    )]
    ReadZoo {
        /// Its path, as given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder was given and no zoo lies in it.
    #[error(
        "no zoo in the folder {}: it has no .safetensors file; make one with `tupate zoo pack`",
        path.display()
    )]
    EmptyFolder {
        /// Its path, as given.
        path: PathBuf,
    },
    /// A file is no zoo, or a damaged one.
    #[error("cannot serve {}: {source}", path.display())]
    Zoo {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        source: tupate_zoo::Error,
    },
}

impl Error {
    /// Names the reason why binding failed.
    pub(crate) fn listening(listen: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse { listen },
            io::ErrorKind::PermissionDenied => Self::PortReserved { listen },
            io::ErrorKind::AddrNotAvailable => Self::AddressNotOurs { listen },
            _ => Self::Listen { listen, source },
        }
    }
}

/// The host part of an address, in brackets where a port after it needs them.
struct Host<'a>(&'a SocketAddr);

impl std::fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            SocketAddr::V4(v4) => write!(f, "{}", v4.ip()),
            SocketAddr::V6(v6) => write!(f, "[{}]", v6.ip()),
        }
    }
}
