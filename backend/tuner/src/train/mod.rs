//! Training an adapter and a head on one task.

mod evaluate;
#[cfg(test)]
mod golden;
mod ledger;
mod optimizer;
mod probe;
mod resume;
#[cfg(test)]
mod tests;

pub use evaluate::{Scores, majority_score, score};
pub use ledger::{Ledger, Trained};
pub use probe::linear_probe;

use crate::Error;
use crate::batch::{self, Batch, Tokens};
use crate::encoder::Encoder;
use crate::head::{Head, cross_entropy};
use crate::peft::{Adapter, NamedVar, PeftMethod};
use crate::rng::Rng;
use candle_core::{Tensor, Var, backprop::GradStore};
use optimizer::AdamW;
use serde::{Deserialize, Serialize};
use std::time::Instant;
use tupate_embedding::{AdapterState, LayerState, NamedTensor};
use tupate_tasks::{MethodSpec, Metric};

/// Epochs after which the early parameters are taken (paper, section 4.3).
pub const EARLY_EPOCHS: usize = 2;

/// How a task is tuned. Everything here changes the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The method and its hyperparameters.
    pub method: MethodSpec,
    /// Passes over the training examples.
    pub epochs: usize,
    /// Examples a step, `B`.
    pub batch_size: usize,
    /// Learning rates to try; the best on the validation split is kept.
    pub learning_rates: Vec<f64>,
    /// Most tokens a text or pair may have.
    pub max_length: usize,
    /// Seed of the head, the order of examples and the choice of a subset.
    pub seed: u64,
    /// Seed of the method's initial parameters; one for all tasks of a zoo.
    pub init_seed: u64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Gradients are scaled down to this Euclidean norm when they exceed it.
    pub max_gradient_norm: f64,
}

impl Settings {
    /// The paper's settings for a method (section 4.3): batches of 32, 20
    /// epochs, its learning rates; texts up to 128 tokens.
    pub fn paper(method: &dyn PeftMethod) -> Self {
        Self {
            method: method.paper_spec(),
            epochs: 20,
            batch_size: 32,
            learning_rates: method.learning_rates().to_vec(),
            max_length: 128,
            seed: 0,
            init_seed: 0,
            weight_decay: 0.01,
            max_gradient_norm: 1.0,
        }
    }

    /// Refuses settings that make no sense.
    ///
    /// # Errors
    /// One that names the flag.
    pub fn check(&self, longest: usize) -> Result<(), Error> {
        let wrong = |what: String| Err(Error::Setting(what));
        if self.epochs == 0 {
            return wrong("--epochs must be at least 1".into());
        }
        if self.batch_size == 0 {
            return wrong("--batch-size must be at least 1".into());
        }
        if self.max_length < 8 || self.max_length > longest {
            return wrong(format!(
                "--max-length is {} and must be from 8 to {longest}, the most that this encoder takes",
                self.max_length
            ));
        }
        if self.learning_rates.is_empty()
            || self.learning_rates.iter().any(|lr| !(lr.is_finite() && *lr > 0.0))
        {
            return wrong("--lr must be one or more positive numbers".into());
        }
        Ok(())
    }
}

/// One epoch of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean training loss of the epoch.
    pub loss: f64,
    /// The task's metric on the validation split.
    pub score: f64,
    /// Accuracy on the validation split.
    pub accuracy: f64,
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
    /// An epoch was evaluated.
    Epoch {
        /// The learning rate in use.
        learning_rate: f64,
        /// What was measured.
        record: &'a EpochRecord,
    },
}

/// Someone who watches a run and may stop it.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: Event<'_>);
    /// Whether the run should stop at the next step.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Values of every trainable tensor, in the order of [`Trainer::names`].
pub(crate) type Snapshot = Vec<Vec<f32>>;

