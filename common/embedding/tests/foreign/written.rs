//! What is written here is what PEFT itself writes, and is read back.

use crate::support::{PEFT, files, folder, tensor, tensors};
use proptest::prelude::*;
use serde_json::Value;
use tupate_embedding::folder::{HEAD_FILE, Layout, ORIGIN_FILE, Origin, read, write};
use tupate_embedding::{AdapterState, LayerState};
use tupate_tasks::{BIASES, Checkpoint, EncoderRef, LORA_TARGETS, MethodSpec};

type Written = Vec<(&'static str, Vec<u8>)>;

fn file<'a>(files: &'a Written, name: &str) -> &'a [u8] {
    &files.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no {name}")).1
}

fn config(files: &Written, name: &str) -> Value {
    serde_json::from_slice(file(files, name)).unwrap()
}

fn read_back(files: &Written) -> tupate_embedding::folder::AdapterFolder {
    read(&files.iter().map(|(n, b)| (*n, b.as_slice())).collect::<Vec<_>>()).unwrap()
}

#[test]
fn keys_shapes_and_values_are_pefts_own() {
    for (name, layout) in [
        ("peft-lora-bert", Layout::Bert),
        ("peft-lora-distilbert", Layout::DistilBert),
        ("peft-lora-mpnet", Layout::MpNet),
        ("peft-prefix-bert", Layout::Bert),
    ] {
        let own = write(&folder(name).state, &[], layout, "tiny", None).unwrap();
        assert_eq!(tensors(file(&own, PEFT)), tensors(&files(name)[1].1), "{name}");
        let theirs: Value = serde_json::from_slice(&files(name)[0].1).unwrap();
        let own = config(&own, "adapter_config.json");
        for (option, value) in own.as_object().unwrap() {
            let same = match option.as_str() {
                // The number of heads is the model's; rank-stabilised scaling is
                // written in plain terms; dropout is over.
                "base_model_name_or_path" | "num_attention_heads" | "lora_dropout" => continue,
                "use_rslora" | "lora_alpha" if name == "peft-lora-distilbert" => continue,
                "target_modules" => {
                    // In whatever order, and with more of the path where needed.
                    let ends = |v: &Value| {
                        let names = v.as_array().unwrap().iter();
                        let mut ends: Vec<String> = names
                            .map(|n| n.as_str().unwrap().rsplit('.').next().unwrap().to_owned())
                            .collect();
                        ends.sort();
                        ends
                    };
                    ends(value) == ends(&theirs[option])
                }
                _ => {
                    value.as_f64() == theirs[option].as_f64()
                        && (value.is_number() || *value == theirs[option])
                }
            };
            assert!(same, "{name}: {option} is {value}, PEFT's is {}", theirs[option]);
        }
    }
}

#[test]
fn heads_and_origin_have_files_of_their_own() {
    let head = [tensor("head.weight", &[2, 1], vec![1.0, 2.0])];
    let origin = Origin {
        encoder: EncoderRef {
            name: "tiny".into(),
            weights_sha256: "ab".repeat(32),
            layers: 2,
            hidden_size: 32,
        },
        init_seed: 3,
        checkpoint: Some(Checkpoint::Late),
        task: Some("sst2".into()),
    };
    let state = folder("peft-lora-bert").state;
    let files = write(&state, &head, Layout::Bert, "tiny", Some(&origin)).unwrap();
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    // The configuration comes last: its presence says that the rest is there.
    assert_eq!(names, [HEAD_FILE, ORIGIN_FILE, PEFT, "adapter_config.json"]);
    assert_eq!(tensors(file(&files, HEAD_FILE))["head.weight"].1, [1.0, 2.0]);
    let read = read_back(&files);
    assert_eq!((read.state, read.origin), (state.clone(), Some(origin.clone())));
    assert_eq!(files, write(&state, &head, Layout::Bert, "tiny", Some(&origin)).unwrap());
}

