//! Truth tables from the command line.

use crate::cli::TruthArgs;
use crate::failure::Failure;
use tupate_zoo::TransferMatrix;

/// The setting of a matrix that was given none.
const UNNAMED: &str = "unnamed";

/// The tables of `--truth` as one matrix, a seed each; `None` for no table.
pub fn read(args: &TruthArgs) -> Result<Option<TransferMatrix>, Failure> {
    let mut matrices = Vec::with_capacity(args.truth.len());
    for path in &args.truth {
        let bytes = std::fs::read(path)
            .map_err(|e| Failure::Input(format!("cannot read {}: {e}", path.display())))?;
        let setting = args.setting.as_deref().unwrap_or(UNNAMED);
        let matrix = TransferMatrix::from_csv(&bytes, setting, "each target's own")
            .map_err(|e| Failure::Input(format!("{}: {e}", path.display())))?;
        matrices.push(matrix);
    }
    Ok(TransferMatrix::of_seeds(&matrices))
}
