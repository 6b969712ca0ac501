//! A recipe: everything that decides whether two vectors may be compared.

use crate::named::named;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which frozen encoder was tuned. The hash decides; the name is for people.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EncoderRef {
    /// The encoder's name, such as `minilm`, or the name of its folder.
    pub name: String,
    /// sha256 of the weights file, lower-case hex.
    pub weights_sha256: String,
    /// Transformer layers, `L`.
    pub layers: usize,
    /// Hidden size, `H`.
    pub hidden_size: usize,
}

/// The linear maps of a Transformer layer, as LoRA's targets are called here
/// whatever the encoder's family calls them, in the order of the layer.
pub const LORA_TARGETS: [&str; 6] =
    ["query", "key", "value", "attention_output", "intermediate", "output"];

/// The parts of a Transformer layer that have a bias, in the order of the layer.
pub const BIASES: [&str; 8] = [
    "query",
    "key",
    "value",
    "attention_output",
    "attention_norm",
    "intermediate",
    "output",
    "output_norm",
];

/// A parameter-efficient tuning method with every hyperparameter that changes
/// which numbers are tuned or what they mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum MethodSpec {
    /// Low-rank adaptation (Hu et al. 2022): `h = Wx + (alpha/rank)·B·A·x`.
    Lora {
        /// Rank `r` of the update.
        rank: usize,
        /// Scale `alpha` of the update.
        alpha: f64,
        /// The linear maps that are adapted, names of [`LORA_TARGETS`], in the
        /// order in which their factors are concatenated: that of the constant.
        targets: Vec<String>,
    },
    /// Every bias of the encoder's layers (Zaken et al. 2022).
    #[serde(rename = "bitfit")]
    BitFit,
    /// Trained key and value prefixes in every layer (Liu et al. 2021).
    #[serde(rename = "ptuning-v2")]
    PTuningV2 {
        /// Prefix length `P`.
        prefix_length: usize,
    },
    /// Vectors that another program made; what they are made of is not known.
    Imported {
        /// Where they come from, in words.
        source: String,
    },
}

impl MethodSpec {
    /// The method's name on the command line: `lora`, `bitfit`, `ptuning-v2`;
    /// `imported` for other programs' vectors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lora { .. } => "lora",
            Self::BitFit => "bitfit",
            Self::PTuningV2 { .. } => "ptuning-v2",
            Self::Imported { .. } => "imported",
        }
    }

    /// Names of the tensors that the method tunes in each layer, in the order in
    /// which they are concatenated. LoRA: `query.lora_A` `[r, in]`, then
    /// `query.lora_B` `[out, r]`, and so on for each target. BitFit: `query.bias`
    /// and so on. P-Tuning v2: `prefix.key`, `prefix.value`, each `[P, H]`.
    pub fn tensor_names(&self) -> Vec<String> {
        match self {
            Self::Lora { targets, .. } => targets
                .iter()
                .flat_map(|target| ["A", "B"].map(|factor| format!("{target}.lora_{factor}")))
                .collect(),
            Self::BitFit => BIASES.iter().map(|part| format!("{part}.bias")).collect(),
            Self::PTuningV2 { .. } => vec!["prefix.key".into(), "prefix.value".into()],
            Self::Imported { .. } => Vec::new(),
        }
    }
}

impl fmt::Display for MethodSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lora { rank, alpha, targets } => {
                write!(f, "LoRA r={rank} α={alpha} on {}", targets.join(", "))
            }
            Self::BitFit => f.write_str("BitFit"),
            Self::PTuningV2 { prefix_length } => write!(f, "P-Tuning v2 P={prefix_length}"),
            Self::Imported { source } => write!(f, "vectors from {source}"),
        }
    }
}

/// Which of the method's tuned parameters enter the embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterSet {
    /// All tuned parameters of a layer; the task head is never one of them.
    All,
    /// Only the key prefixes of P-Tuning v2.
    KeysOnly,
}

named!(ParameterSet { All = "all", KeysOnly = "keys-only" });