/// One learning rate's training of one task, from start to finish.
pub(crate) struct Trainer<'a> {
    encoder: &'a Encoder,
    settings: &'a Settings,
    metric: Metric,
    adapter: Box<dyn Adapter>,
    head: Head,
    vars: Vec<Var>,
    initial: Snapshot,
    optimizer: AdamW,
    learning_rate: f64,
    /// What survives an interruption beside the parameters.
    pub progress: Progress,
}

/// Everything about a trainer that is not a tensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub curve: Vec<EpochRecord>,
    pub best_epoch: usize,
    pub best_score: Option<f64>,
    pub steps_with_gradient: Vec<usize>,
    pub seconds: f64,
    #[serde(skip)]
    pub early: Option<Snapshot>,
    #[serde(skip)]
    pub late: Option<Snapshot>,
}

impl<'a> Trainer<'a> {
    pub fn new(
        encoder: &'a Encoder,
        method: &dyn PeftMethod,
        settings: &'a Settings,
        classes: usize,
        metric: Metric,
        learning_rate: f64,
    ) -> Result<Self, Error> {
        let (config, device) = (encoder.config(), encoder.model.device());
        let adapter = method.build(&settings.method, config, settings.init_seed, device)?;
        let head = Head::new(classes, config.hidden_size, settings.seed, device)?;
        let mut vars: Vec<Var> = adapter.vars().iter().map(|named| named.var.clone()).collect();
        vars.extend([head.weight.clone(), head.bias.clone()]);
        let optimizer = AdamW::new(&vars, settings.weight_decay)?;
        let initial = snapshot(&vars)?;
        let progress = Progress { steps_with_gradient: vec![0; vars.len()], ..Progress::default() };
        Ok(Self {
            encoder,
            settings,
            metric,
            adapter,
            head,
            vars,
            initial,
            optimizer,
            learning_rate,
            progress,
        })
    }

    /// Trains one epoch and evaluates it. `done_before` and `total` count steps
    /// over all learning rates, for the observer.
    pub fn epoch(
        &mut self,
        train: &[Tokens],
        dev: &[Tokens],
        done_before: usize,
        total: usize,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let started = Instant::now();
        let epoch = self.progress.curve.len() + 1;
        // The order depends on seed and epoch alone: a resumed run sees the
        // batches that an uninterrupted one would have seen.
        let mut rng = Rng::new(self.settings.seed, &format!("order of epoch {epoch}"));
        let batches = batch::shuffled(train, self.settings.batch_size, &mut rng);
        let pad = self.encoder.config().pad_token_id;
        let (mut loss_sum, mut seen) = (0.0, 0);
        for (i, indices) in batches.iter().enumerate() {
            if observer.cancelled() {
                return Err(Error::Cancelled);
            }
            let batch = Batch::new(train, indices, pad);
            let loss = self.step(&batch)?;
            loss_sum += loss * batch.size as f64;
            seen += batch.size;
            observer.event(Event::Step {
                done: done_before + i + 1,
                total,
                learning_rate: self.learning_rate,
                epoch,
                loss,
            });
        }
        let scores = evaluate::evaluate(
            self.encoder,
            self.adapter.as_ref(),
            &self.head,
            dev,
            self.settings.batch_size,
            self.metric,
        )?;
        let record = EpochRecord {
            epoch,
            loss: loss_sum / seen as f64,
            score: scores.score,
            accuracy: scores.accuracy,
        };
        if epoch == EARLY_EPOCHS {
            self.progress.early = Some(snapshot(&self.vars)?);
        }
        if self.progress.best_score.is_none_or(|best| record.score > best) {
            self.progress.best_score = Some(record.score);
            self.progress.best_epoch = epoch;
            self.progress.late = Some(snapshot(&self.vars)?);
        }
        self.progress.seconds += started.elapsed().as_secs_f64();
        observer.event(Event::Epoch { learning_rate: self.learning_rate, record: &record });
        self.progress.curve.push(record);
        Ok(())
    }

