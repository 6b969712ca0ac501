//! What an encoder's family calls the parts of its layers.

use tupate_tasks::{BIASES, LORA_TARGETS};

/// How a family of encoders names its tensors, as in transformers' models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// BERT and RoBERTa: `encoder.layer.0.attention.self.query`.
    Bert,
    /// DistilBERT: `transformer.layer.0.attention.q_lin`.
    DistilBert,
    /// MPNet: `encoder.layer.0.attention.attn.q`.
    MpNet,
}

/// A tensor's owner: a part of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The layer, counted from 0.
    pub layer: usize,
    /// Index into [`BIASES`].
    pub part: usize,
}

impl Layout {
    /// All layouts.
    pub const ALL: [Self; 3] = [Self::Bert, Self::DistilBert, Self::MpNet];

    /// The layout of a `model_type` in an encoder's `config.json`.
    pub fn of_model_type(model_type: &str) -> Option<Self> {
        match model_type {
            "bert" | "roberta" => Some(Self::Bert),
            "distilbert" => Some(Self::DistilBert),
            "mpnet" => Some(Self::MpNet),
            _ => None,
        }
    }

    /// The families that name so, for people.
    pub fn families(self) -> &'static str {
        match self {
            Self::Bert => "BERT and RoBERTa",
            Self::DistilBert => "DistilBERT",
            Self::MpNet => "MPNet",
        }
    }

    /// What stands before the layer's number.
    fn stem(self) -> &'static str {
        match self {
            Self::Bert | Self::MpNet => "encoder.layer.",
            Self::DistilBert => "transformer.layer.",
        }
    }

    /// The family's names of [`BIASES`].
    fn parts(self) -> [&'static str; BIASES.len()] {
        match self {
            Self::Bert => [
                "attention.self.query",
                "attention.self.key",
                "attention.self.value",
                "attention.output.dense",
                "attention.output.LayerNorm",
                "intermediate.dense",
                "output.dense",
                "output.LayerNorm",
            ],
            Self::DistilBert => [
                "attention.q_lin",
                "attention.k_lin",
                "attention.v_lin",
                "attention.out_lin",
                "sa_layer_norm",
                "ffn.lin1",
                "ffn.lin2",
                "output_layer_norm",
            ],
            Self::MpNet => [
                "attention.attn.q",
                "attention.attn.k",
                "attention.attn.v",
                "attention.attn.o",
                "attention.LayerNorm",
                "intermediate.dense",
                "output.dense",
                "output.LayerNorm",
            ],
        }
    }

    /// `encoder.layer.3.attention.self.query` of part `query` in layer 3.
    pub(super) fn path(self, layer: usize, part: &str) -> Option<String> {
        let index = BIASES.iter().position(|p| *p == part)?;
        Some(format!("{}{layer}.{}", self.stem(), self.parts()[index]))
    }

    /// The linear maps of a layer by their names in [`LORA_TARGETS`], with the
    /// family's.
    pub(super) fn linear_maps(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        BIASES.into_iter().zip(self.parts()).filter(|(part, _)| LORA_TARGETS.contains(part))
    }

    /// The layer and part that `path` names, and the layouts that name it so:
    /// BERT's and MPNet's feed-forward blocks are called alike.
    pub(super) fn place(path: &str) -> Option<(Place, Vec<Self>)> {
        let mut found: Option<(Place, Vec<Self>)> = None;
        for layout in Self::ALL {
            let Some((layer, part)) =
                path.strip_prefix(layout.stem()).and_then(|rest| rest.split_once('.'))
            else {
                continue;
            };
            let Some(layer) = layer_number(layer) else { continue };
            let Some(part) = layout.parts().iter().position(|p| *p == part) else { continue };
            let (_, layouts) = found.get_or_insert((Place { layer, part }, Vec::new()));
            layouts.push(layout);
        }
        found
    }
}

/// Takes what a task model's key has in front of its encoder's, such as `bert.`.
/// Gives that prefix and the rest; nothing when the key names no layer.
pub(super) fn without_model(key: &str) -> Option<(&str, &str)> {
    let at = Layout::ALL.iter().filter_map(|layout| key.find(layout.stem())).min()?;
    let (model, rest) = key.split_at(at);
    let one_word =
        model.strip_suffix('.').is_some_and(|word| !word.is_empty() && !word.contains('.'));
    (model.is_empty() || one_word).then_some((model, rest))
}

/// A layer's number as it is written: no sign and no leading zero, so that no two
/// keys name the same layer.
fn layer_number(text: &str) -> Option<usize> {
    let number: usize = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Which layouts are left when all of a folder's keys have been seen.
#[derive(Debug, Default)]
pub(super) struct Layouts(Option<Vec<Layout>>);

impl Layouts {
    /// Keeps those that name this key, too; `false` when none is left.
    pub fn meet(&mut self, layouts: &[Layout]) -> bool {
        let left = self.0.get_or_insert_with(|| layouts.to_vec());
        left.retain(|layout| layouts.contains(layout));
        !left.is_empty()
    }

    /// The only one left.
    pub fn only(&self) -> Option<Layout> {
        match self.0.as_deref() {
            Some(&[layout]) => Some(layout),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_leads_back_to_its_place() {
        for layout in Layout::ALL {
            for (part, name) in BIASES.iter().enumerate() {
                let path = layout.path(11, name).unwrap();
                let (place, layouts) = Layout::place(&path).unwrap();
                assert_eq!(place, Place { layer: 11, part }, "{path}");
                assert!(layouts.contains(&layout), "{path}");
                // Only what BERT and MPNet share is not decided by one key.
                let shared = ["intermediate", "output", "output_norm"].contains(name);
                let alone = layout == Layout::DistilBert || !shared;
                assert_eq!(layouts.len() == 1, alone, "{path}");
            }
        }
    }

    #[test]
    fn what_names_no_part_of_a_layer_is_nowhere() {
        for path in [
            "pooler.dense",
            "encoder.layer.x.attention.self.query",
            "encoder.layer.+1.attention.self.query",
            "encoder.layer.01.attention.self.query",
            "encoder.layer.0.attention.q_lin",
            "transformer.layer.0.attention.self.query",
            "encoder.layer.99999999999999999999.output.dense",
            "encoder.layer.0",
            "",
        ] {
            assert_eq!(Layout::place(path), None, "{path}");
        }
    }
}