/// How the layers' parameter vectors become one embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregation {
    /// Mean over the layers (paper, section 3.2).
    LayerMean,
    /// All layers concatenated, lowest first.
    Flatten,
    /// Mean over prefix positions, layers concatenated (the released code's
    /// treatment of P-Tuning v2).
    PositionMean,
}

named!(Aggregation { LayerMean = "layer-mean", Flatten = "flatten", PositionMean = "position-mean" });

/// Whether the parameters themselves or their change enters the embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Values {
    /// The tuned values (paper).
    Absolute,
    /// Tuned minus initial values.
    Delta,
}

named!(Values { Absolute = "absolute", Delta = "delta" });

/// The moment of training at which the parameters were taken
/// (paper, section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Checkpoint {
    /// After two epochs.
    Early,
    /// At the best validation score.
    Late,
}

named!(Checkpoint { Early = "early", Late = "late" });

/// A random projection of a long embedding to fewer dimensions, which keeps angles
/// approximately. `docs/ZOO_FORMAT.md` says how it is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Projection {
    /// Dimensions that are left, a multiple of [`Projection::TIMES`].
    pub dim: usize,
    /// Seed of the directions.
    pub seed: u64,
}

impl Projection {
    /// How many dimensions each value goes to.
    pub const TIMES: usize = 8;
}

impl fmt::Display for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} dimensions, seed {}", self.dim, self.seed)
    }
}

/// Everything two task embeddings must share for their cosine to mean
/// anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The frozen encoder.
    pub encoder: EncoderRef,
    /// The tuning method and its hyperparameters.
    pub method: MethodSpec,
    /// Which tuned parameters are used.
    pub parameters: ParameterSet,
    /// How layers are combined.
    pub aggregation: Aggregation,
    /// Tuned values or their change.
    pub values: Values,
    /// Seed of the method's initial parameters.
    pub init_seed: u64,
    /// Early or late parameters.
    pub checkpoint: Checkpoint,
    /// What was done last, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<Projection>,
}

/// A published way from tuned parameters to a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedRecipe {
    /// The paper's text, section 3.2: all parameters, mean over the layers.
    Paper,
    /// The code that was released with the paper: layers are concatenated, and
    /// of P-Tuning v2 the mean over prefix positions is taken, `[L·2·H]`. For
    /// BitFit that code also takes the biases of the embeddings' LayerNorm and of
    /// the pooler, which lie in no layer and are not tuned here.
    Released,
}

impl NamedRecipe {
    /// Every named recipe; the first is the default.
    pub const ALL: [Self; 2] = [Self::Paper, Self::Released];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Released => "released",
        }
    }

    /// The recipe of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|recipe| recipe.name() == name)
    }

    /// Sets what decides how parameters become a vector.
    pub fn apply(self, recipe: &mut Recipe) {
        recipe.parameters = ParameterSet::All;
        recipe.values = Values::Absolute;
        recipe.projection = None;
        recipe.aggregation = match (self, &recipe.method) {
            (Self::Paper, _) => Aggregation::LayerMean,
            (Self::Released, MethodSpec::PTuningV2 { .. }) => Aggregation::PositionMean,
            (Self::Released, _) => Aggregation::Flatten,
        };
    }
}

/// One field in which two recipes differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDifference {
    /// The field's name, as in the recipe's JSON.
    pub field: String,
    /// Its value on the left-hand side.
    pub left: String,
    /// Its value on the right-hand side.
    pub right: String,
}

impl fmt::Display for FieldDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} against {}", self.field, self.left, self.right)
    }
}

impl Recipe {
    /// The paper's recipe for a method: all parameters, layer mean, absolute.
    pub fn paper(
        encoder: EncoderRef,
        method: MethodSpec,
        init_seed: u64,
        checkpoint: Checkpoint,
    ) -> Self {
        Self {
            encoder,
            method,
            parameters: ParameterSet::All,
            aggregation: Aggregation::LayerMean,
            values: Values::Absolute,
            init_seed,
            checkpoint,
            projection: None,
        }
    }

    /// Whether embeddings are made as in the paper, whatever the method: all
    /// parameters, layer mean, absolute.
    pub fn is_paper(&self) -> bool {
        self.parameters == ParameterSet::All
            && self.aggregation == Aggregation::LayerMean
            && self.values == Values::Absolute
            && self.projection.is_none()
    }

