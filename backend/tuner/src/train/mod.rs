//! Training an adapter and a head on one task.

mod finetune;
#[cfg(test)]
pub(crate) mod golden;
mod ledger;
mod model;
mod optimizer;
mod probe;
mod resume;
mod settings;
#[cfg(test)]
pub(crate) mod tests;

pub use finetune::{FineTuneRecord, baseline};
pub(crate) use finetune::{FineTuned, fine_tune};
pub use ledger::{Ledger, Trained};
pub(crate) use model::TaskModel;
pub(crate) use probe::{linear_probe, not_probed};
pub use settings::{Schedule, Settings, Training, default_doc_stride, default_max_length};

use crate::Error;
use crate::batch::{self, Batch, Tokenised};
use crate::data::Dataset;
use crate::encoder::Encoder;
use crate::kernels::{Coming, Squares};
use crate::objective::{self, Scores};
use crate::rng::Rng;
use candle_core::{Tensor, Var};
use optimizer::AdamW;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Instant;
use tupate_embedding::{AdapterState, LayerState, NamedTensor};
use tupate_tasks::MethodSpec;

/// Epochs after which the early parameters are taken (paper, section 4.3).
pub const EARLY_EPOCHS: usize = 2;

/// One epoch of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean training loss of the epoch.
    pub loss: f64,
    /// The scores on the validation split.
    #[serde(flatten)]
    pub scores: Scores,
}

/// What happens while tuning.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Something worth telling once.
    Note(&'a str),
    /// One optimiser step was taken.
    Step {
        /// Steps taken over all learning rates.
        done: usize,
        /// Steps that there will be.
        total: usize,
        /// The learning rate in use.
        learning_rate: f64,
        /// The epoch, from 1.
        epoch: usize,
        /// The batch's loss.
        loss: f64,
    },
    /// Work on one of several tasks begins.
    Task {
        /// Its id.
        task: &'a str,
        /// Counted from 1.
        number: usize,
        /// How many there are.
        of: usize,
    },
    /// One batch was run through an encoder that is not trained.
    Pass {
        /// What for.
        what: &'a str,
        /// Batches that are done.
        done: usize,
        /// Batches that there will be.
        total: usize,
    },
    /// A learning rate's training, which was interrupted, is taken up.
    Resumed {
        /// The learning rate.
        learning_rate: f64,
        /// Its epochs so far.
        curve: &'a [EpochRecord],
    },
    /// An epoch was evaluated.
    Epoch {
        /// The learning rate in use.
        learning_rate: f64,
        /// What was measured.
        record: &'a EpochRecord,
    },
}

/// Seconds of the parts of a step, summed over steps. On a GPU, which computes while the
/// program goes on, a part may wait for what an earlier one began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SecondsOf {
    /// From a batch to its loss. On a GPU, as the others: until it was asked for.
    pub forward: f64,
    /// From the loss to the gradients.
    pub backward: f64,
    /// From the gradients to the next parameters.
    pub optimizer: f64,
}

/// Someone who watches a run and may stop it.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: Event<'_>);
    /// Whether the run should stop at the next step, or batch of validation.
    fn cancelled(&self) -> bool {
        false
    }
    /// Whether the epoch that is being trained is to be the last. The run then ends as
    /// one of so many epochs would: further learning rates are not tried, and the best
    /// so far is kept.
    fn enough(&self) -> bool {
        false
    }
    /// Whether [`tuned`](Self::tuned) is to be told: it costs a copy of all tuned
    /// parameters an epoch.
    fn wants_tuned(&self) -> bool {
        false
    }
    /// The adapter at the best validation score so far, and before training, after
    /// each epoch: what the run would come to if this epoch were its last.
    fn tuned(
        &mut self,
        _epoch: usize,
        _learning_rate: f64,
        _tuned: &AdapterState,
        _initial: &AdapterState,
    ) {
    }
}

/// Values of every trainable tensor, in the trainer's order.
pub(crate) type Snapshot = Vec<Vec<f32>>;

/// One learning rate's training of one task, from start to finish.
pub(crate) struct Trainer<'a, 'd> {
    model: TaskModel<'a>,
    dataset: &'d Dataset,
    training: &'d Training,
    names: Vec<String>,
    vars: Vec<Var>,
    initial: Snapshot,
    optimizer: AdamW,
    learning_rate: f64,
    /// What survives an interruption beside the parameters.
    pub progress: Progress,
}

