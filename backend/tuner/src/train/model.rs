//! An encoder, what learns in it, and the head of a task.

use super::Observer;
use crate::Error;
use crate::batch::{self, Batch, Tokens};
use crate::data::{Dataset, Objective};
use crate::encoder::{Bert, Encoder};
use crate::objective::{Head, Prediction};
use crate::peft::{Adapter, Frozen, NamedVar, PeftMethod};
use candle_core::{Result as TensorResult, Tensor, Var};
use tupate_tasks::MethodSpec;

/// What is trained on one task.
pub(crate) struct TaskModel<'a> {
    pub encoder: &'a Encoder,
    /// The encoder's copy that learns itself; `None` while it is frozen.
    whole: Option<Bert>,
    pub adapter: Box<dyn Adapter>,
    pub head: Head,
    pub objective: Objective,
}

impl<'a> TaskModel<'a> {
    /// The frozen encoder with a fresh adapter.
    pub fn adapted(
        encoder: &'a Encoder,
        method: &dyn PeftMethod,
        spec: &MethodSpec,
        dataset: &Dataset,
        (init_seed, seed): (u64, u64),
    ) -> Result<Self, Error> {
        let adapter = method.build(spec, &encoder.model, init_seed)?;
        let head = Self::fresh_head(encoder, dataset, seed)?;
        Ok(Self { encoder, whole: None, adapter, head, objective: dataset.objective })
    }

    /// The encoder with nothing in it but a fresh head, all of which learns.
    /// `start` is a model of the encoder's shape.
    pub fn whole(
        encoder: &'a Encoder,
        start: &Bert,
        dataset: &Dataset,
        seed: u64,
    ) -> Result<Self, Error> {
        let objective = dataset.objective;
        let pooling = objective.is_pooled().then_some(encoder.pooling);
        let whole = Some(start.learning(pooling)?);
        let head = Self::fresh_head(encoder, dataset, seed)?;
        Ok(Self { encoder, whole, adapter: Box::new(Frozen), head, objective })
    }

    fn fresh_head(encoder: &Encoder, dataset: &Dataset, seed: u64) -> Result<Head, Error> {
        let outputs = dataset.objective.outputs(dataset.label_names.len());
        Ok(Head::new(outputs, encoder.config().hidden_size, seed, encoder.model.device())?)
    }

    /// The encoder in use.
    pub fn bert(&self) -> &Bert {
        self.whole.as_ref().unwrap_or(&self.encoder.model)
    }

    /// Everything that learns with its name, the head last.
    pub fn parameters(&self) -> Vec<(String, Var)> {
        let layer = |n: &NamedVar| (format!("layer {} {}", n.layer, n.name), n.var.clone());
        let mut all: Vec<_> = self.adapter.vars().iter().map(layer).collect();
        all.extend(self.bert().vars().iter().cloned());
        all.push(("head weight".to_owned(), self.head.weight.clone()));
        all.push(("head bias".to_owned(), self.head.bias.clone()));
        all
    }

    /// The head's outputs, `[B, C]` or `[B, S, C]`.
    pub fn outputs(&self, batch: &Batch) -> TensorResult<Tensor> {
        let hidden = self.bert().forward(batch, self.adapter.as_ref())?;
        if self.objective.is_pooled() {
            self.head.forward(&self.bert().pool(&hidden, batch, self.encoder.pooling)?)
        } else {
            self.head.forward(&hidden)
        }
    }

    /// The mean loss of a batch, a scalar.
    pub fn loss(&self, batch: &Batch) -> TensorResult<Tensor> {
        self.objective.loss(&self.outputs(batch)?, batch)
    }

    /// What the model says of each sequence, in their order, unless the observer stops it.
    /// Outputs that are no numbers are `diverged`: the best of them would be any class.
    pub fn predict(
        &self,
        sequences: &[Tokens],
        batch_size: usize,
        observer: &dyn Observer,
        diverged: impl Fn(&'static str) -> Error,
    ) -> Result<Vec<Prediction>, Error> {
        let mut predictions = vec![None; sequences.len()];
        for indices in batch::sorted(sequences, batch_size) {
            if observer.cancelled() {
                return Err(Error::Cancelled);
            }
            let batch = Batch::new(sequences, &indices, self.encoder.config().pad_token_id);
            let outputs = self.outputs(&batch)?;
            // Nothing times 0 is another number, but what is not finite.
            if outputs.affine(0.0, 0.0)?.sum_all()?.to_scalar::<f32>()? != 0.0 {
                return Err(diverged("what it predicts is not a number"));
            }
            let of_batch = self.objective.predict(&outputs, &batch)?;
            for (i, prediction) in indices.into_iter().zip(of_batch) {
                predictions[i] = Some(prediction);
            }
        }
        Ok(predictions.into_iter().flatten().collect())
    }
}
