//! Loading: every key is accounted for.

use super::*;
use safetensors::{SafeTensors, tensor::TensorView};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

type Tensors = BTreeMap<String, (safetensors::Dtype, Vec<usize>, Vec<u8>)>;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A copy of the tiny encoder with its weights changed.
fn changed(change: impl FnOnce(&mut Tensors)) -> Result<Encoder, Error> {
    let dir = tempfile::tempdir().unwrap();
    let from = fixture("tiny-bert");
    for file in [CONFIG_FILE, TOKENIZER_FILE] {
        fs::copy(from.join(file), dir.path().join(file)).unwrap();
    }
    let bytes = fs::read(from.join(WEIGHTS_FILE)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Tensors = file
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
        .collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    fs::write(dir.path().join(WEIGHTS_FILE), safetensors::serialize(views, None).unwrap()).unwrap();
    Encoder::load("changed", dir.path(), &Device::Cpu)
}

fn error(change: impl FnOnce(&mut Tensors)) -> String {
    changed(change).err().expect("must not load").to_string()
}

const QUERY: &str = "encoder.layer.1.attention.self.query.weight";

#[test]
fn the_tiny_encoder_loads_whole() {
    let encoder = changed(|_| {}).unwrap();
    assert_eq!(encoder.keys, KeyReport { loaded: 39, unused: vec![] });
    assert_eq!((encoder.reference.layers, encoder.reference.hidden_size), (2, 32));
    assert_eq!(encoder.config().max_length(), 160);
}

#[test]
fn all_wrong_keys_are_named_at_once() {
    let message = error(|t| {
        t.remove(QUERY);
        let lost = t.remove("embeddings.LayerNorm.bias").unwrap();
        t.insert("embeddings.LayerNorm.offset".into(), lost);
        let wide = t.get_mut("encoder.layer.0.output.dense.weight").unwrap();
        wide.1.reverse();
    });
    for problem in [
        &format!("missing key {QUERY}") as &str,
        "missing key embeddings.LayerNorm.bias",
        "unexpected key embeddings.LayerNorm.offset",
        "encoder.layer.0.output.dense.weight is [64, 32] and should be [32, 64]",
    ] {
        assert!(message.contains(problem), "{problem:?} not in {message}");
    }
}

#[test]
fn a_weight_that_is_not_a_number_is_named() {
    let message = error(|t| {
        t.get_mut(QUERY).unwrap().2[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert!(message.contains(&format!("{QUERY} holds a value that is not finite")), "{message}");
}

#[test]
fn old_names_and_prefixes_are_the_same_encoder() {
    let renamed = changed(|t| {
        *t = std::mem::take(t)
            .into_iter()
            .map(|(name, tensor)| {
                let old = name
                    .replace("LayerNorm.weight", "LayerNorm.gamma")
                    .replace("LayerNorm.bias", "LayerNorm.beta");
                (format!("bert.{old}"), tensor)
            })
            .collect();
        let head = (safetensors::Dtype::F32, vec![1], vec![0; 4]);
        t.insert("cls.predictions.bias".into(), head.clone());
        // Of DistilBERT's classifiers.
        t.insert("pre_classifier.bias".into(), head);
    })
    .unwrap();
    let plain = changed(|_| {}).unwrap();
    assert_eq!(renamed.model.frozen_sha256().unwrap(), plain.model.frozen_sha256().unwrap());
    assert_eq!(renamed.keys.unused, ["cls.predictions.bias", "pre_classifier.bias"]);
}

#[test]
fn one_way_of_pooling_is_read_and_several_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(POOLING_FILE);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let of = |on: &[&str]| {
        let all = ["cls_token", "mean_tokens", "max_tokens"];
        let fields = all.map(|way| format!("\"pooling_mode_{way}\": {}", on.contains(&way)));
        let json = format!("{{\"word_embedding_dimension\": 32, {}}}", fields.join(", "));
        fs::write(&path, json).unwrap();
        pooling(dir.path(), true).map_err(|error| error.to_string())
    };
    assert_eq!(of(&["mean_tokens"]), Ok(Pooling::Mean));
    assert_eq!(of(&["cls_token"]), Ok(Pooling::First));
    let both = of(&["mean_tokens", "max_tokens"]).unwrap_err();
    assert!(both.contains("pooling_mode_max_tokens and pooling_mode_mean_tokens are on"), "{both}");
    assert!(of(&["max_tokens"]).unwrap_err().contains("pooling_mode_max_tokens is on"));
    assert!(of(&[]).unwrap_err().contains("no pooling is on"));
}

#[test]
fn positions_of_a_family_without_a_padding_id_are_transformers_own() {
    let config = |family: &str| {
        let json = serde_json::json!({
            "model_type": family, "vocab_size": 10, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 20,
        });
        Config::parse(json.to_string().as_bytes(), Path::new("config.json")).unwrap().pad_token_id
    };
    assert_eq!(["bert", "roberta", "mpnet", "distilbert"].map(config), [0, 1, 1, 0]);
}

#[test]
fn an_encoder_without_pooler_uses_the_first_token_and_half_a_pooler_is_refused() {
    let bare = changed(|t| t.retain(|name, _| !name.starts_with("pooler."))).unwrap();
    assert_eq!(bare.pooling, Pooling::First);
    let message = error(|t| {
        t.remove("pooler.dense.bias");
    });
    assert!(message.contains("missing key pooler.dense.bias"), "{message}");
}

#[test]
fn files_that_are_missing_or_foreign_are_named() {
    let message =
        |folder: &Path| Encoder::load("x", folder, &Device::Cpu).err().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    assert!(message(dir.path()).contains("config.json"));
    fs::write(dir.path().join(CONFIG_FILE), "{\"model_type\": \"gpt2\"}").unwrap();
    assert!(message(dir.path()).contains("config.json"));
    fs::copy(fixture("tiny-bert").join(CONFIG_FILE), dir.path().join(CONFIG_FILE)).unwrap();
    assert!(message(dir.path()).contains("model.safetensors"));
    fs::write(dir.path().join(WEIGHTS_FILE), "not safetensors").unwrap();
    assert!(message(dir.path()).contains("not a safetensors file"));
}

#[test]
fn unsupported_configurations_are_refused_by_field() {
    let refused = |field: &str, value: &str| {
        let json = fs::read_to_string(fixture("tiny-bert").join(CONFIG_FILE)).unwrap();
        let mut config: serde_json::Value = serde_json::from_str(&json).unwrap();
        config[field] = serde_json::from_str(value).unwrap();
        let error = Config::parse(config.to_string().as_bytes(), Path::new("config.json"));
        let message = error.unwrap_err().to_string();
        assert!(message.contains(field), "{field}: {message}");
    };
    refused("model_type", "\"gpt2\"");
    refused("hidden_act", "\"relu\"");
    refused("position_embedding_type", "\"relative_key\"");
    refused("num_attention_heads", "5");
    refused("hidden_size", "0");
}

#[test]
fn a_tokenizer_of_another_encoder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for file in [WEIGHTS_FILE, TOKENIZER_FILE] {
        fs::copy(fixture("tiny-bert").join(file), dir.path().join(file)).unwrap();
    }
    let json = fs::read_to_string(fixture("tiny-bert").join(CONFIG_FILE)).unwrap();
    let config = Config::parse(json.as_bytes(), Path::new("config.json")).unwrap();
    let small = Config { vocab_size: 50, ..config };
    let error = load_tokenizer(&dir.path().join(TOKENIZER_FILE), &small).unwrap_err().to_string();
    assert!(error.contains("has 89 tokens, the encoder embeds 50"), "{error}");
}

#[test]
fn weights_that_were_laid_out_count_in_the_hash_and_learn_no_more() {
    if !Precision::F32.available(&Device::Cpu) {
        return;
    }
    let laid_out = |change: fn(&mut Tensors)| {
        changed(change).unwrap().with_precision(Precision::F32).unwrap().model
    };
    let model = laid_out(|_| {});
    assert!(!model.tensors().contains_key(QUERY), "it is in memory twice");
    let other = laid_out(|t| t.get_mut(QUERY).unwrap().2[0] ^= 1);
    let hash = |model: &Bert| model.frozen_sha256().unwrap();
    assert_eq!(hash(&model), hash(&laid_out(|_| {})));
    assert_ne!(hash(&model), hash(&other), "a bit of a weight");
    for error in [
        model.learning(None).err(),
        model.frozen().err(),
        other.with_precision(Precision::F32).err(),
    ] {
        assert!(error.unwrap().to_string().contains("laid out"));
    }
}

#[test]
fn an_empty_weights_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for file in [CONFIG_FILE, TOKENIZER_FILE] {
        fs::copy(fixture("tiny-bert").join(file), dir.path().join(file)).unwrap();
    }
    fs::write(dir.path().join(WEIGHTS_FILE), []).unwrap();
    let error = Encoder::load("empty", dir.path(), &Device::Cpu).err().expect("must not load");
    assert!(matches!(&error, Error::Weights { .. }), "{error}");
}
