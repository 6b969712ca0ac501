//! Every folder gives the embedding that numpy computed from it.

use crate::support::{FOLDERS, folder, read_files, recipe, tensors, with_config, with_tensors};
use serde_json::json;
use tupate_embedding::aggregate;
use tupate_embedding::folder::{Format, Layout, ORIGIN_FILE};
use tupate_tasks::{Aggregation, MethodSpec, ParameterSet, Recipe};

/// What numpy computed.
const EMBEDDINGS: &[u8] = include_bytes!("../folders/embeddings.safetensors");

fn lora(rank: usize, alpha: f64, targets: &[&str]) -> MethodSpec {
    MethodSpec::Lora { rank, alpha, targets: targets.iter().map(|t| (*t).to_owned()).collect() }
}

#[test]
fn every_folder_gives_the_embedding_that_numpy_computed() {
    let wanted = tensors(EMBEDDINGS);
    let mut compared = 0;
    for (name, _) in FOLDERS {
        let folder = folder(name);
        let paper = recipe(folder.state.method());
        for (treatment, recipe) in [
            ("layer-mean", paper.clone()),
            ("flatten", Recipe { aggregation: Aggregation::Flatten, ..paper.clone() }),
            ("position-mean", Recipe { aggregation: Aggregation::PositionMean, ..paper.clone() }),
            ("layer-mean.keys-only", Recipe { parameters: ParameterSet::KeysOnly, ..paper }),
        ] {
            let own = aggregate(&folder.state, None, &recipe);
            let Some((shape, golden)) = wanted.get(&format!("{name}.{treatment}")) else {
                assert!(own.is_err(), "{name} {treatment}");
                continue;
            };
            let own = own.unwrap_or_else(|e| panic!("{name} {treatment}: {e}"));
            assert_eq!(shape, &[own.len()], "{name} {treatment}");
            for (own, golden) in own.iter().zip(golden) {
                assert!((own - golden).abs() <= 1e-7, "{name} {treatment}: {own} and {golden}");
            }
            compared += 1;
        }
    }
    assert_eq!(compared, wanted.len(), "every vector of numpy was compared");
}

#[test]
fn every_folder_says_what_it_is() {
    let prefix = MethodSpec::PTuningV2 { prefix_length: 4 };
    let three = ["attention_output", "intermediate", "output"];
    // Rank-stabilised: 8/√4 is 16/4.
    let distilbert = lora(4, 16.0, &["query", "value", "intermediate"]);
    for (name, format, layout, method) in [
        ("peft-lora-bert", Format::Peft, Some(Layout::Bert), lora(4, 8.0, &["query", "value"])),
        ("peft-lora-dense", Format::Peft, Some(Layout::Bert), lora(4, 8.0, &three)),
        (
            "peft-lora-roberta-task",
            Format::Peft,
            Some(Layout::Bert),
            lora(4, 8.0, &["query", "key"]),
        ),
        ("peft-lora-distilbert", Format::Peft, Some(Layout::DistilBert), distilbert),
        (
            "peft-lora-mpnet",
            Format::Peft,
            Some(Layout::MpNet),
            lora(4, 8.0, &["query", "attention_output"]),
        ),
        ("peft-prefix-bert", Format::Peft, None, prefix.clone()),
        ("peft-prefix-bert-task", Format::Peft, None, prefix.clone()),
        (
            "adapterhub-lora-bert",
            Format::AdapterHub,
            Some(Layout::Bert),
            lora(4, 8.0, &["query", "value", "intermediate"]),
        ),
        ("adapterhub-prefix-bert", Format::AdapterHub, Some(Layout::Bert), prefix.clone()),
        ("adapterhub-prefix-distilbert", Format::AdapterHub, Some(Layout::DistilBert), prefix),
    ] {
        let folder = folder(name);
        assert_eq!((folder.format, folder.layout), (format, layout), "{name}");
        assert_eq!(*folder.state.method(), method, "{name}");
        assert_eq!((folder.state.layers().len(), folder.state.hidden_size()), (2, 32), "{name}");
    }
}