#[test]
fn targets_are_named_so_that_peft_finds_those_alone() {
    for (target, modules) in [
        ("query", &["query"][..]),
        ("attention_output", &["attention.output.dense"]),
        ("intermediate", &["intermediate.dense"]),
        // The end of its name is that of attention.output.dense, too.
        ("output", &["encoder.layer.0.output.dense", "encoder.layer.1.output.dense"]),
    ] {
        let written = write(&lora(&[target], 1.0), &[], Layout::Bert, "tiny", None).unwrap();
        assert_eq!(
            config(&written, "adapter_config.json")["target_modules"],
            serde_json::json!(modules)
        );
    }
}

fn lora(targets: &[&str], first: f32) -> AdapterState {
    let layer = |x: f32| {
        let factors = targets.iter().flat_map(|t| {
            let (inp, out) = match *t {
                "intermediate" => (2, 3),
                "output" => (3, 2),
                _ => (2, 2),
            };
            [
                tensor(&format!("{t}.lora_A"), &[1, inp], vec![x; inp]),
                tensor(&format!("{t}.lora_B"), &[out, 1], vec![-x; out]),
            ]
        });
        LayerState { tensors: factors.collect() }
    };
    let targets = targets.iter().map(|t| (*t).to_owned()).collect();
    let spec = MethodSpec::Lora { rank: 1, alpha: 0.3, targets };
    AdapterState::new(spec, vec![layer(first), layer(2.0)]).unwrap()
}

#[test]
fn targets_out_of_order_are_refused() {
    for targets in [&["value", "query"][..], &["query", "nothing"]] {
        let error = write(&lora(targets, 1.0), &[], Layout::Bert, "tiny", None).unwrap_err();
        assert!(error.to_string().contains("in this order"), "{error}");
    }
}

fn layouts() -> impl Strategy<Value = Layout> {
    prop::sample::select(Layout::ALL.to_vec())
}

proptest! {
    #[test]
    fn any_lora_is_read_back(
        layout in layouts(),
        targets in prop::sample::subsequence(LORA_TARGETS.to_vec(), 1..=6),
        first in -1e3_f32..1e3,
    ) {
        let state = lora(&targets, first);
        let files = write(&state, &[], layout, "tiny", None).unwrap();
        let read = read_back(&files);
        prop_assert_eq!(&read.state, &state);
        prop_assert_eq!(read.base_model.as_deref(), Some("tiny"));
        prop_assert!(read.layout.is_none_or(|own| own == layout));
    }

    #[test]
    fn any_prefix_is_read_back(
        length in 1_usize..4,
        layers in 1_usize..4,
        hidden in 1_usize..5,
        first in -1e3_f32..1e3,
    ) {
        let block = |name: &str, from: usize| {
            let values = (0..length * hidden).map(|i| first + (from + i) as f32).collect();
            tensor(name, &[length, hidden], values)
        };
        let layer = |l: usize| LayerState {
            tensors: vec![block("prefix.key", 100 * l), block("prefix.value", 100 * l + 50)],
        };
        let spec = MethodSpec::PTuningV2 { prefix_length: length };
        let state = AdapterState::new(spec, (0..layers).map(layer).collect()).unwrap();
        let files = write(&state, &[], Layout::Bert, "tiny", None).unwrap();
        prop_assert_eq!(read_back(&files).state, state);
    }

    #[test]
    fn any_biases_are_read_back(layout in layouts(), layers in 1_usize..12, first in -1e3_f32..1e3) {
        let layer = |l: usize| LayerState {
            tensors: BIASES
                .iter()
                .enumerate()
                .map(|(i, part)| {
                    let width = if *part == "intermediate" { 4 } else { 2 };
                    tensor(&format!("{part}.bias"), &[width], vec![first + (10 * l + i) as f32; width])
                })
                .collect(),
        };
        let state = AdapterState::new(MethodSpec::BitFit, (0..layers).map(layer).collect()).unwrap();
        let files = write(&state, &[], layout, "tiny", None).unwrap();
        let read = read_back(&files);
        prop_assert_eq!(&read.state, &state);
        prop_assert_eq!(read.layout, Some(layout));
    }
}