    fn step(&mut self, batch: &Batch) -> Result<f64, Error> {
        let hidden = self.encoder.model.forward(batch, self.adapter.as_ref())?;
        let pooled = self.encoder.model.pool(&hidden, batch, self.encoder.pooling)?;
        let loss = cross_entropy(&self.head.forward(&pooled)?, &batch.classes)?;
        let value = f64::from(loss.to_scalar::<f32>()?);
        let (step, learning_rate) = (self.optimizer.steps + 1, self.learning_rate);
        let diverged = |what| Error::Diverged { step, learning_rate, what };
        if !value.is_finite() {
            return Err(diverged("the loss is not a number"));
        }
        let gradients = loss.backward()?;
        let norm = self.gradient_norm(&gradients)?;
        if !norm.is_finite() {
            return Err(diverged("a gradient is not a number"));
        }
        let scale = if norm > self.settings.max_gradient_norm {
            self.settings.max_gradient_norm / norm
        } else {
            1.0
        };
        self.optimizer.step(&self.vars, &gradients, self.learning_rate, scale)?;
        Ok(value)
    }

    /// Euclidean norm over all gradients; counts, on the way, which tensors got
    /// one that is not all zero.
    fn gradient_norm(&mut self, gradients: &GradStore) -> Result<f64, Error> {
        let mut squares = 0.0;
        for (i, var) in self.vars.iter().enumerate() {
            let Some(gradient) = gradients.get(var) else { continue };
            let square = f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
            // NaN counts as a gradient here and as divergence one line later.
            if square != 0.0 {
                self.progress.steps_with_gradient[i] += 1;
            }
            squares += square;
        }
        Ok(squares.sqrt())
    }

    /// Name and layer of each trainable tensor.
    pub fn names(&self) -> Vec<String> {
        let layer = |named: &NamedVar| format!("layer {} {}", named.layer, named.name);
        let mut names: Vec<String> = self.adapter.vars().iter().map(layer).collect();
        names.extend(["head weight".to_owned(), "head bias".to_owned()]);
        names
    }

    /// How far each tensor moved on the way to `to`, and how often it was told
    /// to.
    pub fn trained(&self, to: &Snapshot) -> Vec<Trained> {
        let distance = |a: &[f32], b: &[f32]| {
            a.iter().zip(b).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>().sqrt()
        };
        self.names()
            .into_iter()
            .enumerate()
            .map(|(i, name)| Trained {
                name,
                values: self.initial[i].len(),
                steps_with_gradient: self.progress.steps_with_gradient[i],
                moved: distance(&self.initial[i], &to[i]),
            })
            .collect()
    }

    /// The adapter's part of a snapshot, and the head's.
    pub fn export(&self, values: &Snapshot) -> Result<(AdapterState, Vec<NamedTensor>), Error> {
        let mut layers: Vec<LayerState> = Vec::new();
        for (named, values) in self.adapter.vars().iter().zip(values) {
            if layers.len() <= named.layer {
                layers.resize_with(named.layer + 1, LayerState::default);
            }
            layers[named.layer].tensors.push(NamedTensor {
                name: named.name.clone(),
                shape: named.var.dims().to_vec(),
                values: values.clone(),
            });
        }
        let first = self.adapter.vars().len();
        let head = ["weight", "bias"].iter().zip(&self.vars[first..]).zip(&values[first..]);
        let head = head
            .map(|((name, var), values)| NamedTensor {
                name: format!("classifier.{name}"),
                shape: var.dims().to_vec(),
                values: values.clone(),
            })
            .collect();
        Ok((AdapterState::new(self.settings.method.clone(), layers)?, head))
    }

    /// The untrained parameters.
    pub fn initial(&self) -> &Snapshot {
        &self.initial
    }

    /// The encoder's name.
    pub fn encoder_name(&self) -> &str {
        &self.encoder.reference.name
    }

    /// Whether all epochs are done.
    pub fn finished(&self) -> bool {
        self.progress.curve.len() >= self.settings.epochs
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