#[test]
fn heads_and_what_lies_in_no_layer_are_left_out_and_said() {
    let roberta = folder("peft-lora-roberta-task");
    assert_eq!(roberta.base_model.as_deref(), Some("tiny-roberta"));
    assert_eq!(
        roberta.left_out,
        ["dense.bias", "dense.weight", "out_proj.bias", "out_proj.weight"]
            .map(|head| format!("base_model.model.classifier.{head}"))
    );
    assert_eq!(
        folder("peft-lora-dense").left_out,
        ["A", "B"].map(|f| format!("base_model.model.pooler.dense.lora_{f}.weight"))
    );
    assert_eq!(
        folder("peft-prefix-bert-task").left_out,
        ["base_model.classifier.bias", "base_model.classifier.weight"]
    );
    assert!(folder("peft-lora-distilbert").notes[0].contains("α = 16 over r"));
}

#[test]
fn patterns_that_say_the_same_of_every_map_are_read() {
    let name = "peft-lora-bert";
    let read = |change: &dyn Fn(&mut serde_json::Value)| with_config(name, change).unwrap();
    let whole = json!({ "query": 32, "encoder.layer.0.attention.self.value": 32, "value": 32 });
    let changed = read(&|c| c["alpha_pattern"] = whole.clone());
    assert_eq!(*changed.state.method(), lora(4, 32.0, &["query", "value"]));
    // The factors have rank 4, whatever r says of maps that none has.
    let changed = read(&|c| {
        c["r"] = json!(16);
        c["rank_pattern"] = json!({ "query": 4, "value": 4 });
    });
    assert_eq!(changed.state, folder(name).state);
    // An expression in place of a list.
    let changed = read(&|c| c["target_modules"] = json!(".*(query|value)"));
    assert_eq!(changed.state, folder(name).state);
}

#[test]
fn a_prefix_may_be_given_its_shape_by_half_and_come_from_an_mlp() {
    let name = "peft-prefix-bert";
    for option in ["num_layers", "token_dim"] {
        let changed = with_config(name, |c| c[option] = json!(null)).unwrap();
        assert_eq!(changed.state, folder(name).state, "{option}");
    }
    let changed = with_config(name, |c| c["prefix_projection"] = json!(true)).unwrap();
    assert_eq!(changed.state, folder(name).state);
    assert!(changed.notes[0].contains("prefix_projection"), "{:?}", changed.notes);
}

#[test]
fn one_tensor_of_a_prefix_pool_is_enough() {
    let changed = with_tensors("adapterhub-prefix-bert", |tensors| {
        tensors.retain(|key, _| key.starts_with("prefix_tuning."));
    });
    assert_eq!(changed.unwrap().state, folder("adapterhub-prefix-bert").state);
}

#[test]
fn the_origin_is_read_and_must_fit() {
    let origin = |hidden_size: usize| {
        let mut files = crate::support::files("peft-lora-bert");
        let encoder = json!({
            "name": "tiny", "weights_sha256": "ab".repeat(32), "layers": 2,
            "hidden_size": hidden_size,
        });
        let origin = json!({ "encoder": encoder, "init_seed": 7, "checkpoint": "early" });
        files.push((ORIGIN_FILE.into(), origin.to_string().into_bytes()));
        read_files(&files)
    };
    let read = origin(32).unwrap().origin.unwrap();
    assert_eq!((read.init_seed, read.encoder.weights_sha256.as_str()), (7, &*"ab".repeat(32)));
    assert_eq!((read.task, read.checkpoint), (None, Some(tupate_tasks::Checkpoint::Early)));
    assert_eq!(
        origin(64).unwrap_err().to_string(),
        "tupate.json: the adapter belongs to another encoder: its hidden size is 32, that of tiny 64"
    );
}