    /// The released code's recipe for a method; see [`NamedRecipe::Released`].
    pub fn released(
        encoder: EncoderRef,
        method: MethodSpec,
        init_seed: u64,
        checkpoint: Checkpoint,
    ) -> Self {
        let mut recipe = Self::paper(encoder, method, init_seed, checkpoint);
        NamedRecipe::Released.apply(&mut recipe);
        recipe
    }

    /// The fields in which `self` and `other` differ; empty when embeddings of
    /// the two may be compared. The encoder's name alone is not a difference:
    /// its weights' hash is; nor is the seed of initial parameters that are not drawn.
    pub fn differences(&self, other: &Self) -> Vec<FieldDifference> {
        let mut found = Vec::new();
        let mut compare = |field: &str, left: String, right: String| {
            if left != right {
                found.push(FieldDifference { field: field.to_owned(), left, right });
            }
        };
        if self.encoder.weights_sha256 != other.encoder.weights_sha256 {
            let short = |e: &EncoderRef| e.weights_sha256.get(..12).map(str::to_owned);
            let alike = short(&self.encoder) == short(&other.encoder);
            let show = |e: &EncoderRef| {
                let hash = short(e).filter(|_| !alike).unwrap_or(e.weights_sha256.clone());
                format!("{} ({hash})", e.name)
            };
            compare("encoder", show(&self.encoder), show(&other.encoder));
        }
        compare("method", self.method.to_string(), other.method.to_string());
        compare("parameters", debug(&self.parameters), debug(&other.parameters));
        compare("aggregation", debug(&self.aggregation), debug(&other.aggregation));
        compare("values", debug(&self.values), debug(&other.values));
        // BitFit begins at the encoder's own biases.
        if [&self.method, &other.method] != [&MethodSpec::BitFit; 2] {
            compare("init_seed", self.init_seed.to_string(), other.init_seed.to_string());
        }
        compare("checkpoint", self.checkpoint.name().into(), other.checkpoint.name().into());
        let show = |p: &Option<Projection>| p.map_or_else(|| "none".into(), |p| p.to_string());
        compare("projection", show(&self.projection), show(&other.projection));
        found
    }
}

