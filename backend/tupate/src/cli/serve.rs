//! Arguments of `tupate serve`, `tupate site` and `tupate token`.

use super::Output;
use clap::{Args, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use tupate_api::Scope;
use tupate_server::Network;

/// `tupate serve`.
#[derive(Debug, Args)]
#[command(after_long_help = "With --data the server keeps runs, uploads and published zoos in \
                             that folder, and tunes what it is asked for by those who have a \
                             token; docs/SERVER.md has all of it. Without it, it only serves \
                             zoos.\n\nExample:\n  tupate serve --zoo samples.safetensors\n  \
                             tupate token create --data state --name me\n  tupate serve --data state")]
pub struct ServeArgs {
    /// Address and port; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7878")]
    pub listen: SocketAddr,
    /// The folder for runs; zoo files that lie in it are served, too.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A zoo file to serve; repeat it for several. The first is shown first.
    #[arg(long, value_name = "FILE")]
    pub zoo: Vec<PathBuf>,
    /// Reading needs a token, too.
    #[arg(long, requires = "data")]
    pub private: bool,
    /// Listen where others can reach the server though there is no token.
    #[arg(long)]
    pub listen_without_token: bool,
    /// A proxy in front of the server, an address or a network; repeat it for several.
    /// Requests that one of them passes on count for the client that it names in
    /// X-Forwarded-For or Forwarded.
    #[arg(long, value_name = "ADDR|CIDR")]
    pub trusted_proxy: Vec<Network>,
    /// A worker on this device; repeat it for several.
    #[arg(long, value_name = "auto|cpu|cuda:0", default_value = "auto", requires = "data")]
    pub worker: Vec<String>,
    /// CPU threads of each worker; without it one a core.
    #[arg(long, value_name = "N", requires = "data",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// An encoder to offer, a name or a folder; repeat it for several. Without it,
    /// those with a name that are here.
    #[arg(long, value_name = "NAME|DIR", requires = "data")]
    pub encoder: Vec<String>,
    /// The folder that holds one folder a task [default: `datasets` in --data].
    #[arg(long, value_name = "DIR", requires = "data")]
    pub datasets: Option<PathBuf>,
    /// Largest upload, in MiB; what reading one may take is in proportion.
    #[arg(long, value_name = "MIB", default_value_t = 64, requires = "data")]
    pub max_upload: u64,
    /// Most that runs, uploads and published zoos may take, in GiB.
    #[arg(long, value_name = "GIB", default_value_t = 20, requires = "data")]
    pub max_disk: u64,
    /// How the log on stderr is written; TUPATE_LOG says how much of it.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `tupate site`.
#[derive(Debug, Args)]
#[command(
    after_long_help = "The folder holds the page that is inside this program, the zoos, and \
                             the list of them that the page asks a server for. It works at any \
                             path of a host, and without a network after the first visit; \
                             rankings are made in the visitor's browser. Nothing can be tuned \
                             there.\n\nExample:\n  tupate site --zoo samples.safetensors --out \
                             site\n  python3 -m http.server --directory site"
)]
pub struct SiteArgs {
    /// Zoo files, or folders of them; the first is shown first.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub zoo: Vec<PathBuf>,
    /// The folder to write, which must be new or empty.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub output: Output,
}

/// Commands about tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print its secret, which is shown this once.
    #[command(after_long_help = "Scopes: read (where reading is closed), tune, publish, admin \
                                 (everybody's runs and zoos).\n\nExample:\n  tupate token create \
                                 --data state --name ci --scope tune --days 90")]
    Create {
        /// The server's folder.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Whose it is, or what it is for; runs show it.
        #[arg(long)]
        name: String,
        /// What it allows.
        #[arg(long, value_delimiter = ',', default_value = "read,tune,publish",
              value_parser = scope)]
        scope: Vec<Scope>,
        /// After how many days it ends; without it, never.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        days: Option<u32>,
    },
    /// List the tokens that may be used.
    #[command(after_long_help = "Example:\n  tupate token list --data state")]
    List {
        /// The server's folder.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Revoke a token; a server that is up refuses it from the next request on.
    #[command(after_long_help = "Example:\n  tupate token revoke ci --data state")]
    Revoke {
        /// Its name or id.
        #[arg(value_name = "NAME|ID")]
        token: String,
        /// The server's folder.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
}

fn scope(name: &str) -> Result<Scope, String> {
    Scope::named(name)
        .ok_or_else(|| format!("the scopes are {}", Scope::ALL.map(Scope::name).join(", ")))
}
