//! The ledger: proof that a run did what it seems to have done.

use serde::{Deserialize, Serialize};

/// What became of one trainable tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    /// Its name, layer included.
    pub name: String,
    /// Number of values.
    pub values: usize,
    /// Steps in which its gradient was not all zero.
    pub steps_with_gradient: usize,
    /// Euclidean distance from its initial values.
    pub moved: f64,
}

/// What a run must show to be valid, and facts that explain its score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Whether nothing below is violated.
    pub ok: bool,
    /// Every violation in words; empty when `ok`.
    pub violations: Vec<String>,
    /// Number of values that were trained, the head's included.
    pub trainable_values: usize,
    /// Every trainable tensor.
    pub trained: Vec<Trained>,
    /// sha256 of the frozen weights before tuning.
    pub frozen_sha256_before: String,
    /// The same after tuning.
    pub frozen_sha256_after: String,
    /// Keys of the weights file that were loaded.
    pub keys_loaded: usize,
    /// Keys of pretraining heads and buffers that were left aside.
    pub keys_unused: Vec<String>,
    /// Training texts that lost their end to the length limit.
    pub truncated_train: usize,
    /// Validation texts that lost their end.
    pub truncated_dev: usize,
    /// Training examples a class, by label.
    pub class_counts: Vec<(String, usize)>,
    /// Whether the score beats always guessing the majority class. A fact about
    /// the task, not a violation: an embedding of a hard task is an embedding.
    pub beats_majority: bool,
}

impl Ledger {
    /// Looks for violations and records them.
    pub fn judge(mut self) -> Self {
        let mut violations = Vec::new();
        for tensor in &self.trained {
            if tensor.steps_with_gradient == 0 {
                violations.push(format!("{} never got a gradient", tensor.name));
            } else if tensor.moved == 0.0 {
                violations.push(format!("{} did not move", tensor.name));
            }
        }
        if self.frozen_sha256_before != self.frozen_sha256_after {
            violations.push("a frozen weight changed".to_owned());
        }
        self.ok = violations.is_empty();
        self.violations = violations;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(gradients: usize, moved: f64, after: &str) -> Ledger {
        Ledger {
            ok: false,
            violations: vec![],
            trainable_values: 1,
            trained: vec![Trained {
                name: "layer 0 query.lora_A".into(),
                values: 1,
                steps_with_gradient: gradients,
                moved,
            }],
            frozen_sha256_before: "a".into(),
            frozen_sha256_after: after.into(),
            keys_loaded: 1,
            keys_unused: vec![],
            truncated_train: 0,
            truncated_dev: 0,
            class_counts: vec![],
            beats_majority: true,
        }
    }

    #[test]
    fn each_violation_is_found() {
        assert!(ledger(3, 0.1, "a").judge().ok);
        assert_eq!(
            ledger(0, 0.0, "a").judge().violations,
            ["layer 0 query.lora_A never got a gradient"]
        );
        assert_eq!(ledger(3, 0.0, "a").judge().violations, ["layer 0 query.lora_A did not move"]);
        assert_eq!(ledger(3, 0.1, "b").judge().violations, ["a frozen weight changed"]);
    }
}