/// `LayerMean` → `layer-mean`, the spelling used in files and flags.
fn debug(value: &impl fmt::Debug) -> String {
    let camel = format!("{value:?}");
    let mut kebab = String::with_capacity(camel.len() + 2);
    for (i, c) in camel.chars().enumerate() {
        if c.is_ascii_uppercase() && i > 0 {
            kebab.push('-');
        }
        kebab.push(c.to_ascii_lowercase());
    }
    kebab
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        Recipe::paper(
            EncoderRef {
                name: "tiny".into(),
                weights_sha256: "ab".repeat(32),
                layers: 2,
                hidden_size: 32,
            },
            MethodSpec::Lora { rank: 8, alpha: 8.0, targets: vec!["query".into(), "value".into()] },
            0,
            Checkpoint::Late,
        )
    }

    #[test]
    fn a_recipe_equals_itself_and_an_encoder_may_be_renamed() {
        let mut renamed = recipe();
        renamed.encoder.name = "elsewhere".into();
        assert_eq!(recipe().differences(&renamed), []);
    }

    #[test]
    fn the_whole_hash_of_an_encoder_counts() {
        let mut other = recipe();
        other.encoder.weights_sha256 = format!("{}cd", "ab".repeat(31));
        let mut own = recipe();
        own.encoder.weights_sha256 = "ab".repeat(32);
        let found = own.differences(&other);
        assert_eq!(found.len(), 1);
        assert!(found[0].left.ends_with("abab)") && found[0].right.ends_with("abcd)"), "{found:?}");
    }

    #[test]
    fn every_differing_field_is_named() {
        let mut other = recipe();
        other.encoder.weights_sha256 = "cd".repeat(32);
        other.method = MethodSpec::BitFit;
        other.parameters = ParameterSet::KeysOnly;
        other.aggregation = Aggregation::Flatten;
        other.values = Values::Delta;
        other.init_seed = 1;
        other.checkpoint = Checkpoint::Early;
        other.projection = Some(Projection { dim: 8, seed: 1 });
        let fields: Vec<_> = recipe().differences(&other).into_iter().map(|d| d.field).collect();
        assert_eq!(
            fields,
            [
                "encoder",
                "method",
                "parameters",
                "aggregation",
                "values",
                "init_seed",
                "checkpoint",
                "projection"
            ]
        );
    }

    #[test]
    fn a_seed_of_which_nothing_is_drawn_is_no_difference() {
        let of = |method: MethodSpec, init_seed| Recipe { method, init_seed, ..recipe() };
        let differ = |method: MethodSpec| of(method.clone(), 0).differences(&of(method, 1)).len();
        assert_eq!(differ(MethodSpec::BitFit), 0);
        assert_eq!(differ(recipe().method), 1);
        assert_eq!(differ(MethodSpec::PTuningV2 { prefix_length: 2 }), 1);
    }

    #[test]
    fn the_released_code_concatenates_layers_or_averages_positions() {
        for (method, aggregation) in [
            (recipe().method, Aggregation::Flatten),
            (MethodSpec::BitFit, Aggregation::Flatten),
            (MethodSpec::PTuningV2 { prefix_length: 20 }, Aggregation::PositionMean),
        ] {
            let released = Recipe::released(recipe().encoder, method, 0, Checkpoint::Late);
            assert_eq!(released.aggregation, aggregation);
            assert_eq!(
                (released.parameters, released.values),
                (ParameterSet::All, Values::Absolute)
            );
            let mut paper = Recipe { values: Values::Delta, ..released };
            NamedRecipe::Paper.apply(&mut paper);
            let encoder = recipe().encoder;
            assert_eq!(paper, Recipe::paper(encoder, paper.method.clone(), 0, Checkpoint::Late));
        }
        for named in NamedRecipe::ALL {
            assert_eq!(NamedRecipe::named(named.name()), Some(named));
        }
        assert_eq!(NamedRecipe::named("mine"), None);
    }

    #[test]
    fn tensors_are_named_in_the_order_of_the_layer() {
        assert_eq!(
            recipe().method.tensor_names(),
            ["query.lora_A", "query.lora_B", "value.lora_A", "value.lora_B"]
        );
        let biases = MethodSpec::BitFit.tensor_names();
        assert_eq!((biases.len(), biases[4].as_str()), (8, "attention_norm.bias"));
        // LoRA adapts what BitFit tunes the bias of, LayerNorm left out.
        let linear: Vec<_> = BIASES.into_iter().filter(|part| !part.ends_with("norm")).collect();
        assert_eq!(linear, LORA_TARGETS);
    }

    #[test]
    fn json_spells_what_messages_spell() {
        assert_eq!(
            serde_json::to_value(recipe()).unwrap(),
            serde_json::json!({
                "encoder": {
                    "name": "tiny", "weights_sha256": "ab".repeat(32),
                    "layers": 2, "hidden_size": 32,
                },
                "method": { "name": "lora", "rank": 8, "alpha": 8.0, "targets": ["query", "value"] },
                "parameters": "all",
                "aggregation": "layer-mean",
                "values": "absolute",
                "init_seed": 0,
                "checkpoint": "late",
            })
        );
        let projected = Recipe { projection: Some(Projection { dim: 8, seed: 1 }), ..recipe() };
        let json = serde_json::to_value(&projected).unwrap();
        assert_eq!(json["projection"], serde_json::json!({ "dim": 8, "seed": 1 }));
        assert_eq!(
            serde_json::to_value(Aggregation::LayerMean).unwrap(),
            debug(&Aggregation::LayerMean)
        );
        assert_eq!(serde_json::to_value(MethodSpec::BitFit).unwrap()["name"], "bitfit");
        let prefix = MethodSpec::PTuningV2 { prefix_length: 20 };
        assert_eq!(serde_json::to_value(&prefix).unwrap()["name"], prefix.name());
    }
}
