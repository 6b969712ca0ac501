//! The state of an unfinished trainer as bytes.
//!
//! One safetensors file: tensors `KIND/INDEX` for the parameters as they are,
//! both moments of the optimiser, and the early and late parameters; the rest
//! as JSON in the metadata.

use super::{Progress, Snapshot, Trainer, load, snapshot};
use crate::Error;
use candle_core::Tensor;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

const METADATA_KEY: &str = "tupate_trainer";

/// What a state file says beside its tensors.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// sha256 over settings, data and encoder; another one is another run.
    pub fingerprint: String,
    steps: usize,
    progress: Progress,
    has_early: bool,
    has_late: bool,
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::Resume(format!(
        "the saved state is damaged ({what}); choose another --out, or remove the folder"
    ))
}

impl Trainer<'_, '_> {
    /// Everything needed to go on from here.
    pub fn save(&self, fingerprint: &str) -> Result<Vec<u8>, Error> {
        let moments = |m: &[Tensor]| -> Result<Snapshot, Error> {
            m.iter().map(|t| Ok(t.flatten_all()?.to_vec1()?)).collect()
        };
        let saved = Saved {
            fingerprint: fingerprint.to_owned(),
            steps: self.optimizer.steps,
            progress: self.progress.clone(),
            has_early: self.progress.early.is_some(),
            has_late: self.progress.late.is_some(),
        };
        let mut groups = vec![
            ("now", snapshot(&self.vars)?),
            ("first", moments(&self.optimizer.first)?),
            ("second", moments(&self.optimizer.second)?),
        ];
        groups.extend(self.progress.early.clone().map(|values| ("early", values)));
        groups.extend(self.progress.late.clone().map(|values| ("late", values)));
        let bytes: Vec<(String, Vec<u8>)> = groups
            .iter()
            .flat_map(|(kind, values)| {
                values.iter().enumerate().map(move |(i, values)| {
                    (format!("{kind}/{i}"), values.iter().flat_map(|v| v.to_le_bytes()).collect())
                })
            })
            .collect();
        let views = bytes
            .iter()
            .map(|(name, bytes)| {
                TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes).map(|view| (name, view))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(damaged)?;
        let json = serde_json::to_string(&saved).map_err(damaged)?;
        safetensors::serialize(views, Some([(METADATA_KEY.to_owned(), json)].into()))
            .map_err(damaged)
    }

    /// Goes on from where [`Trainer::save`] was called. Every float is restored
    /// to the bit.
    pub fn restore(&mut self, bytes: &[u8], fingerprint: &str) -> Result<(), Error> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let json = metadata.metadata().as_ref().and_then(|m| m.get(METADATA_KEY));
        let json = json.ok_or_else(|| damaged("no trainer in it"))?;
        let saved: Saved = serde_json::from_str(json).map_err(damaged)?;
        if saved.fingerprint != fingerprint {
            return Err(Error::Resume(
                "the interrupted run had other settings, data or another encoder; repeat its \
                 command, choose another --out, or remove the folder"
                    .into(),
            ));
        }
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let group = |kind: &str| -> Result<Snapshot, Error> {
            self.vars
                .iter()
                .enumerate()
                .map(|(i, var)| {
                    let view = file.tensor(&format!("{kind}/{i}")).map_err(damaged)?;
                    if view.dtype() != Dtype::F32 || view.shape() != [var.elem_count()] {
                        return Err(damaged(format!("{kind}/{i} has the wrong shape")));
                    }
                    let chunks = view.data().as_chunks::<4>().0;
                    Ok(chunks.iter().map(|b| f32::from_le_bytes(*b)).collect())
                })
                .collect()
        };
        let tensors = |values: Snapshot| -> Result<Vec<Tensor>, Error> {
            let shaped = self.vars.iter().zip(values);
            shaped.map(|(var, v)| Ok(Tensor::from_vec(v, var.dims(), var.device())?)).collect()
        };
        if saved.progress.steps_with_gradient.len() != self.vars.len() {
            return Err(damaged("another number of parameters"));
        }
        let (first, second) = (tensors(group("first")?)?, tensors(group("second")?)?);
        let early = saved.has_early.then(|| group("early")).transpose()?;
        let late = saved.has_late.then(|| group("late")).transpose()?;
        load(&self.vars, &group("now")?)?;
        self.optimizer.first = first;
        self.optimizer.second = second;
        self.optimizer.steps = saved.steps;
        self.progress = Progress { early, late, ..saved.progress };
        Ok(())
    }
}
