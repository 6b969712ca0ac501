//! One file a command.

pub mod baseline;
pub mod embed;
pub mod encoder;
pub mod evaluate;
pub mod man;
mod npy;
pub mod rank;
pub mod serve;
mod shards;
pub mod site;
pub mod task;
pub mod threads;
pub mod token;
pub mod transfer;
mod truth;
pub mod tune;
pub mod zoo;

use crate::failure::Failure;
use crate::fetch;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use tupate_zoo::Zoo;

/// Prints one JSON document to stdout.
fn print_json(document: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string(document)
        .map_err(|e| Failure::Run(format!("the result cannot be printed: {e}")))?;
    print(&json)
}

/// Prints one line to stdout.
fn print(line: &str) -> Result<(), Failure> {
    printed(writeln!(std::io::stdout(), "{line}"))
}

/// Prints a whole document to stdout.
fn print_all(document: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    printed(out.write_all(document).and_then(|()| out.flush()))
}

/// A closed pipe (`tupate … | head`) is no failure.
fn printed(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Run(format!("cannot print the result: {e}")))
        }
        _ => Ok(()),
    }
}

/// Reads and checks a zoo.
fn read_zoo(source: &str) -> Result<(Zoo, Vec<u8>), Failure> {
    let bytes = fetch::bytes(source)?;
    if let Ok(Some(index)) = shards::index_of(source, &bytes) {
        return Err(shards::refuse(source, &index));
    }
    Ok((parse_zoo(source, &bytes)?, bytes))
}

/// The zoo of a file's bytes.
fn parse_zoo(source: &str, bytes: &[u8]) -> Result<Zoo, Failure> {
    Zoo::parse(bytes).map_err(|e| Failure::from(e).while_doing(source))
}

/// A folder that is there must be empty: what is in it may be all that somebody has.
fn must_be_free(out: &Path) -> Result<(), Failure> {
    let taken = match std::fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_some().then_some("is not empty"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(_) => Some("is no folder that can be read"),
    };
    match taken {
        Some(why) => Err(Failure::Usage(format!(
            "{} {why}; choose another --out, or remove it",
            out.display()
        ))),
        None => Ok(()),
    }
}