/// A step that was asked for. A GPU may not have taken it yet.
struct Asked {
    /// Counted from 1.
    number: usize,
    /// Sequences in its batch.
    size: usize,
    loss: Coming,
    squares: Squares,
}

/// Everything about a trainer that is not a tensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub curve: Vec<EpochRecord>,
    pub best_epoch: usize,
    pub best_score: Option<f64>,
    /// Whether the last epoch of the curve was said to be enough.
    #[serde(default)]
    pub enough: bool,
    pub steps_with_gradient: Vec<usize>,
    pub seconds: f64,
    #[serde(default)]
    pub seconds_of: SecondsOf,
    #[serde(skip)]
    pub early: Option<Snapshot>,
    #[serde(skip)]
    pub late: Option<Snapshot>,
}

/// How far all the work has come, for the observer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Steps taken before this epoch.
    pub done: usize,
    /// Steps that there will be.
    pub total: usize,
}

impl<'a, 'd> Trainer<'a, 'd> {
    pub fn new(
        model: TaskModel<'a>,
        dataset: &'d Dataset,
        training: &'d Training,
        learning_rate: f64,
    ) -> Result<Self, Error> {
        let (names, vars): (Vec<_>, Vec<_>) = model.parameters().into_iter().unzip();
        let optimizer = AdamW::new(&vars, training.weight_decay)?;
        let initial = snapshot(&vars)?;
        let progress = Progress { steps_with_gradient: vec![0; vars.len()], ..Progress::default() };
        Ok(Self {
            model,
            dataset,
            training,
            names,
            vars,
            initial,
            optimizer,
            learning_rate,
            progress,
        })
    }

    /// Trains one epoch and evaluates it.
    pub fn epoch(
        &mut self,
        train: &Tokenised<'_>,
        dev: &Tokenised<'_>,
        place: Place,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let started = Instant::now();
        let epoch = self.progress.curve.len() + 1;
        // The order depends on seed and epoch alone: a resumed run sees the
        // batches that an uninterrupted one would have seen.
        let mut rng = Rng::new(self.training.seed, &format!("order of epoch {epoch}"));
        let batches = batch::shuffled(&train.sequences, self.training.batch_size, &mut rng);
        let pad = self.model.encoder.config().pad_token_id;
        let steps = batches.len() * self.training.epochs;
        let (mut loss_sum, mut seen) = (0.0, 0);
        // A GPU is asked for the next step before the last one is waited for.
        let ahead = usize::from(!self.model.bert().device().is_cpu());
        let (mut asked, mut taken) = (VecDeque::new(), 0);
        for (i, indices) in batches.iter().enumerate() {
            if observer.cancelled() {
                return Err(Error::Cancelled);
            }
            let batch = Batch::new(&train.sequences, indices, pad);
            asked.push_back(self.ask(&batch, steps)?);
            let ahead = if i + 1 < batches.len() { ahead } else { 0 };
            while asked.len() > ahead {
                let Some(step) = asked.pop_front() else { break };
                let size = step.size;
                let loss = self.take(step)?;
                loss_sum += loss * size as f64;
                seen += size;
                taken += 1;
                let end = place.done + batches.len();
                observer.event(Event::Step {
                    done: place.done + taken,
                    total: if observer.enough() { end } else { place.total },
                    learning_rate: self.learning_rate,
                    epoch,
                    loss,
                });
            }
        }
        let diverged = |what| self.diverged(self.optimizer.steps, what);
        let size = self.training.batch_size;
        let predictions = self.model.predict(&dev.sequences, size, observer, diverged)?;
        let scores = objective::score(self.dataset, dev, &predictions)?;
        let record = EpochRecord { epoch, loss: loss_sum / seen as f64, scores };
        if epoch == EARLY_EPOCHS {
            self.progress.early = Some(snapshot(&self.vars)?);
        }
        if self.progress.best_score.is_none_or(|best| record.scores.score > best) {
            self.progress.best_score = Some(record.scores.score);
            self.progress.best_epoch = epoch;
            self.progress.late = Some(snapshot(&self.vars)?);
        }
        self.progress.seconds += started.elapsed().as_secs_f64();
        observer.event(Event::Epoch { learning_rate: self.learning_rate, record: &record });
        self.progress.curve.push(record);
        Ok(())
    }

