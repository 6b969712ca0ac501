//! One file a command.

pub mod baseline;
pub mod embed;
pub mod encoder;
pub mod evaluate;
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
use tupate_zoo::Zoo;

/// Prints one JSON document to stdout.
fn print_json(document: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string(document)
        .map_err(|e| Failure::Run(format!("the result cannot be printed: {e}")))?;
    print(&json)
}

/// Prints one line to stdout. A closed pipe (`tupate … | head`) is no failure.
fn print(line: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{line}") {
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
