//! `config.json` of a Hugging Face encoder folder.

use super::Error;
use serde::Deserialize;
use std::path::Path;

/// A family of encoders that share their layer's shape and differ around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Positions from 0, two token types.
    Bert,
    /// Positions start behind the padding id; one token type.
    Roberta,
    /// Positions from 0, no token types, no pooler (Sanh et al. 2019).
    DistilBert,
    /// Positions start behind the padding id, no token types; attention scores
    /// have a bias by distance (Song et al. 2020).
    MpNet,
}

/// What the forward pass needs to know of an encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Which family's embeddings it has.
    pub family: Family,
    /// Entries of the word embedding, `V`.
    pub vocab_size: usize,
    /// `H`.
    pub hidden_size: usize,
    /// `L`.
    pub layers: usize,
    /// `N`; divides `H`.
    pub heads: usize,
    /// Inner width of the feed-forward block.
    pub intermediate_size: usize,
    /// Rows of the position embedding.
    pub positions: usize,
    /// Rows of the token-type embedding; 0 where there is none.
    pub token_types: usize,
    /// Rows of the relative attention bias; 0 where there is none.
    pub relative_buckets: usize,
    /// Added to the variance in every LayerNorm.
    pub layer_norm_eps: f32,
    /// Id of the padding token.
    pub pad_token_id: u32,
}

#[derive(Deserialize)]
struct Raw {
    model_type: String,
    vocab_size: usize,
    #[serde(alias = "dim")]
    hidden_size: usize,
    #[serde(alias = "n_layers")]
    num_hidden_layers: usize,
    #[serde(alias = "n_heads")]
    num_attention_heads: usize,
    #[serde(alias = "hidden_dim")]
    intermediate_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "two")]
    type_vocab_size: usize,
    #[serde(default = "tiny")]
    layer_norm_eps: f32,
    pad_token_id: Option<u32>,
    #[serde(default = "thirty_two")]
    relative_attention_num_buckets: usize,
    #[serde(default = "gelu", alias = "activation")]
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
}

fn two() -> usize {
    2
}
fn thirty_two() -> usize {
    32
}
fn tiny() -> f32 {
    1e-12
}
fn gelu() -> String {
    "gelu".into()
}
fn absolute() -> String {
    "absolute".into()
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// When it is not JSON, lacks a field, or asks for something this encoder
    /// does not do.
    pub fn parse(json: &[u8], path: &Path) -> Result<Self, Error> {
        let bad = |what: String| Error::Config { path: path.to_owned(), what };
        let raw: Raw = serde_json::from_slice(json).map_err(|e| bad(e.to_string()))?;
        let family = match raw.model_type.as_str() {
            "bert" => Family::Bert,
            "roberta" => Family::Roberta,
            "distilbert" => Family::DistilBert,
            "mpnet" => Family::MpNet,
            other => {
                return Err(bad(format!(
                    "model_type is {other:?}; bert, roberta, distilbert and mpnet are supported"
                )));
            }
        };
        if raw.hidden_act != "gelu" {
            return Err(bad(format!("hidden_act is {:?}; gelu is supported", raw.hidden_act)));
        }
        if raw.position_embedding_type != "absolute" {
            return Err(bad(format!(
                "position_embedding_type is {:?}; absolute is supported",
                raw.position_embedding_type
            )));
        }
        for (name, value) in [
            ("vocab_size", raw.vocab_size),
            ("hidden_size", raw.hidden_size),
            ("num_hidden_layers", raw.num_hidden_layers),
            ("num_attention_heads", raw.num_attention_heads),
            ("intermediate_size", raw.intermediate_size),
            ("max_position_embeddings", raw.max_position_embeddings),
            ("type_vocab_size", raw.type_vocab_size),
            ("relative_attention_num_buckets", raw.relative_attention_num_buckets),
        ] {
            if value == 0 || value > 1 << 24 {
                return Err(bad(format!("{name} is {value}")));
            }
        }
        if !raw.hidden_size.is_multiple_of(raw.num_attention_heads) {
            return Err(bad(format!(
                "hidden_size {} is not a multiple of num_attention_heads {}",
                raw.hidden_size, raw.num_attention_heads
            )));
        }
        Ok(Self {
            family,
            vocab_size: raw.vocab_size,
            hidden_size: raw.hidden_size,
            layers: raw.num_hidden_layers,
            heads: raw.num_attention_heads,
            intermediate_size: raw.intermediate_size,
            positions: raw.max_position_embeddings,
            token_types: match family {
                Family::Bert | Family::Roberta => raw.type_vocab_size,
                Family::DistilBert | Family::MpNet => 0,
            },
            relative_buckets: match family {
                Family::MpNet => raw.relative_attention_num_buckets,
                _ => 0,
            },
            layer_norm_eps: raw.layer_norm_eps,
            // As transformers has it where the file does not say.
            pad_token_id: raw.pad_token_id.unwrap_or(match family {
                Family::Roberta | Family::MpNet => 1,
                Family::Bert | Family::DistilBert => 0,
            }),
        })
    }

    /// Position of the first token: RoBERTa and MPNet count from behind the
    /// padding id.
    pub fn first_position(&self) -> usize {
        self.padding_position().map_or(0, |padding| padding as usize + 1)
    }

    /// The position of padding, where it has one of its own.
    pub fn padding_position(&self) -> Option<u32> {
        match self.family {
            Family::Bert | Family::DistilBert => None,
            Family::Roberta | Family::MpNet => Some(self.pad_token_id),
        }
    }

    /// The most tokens a sequence may have, `[CLS]` and `[SEP]` included.
    pub fn max_length(&self) -> usize {
        self.positions.saturating_sub(self.first_position())
    }
}
