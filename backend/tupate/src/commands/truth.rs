//! What is put beside a zoo's embeddings: measured transfer, tables of scores, facts.

use crate::cli::{BesideArgs, TruthArgs};
use crate::failure::Failure;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use tupate_zoo::{Facts, ScoreTable, TransferMatrix, Zoo};

/// The setting of a matrix that was given none.
pub const UNNAMED: &str = "unnamed";

/// What `--truth` gives: a matrix of all tables in CSV, a seed each, and one of each file of
/// `tupate transfer`.
pub fn read(args: &TruthArgs) -> Result<Vec<TransferMatrix>, Failure> {
    let (mut all, mut seeds) = (Vec::new(), Vec::new());
    for path in &args.truth {
        let bytes = bytes(path)?;
        let bad = |e: &dyn Display| Failure::Input(format!("{}: {e}", path.display()));
        if path.extension().is_some_and(|extension| extension == "json") {
            // What `tupate transfer` leaves behind has all seeds already, and its setting.
            let matrix: TransferMatrix = serde_json::from_slice(&bytes).map_err(|e| bad(&e))?;
            matrix.check().map_err(|e| bad(&e))?;
            all.push(matrix);
        } else {
            let setting = args.setting.as_deref().unwrap_or(UNNAMED);
            let matrix = TransferMatrix::from_csv(&bytes, setting, "each target's own");
            seeds.push(matrix.map_err(|e| bad(&e))?);
        }
    }
    if let (Some(named), []) = (&args.setting, &seeds[..])
        && let Some(own) = all.iter().map(|matrix| &matrix.setting).find(|own| *own != named)
    {
        return Err(Failure::Usage(format!(
            "--setting {named}: it names tables in CSV, and a transfer.json has its own, {own}: \
             leave --setting out"
        )));
    }
    all.extend(TransferMatrix::of_seeds(&seeds));
    Ok(all)
}

/// A table of scores.
pub fn scores(name: &str, path: &Path) -> Result<ScoreTable, Failure> {
    ScoreTable::from_csv(&bytes(path)?, name)
        .map_err(|e| Failure::Input(format!("{}: {e}", path.display())))
}

/// A zoo with what is to stand beside its embeddings, next to what stands there already.
pub fn put_beside(zoo: Zoo, args: &BesideArgs) -> Result<Zoo, Failure> {
    if let (Some(named), []) = (&args.truth.setting, &args.truth.truth[..]) {
        let what = format!("--setting {named} names a transfer matrix: give it by --truth, too");
        return Err(Failure::Usage(what));
    }
    let transfer = zoo.transfer().iter().cloned().chain(read(&args.truth)?).collect();
    let new: Result<Vec<_>, _> =
        args.scores.iter().map(|(name, path)| scores(name, path)).collect();
    let scores = zoo.scores().iter().cloned().chain(new?).collect();
    let facts = args.facts.as_deref().map(facts).transpose()?.unwrap_or_default();
    let zoo = zoo.with_transfer(transfer)?.with_scores(scores)?.with_facts(facts)?;
    Ok(match &args.prefer {
        Some(preferred) => zoo.with_preferred(preferred.clone())?,
        None => zoo,
    })
}

fn facts(path: &Path) -> Result<BTreeMap<String, Facts>, Failure> {
    serde_json::from_slice(&bytes(path)?)
        .map_err(|e| Failure::Input(format!("{}: {e}", path.display())))
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::Input(format!("cannot read {}: {e}", path.display())))
}
