//! Fine-tuned encoders, kept with their heads.

use super::Options;
use super::kept::Kept;
use super::work::{Task, Work};
use crate::Error;
use crate::train::{FineTuneRecord, FineTuned, TaskModel};
use candle_core::Tensor;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

/// The folder's name.
const STEP: &str = "tuned";

/// Where fine-tuned encoders of these settings are kept.
pub fn open(work: &Work<'_, '_>, options: &Options) -> Result<Kept, Error> {
    Kept::open(work.folder, STEP, "safetensors", work.settings(options))
}

/// Fine-tunes the encoder on a task, or reads what was kept of it.
pub fn tuned<'e>(
    work: &mut Work<'e, '_>,
    task: &Task,
    kept: &Kept,
) -> Result<TaskModel<'e>, Error> {
    let (encoder, id) = (work.encoder, &task.dataset.task);
    if kept.result::<FineTuneRecord>(id, &task.identity)?.is_some() {
        let model = TaskModel::whole(encoder, &encoder.model, &task.dataset, work.options.seed)?;
        read(&model, &kept.bytes(id)?)
            .map_err(|what| Error::Record { path: kept.file(id), what })?;
        return Ok(model);
    }
    let FineTuned { record, model } = work.fine_tune(&task.dataset)?;
    kept.keep(id, &task.identity, &record, Some(&bytes(&model)?))?;
    Ok(model)
}

/// Every parameter of a model as a safetensors file.
fn bytes(model: &TaskModel<'_>) -> Result<Vec<u8>, Error> {
    let mut named = Vec::new();
    for (name, var) in model.parameters() {
        let values: Vec<f32> = var.flatten_all()?.to_vec1()?;
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        named.push((name, var.dims().to_vec(), bytes));
    }
    let views = named.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("as many as its shape");
        (name, view)
    });
    Ok(safetensors::serialize(views, None).expect("writing to memory"))
}

/// Gives a model the parameters of a file; the error says what is wrong with it.
fn read(model: &TaskModel<'_>, bytes: &[u8]) -> Result<(), String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let parameters = model.parameters();
    if file.len() != parameters.len() {
        return Err(format!("{} tensors for {} parameters", file.len(), parameters.len()));
    }
    for (name, var) in parameters {
        let view = file.tensor(&name).map_err(|e| format!("{name}: {e}"))?;
        if view.dtype() != Dtype::F32 || view.shape() != var.dims() {
            return Err(format!("{name} is {:?} and should be {:?}", view.shape(), var.dims()));
        }
        let values = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b));
        let values: Vec<f32> = values.collect();
        let tensor = Tensor::from_vec(values, var.dims(), var.device());
        tensor.and_then(|tensor| var.set(&tensor)).map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(())
}