    /// Asks for one step of `steps`. The CPU has taken it then.
    fn ask(&mut self, batch: &Batch, steps: usize) -> Result<Asked, Error> {
        let started = Instant::now();
        let loss = self.model.loss(batch)?;
        let forward = started.elapsed();
        let gradients = loss.backward()?;
        let loss = Coming::new(&loss)?;
        let backward = started.elapsed();
        let rate = self.training.rate(self.learning_rate, self.optimizer.steps, steps);
        let longest = self.training.max_gradient_norm;
        let squares = self.optimizer.step(&self.vars, &gradients, rate, longest)?;
        let spent = &mut self.progress.seconds_of;
        spent.forward += forward.as_secs_f64();
        spent.backward += (backward - forward).as_secs_f64();
        spent.optimizer += (started.elapsed() - backward).as_secs_f64();
        Ok(Asked { number: self.optimizer.steps, size: batch.size, loss, squares })
    }

    /// Waits for a step that was asked for; gives the batch's loss. Counts, on the way,
    /// which tensors got a gradient that is not all zero.
    fn take(&mut self, asked: Asked) -> Result<f64, Error> {
        let Asked { number: step, loss, squares, .. } = asked;
        let loss = loss.read()?;
        if !loss.is_finite() {
            return Err(self.diverged(step, "the loss is not a number"));
        }
        let squares = squares.read()?;
        if !squares.iter().flatten().sum::<f64>().is_finite() {
            return Err(self.diverged(step, "a gradient is not a number"));
        }
        for (steps, square) in self.progress.steps_with_gradient.iter_mut().zip(squares) {
            *steps += usize::from(square.is_some_and(|square| square != 0.0));
        }
        Ok(loss)
    }

    fn diverged(&self, step: usize, what: &'static str) -> Error {
        Error::Diverged { step, learning_rate: self.learning_rate, what }
    }

    /// How far each tensor moved on the way to `to`, and how often it was told
    /// to.
    pub fn trained(&self, to: &Snapshot) -> Vec<Trained> {
        let distance = |a: &[f32], b: &[f32]| {
            a.iter().zip(b).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>().sqrt()
        };
        self.names
            .iter()
            .enumerate()
            .map(|(i, name)| Trained {
                name: name.clone(),
                values: self.initial[i].len(),
                steps_with_gradient: self.progress.steps_with_gradient[i],
                moved: distance(&self.initial[i], &to[i]),
            })
            .collect()
    }

    /// The adapter's part of a snapshot, and the head's.
    pub fn export(
        &self,
        method: &MethodSpec,
        values: &Snapshot,
    ) -> Result<(AdapterState, Vec<NamedTensor>), Error> {
        let mut layers: Vec<LayerState> = Vec::new();
        let adapted = self.model.adapter.vars();
        for (named, values) in adapted.iter().zip(values) {
            if layers.len() <= named.layer {
                layers.resize_with(named.layer + 1, LayerState::default);
            }
            layers[named.layer].tensors.push(NamedTensor {
                name: named.name.clone(),
                shape: named.var.dims().to_vec(),
                values: values.clone(),
            });
        }
        let first = adapted.len();
        let head = ["weight", "bias"].iter().zip(&self.vars[first..]).zip(&values[first..]);
        let head = head
            .map(|((name, var), values)| NamedTensor {
                name: format!("classifier.{name}"),
                shape: var.dims().to_vec(),
                values: values.clone(),
            })
            .collect();
        Ok((AdapterState::new(method.clone(), layers)?, head))
    }

    /// The parameters as they are now.
    pub fn now(&self) -> Result<Snapshot, Error> {
        snapshot(&self.vars)
    }

    /// What is trained.
    pub fn model(&self) -> &TaskModel<'a> {
        &self.model
    }

    /// What was trained, with its parameters as they are now.
    pub fn into_model(self) -> TaskModel<'a> {
        self.model
    }

    /// The untrained parameters.
    pub fn initial(&self) -> &Snapshot {
        &self.initial
    }

    /// The encoder.
    pub fn encoder(&self) -> &Encoder {
        self.model.encoder
    }

    /// Whether all epochs are done, or enough of them.
    pub fn finished(&self) -> bool {
        self.progress.enough || self.progress.curve.len() >= self.training.epochs
    }
}

fn snapshot(vars: &[Var]) -> Result<Snapshot, Error> {
    vars.iter().map(|v| Ok(v.flatten_all()?.to_vec1()?)).collect()
}

fn load(vars: &[Var], values: &[Vec<f32>]) -> Result<(), Error> {
    for (var, values) in vars.iter().zip(values) {
        var.set(&Tensor::from_slice(values, var.dims(), var.device())?)?;
    }
    Ok(())
}
