//! TextEmb: tasks with similar texts (Vu et al. 2020, section 4.1).
//!
//! The mean over the training sequences of the mean over each one's real tokens of
//! the frozen encoder's last hidden states: D = H. A question's context counts with
//! each of its windows; the words of a sentence are its text.

use super::kept::Kept;
use super::matrix::cosine;
use super::npy;
use super::work::{Task, Work, union};
use super::{Baseline, Matrix};
use crate::Error;
use crate::encoder::Pooling;
use crate::peft::Frozen;

pub fn matrix(
    work: &mut Work<'_, '_>,
    sources: &[String],
    targets: &[String],
) -> Result<Matrix, Error> {
    let settings = work.settings(&work.options.without_training());
    let kept = Kept::open(work.folder, Baseline::TextEmb.name(), "npy", settings)?;
    let max_train = work.options.max_train;
    let made =
        work.each(&union(sources, targets), max_train, |work, _, task| vector(work, task, &kept))?;
    Matrix::new(made.ids(targets), made.ids(sources), |t, others| {
        let target = made.of(&targets[t]);
        let score = |&s: &usize| {
            cosine(target, made.of(&sources[s])).ok_or_else(|| {
                let what = format!("its mean text has no angle with that of {}", targets[t]);
                Error::Baseline { task: sources[s].clone(), what }
            })
        };
        others.iter().map(score).collect()
    })
}

/// A task's vector, `[H]`.
fn vector(work: &mut Work<'_, '_>, task: &Task, kept: &Kept) -> Result<Vec<f64>, Error> {
    let id = &task.dataset.task;
    if kept.result::<usize>(id, &task.identity)?.is_some() {
        return npy::from_bytes(&kept.file(id), &kept.bytes(id)?);
    }
    let (training, _) = work.training(task.dataset.objective)?;
    let encoder = work.encoder;
    let sequences = work.tokens(&task.dataset, &training)?;
    let mut sum = vec![0.0_f64; encoder.config().hidden_size];
    work.sorted("texts", &sequences, training.batch_size, |batch| {
        let hidden = encoder.model.forward(batch, &Frozen)?;
        for row in encoder.model.pool(&hidden, batch, Pooling::Mean)?.to_vec2::<f32>()? {
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(value));
        }
        Ok(())
    })?;
    sum.iter_mut().for_each(|value| *value /= sequences.len() as f64);
    kept.keep(id, &task.identity, &sequences.len(), Some(&npy::to_bytes(&sum)))?;
    Ok(sum)
}
