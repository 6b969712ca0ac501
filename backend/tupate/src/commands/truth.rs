//! Truth tables from the command line.

use crate::cli::TruthArgs;
use crate::failure::Failure;
use std::fmt::Display;
use std::path::Path;
use tupate_zoo::TransferMatrix;

/// The setting of a matrix that was given none.
pub const UNNAMED: &str = "unnamed";

/// The tables of `--truth` as one matrix, a seed each; `None` for no table.
pub fn read(args: &TruthArgs) -> Result<Option<TransferMatrix>, Failure> {
    let mut matrices = Vec::with_capacity(args.truth.len());
    for path in &args.truth {
        let bytes = bytes(path)?;
        let setting = args.setting.as_deref().unwrap_or(UNNAMED);
        let bad = |e: &dyn Display| Failure::Input(format!("{}: {e}", path.display()));
        if path.extension().is_some_and(|extension| extension == "json") {
            // What `tupate transfer` leaves behind has all seeds already.
            let matrix: TransferMatrix = serde_json::from_slice(&bytes).map_err(|e| bad(&e))?;
            matrix.check().map_err(|e| bad(&e))?;
            if args.truth.len() > 1 {
                return Err(Failure::Usage(format!(
                    "{} holds all seeds of its sweep: give it as the only --truth",
                    path.display()
                )));
            }
            return Ok(Some(matrix));
        }
        matrices.push(parsed(path, &bytes, setting)?);
    }
    Ok(TransferMatrix::of_seeds(&matrices))
}

/// A table in CSV.
pub fn table(path: &Path, setting: &str) -> Result<TransferMatrix, Failure> {
    parsed(path, &bytes(path)?, setting)
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::Input(format!("cannot read {}: {e}", path.display())))
}

fn parsed(path: &Path, bytes: &[u8], setting: &str) -> Result<TransferMatrix, Failure> {
    TransferMatrix::from_csv(bytes, setting, "each target's own")
        .map_err(|e| Failure::Input(format!("{}: {e}", path.display())))
}
