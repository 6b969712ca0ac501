//! What cannot be read exactly is refused by name.

use crate::support::{BOTTLENECK, CONFIG, HUB, PEFT, files, read_files, with_config, with_tensors};
use serde_json::json;
use tupate_embedding::folder::read;

#[test]
fn options_that_change_the_meaning_are_refused_by_name() {
    let lora = "peft-lora-bert";
    for (option, value) in [
        ("use_dora", json!(true)),
        ("use_qalora", json!(true)),
        ("lora_bias", json!(true)),
        ("fan_in_fan_out", json!(true)),
        ("layers_to_transform", json!([0])),
        ("layer_replication", json!([[0, 2]])),
        ("exclude_modules", json!(["x"])),
        ("target_parameters", json!(["x"])),
        ("trainable_token_indices", json!([3])),
        ("alora_invocation_tokens", json!([3])),
        ("an_option_of_next_year", json!("on")),
        ("bias", json!("all")),
        ("init_lora_weights", json!("pissa_niter_16")),
        ("peft_type", json!("IA3")),
        ("lora_alpha", json!(0)),
        ("lora_alpha", json!("8")),
        ("alpha_pattern", json!({ "query": 4 })),
        ("alpha_pattern", json!({ "^query$": 8 })),
        ("alpha_pattern", json!({ "query": 4, "self.query": 8 })),
        ("target_modules", json!(["query", "value", "key"])),
        ("target_modules", json!(["query"])),
        ("target_modules", json!(["query", "value", "nothing"])),
        ("target_modules", json!([])),
        ("target_modules", json!(7)),
    ] {
        let error = with_config(lora, |c| c[option] = value.clone()).unwrap_err().to_string();
        assert!(error.contains(option), "{option} = {value}: {error}");
    }
    for (option, value) in [
        ("num_virtual_tokens", json!(5)),
        ("num_virtual_tokens", json!(0)),
        ("num_transformer_submodules", json!(2)),
        ("num_layers", json!(3)),
        ("token_dim", json!(48)),
        ("token_dim", json!(u64::MAX)),
        ("an_option_of_next_year", json!(1)),
    ] {
        let error =
            with_config("peft-prefix-bert", |c| c[option] = value.clone()).unwrap_err().to_string();
        assert!(error.contains(option), "{option} = {value}: {error}");
    }
    for (name, option, value) in [
        ("adapterhub-lora-bert", "use_dora", json!(true)),
        ("adapterhub-lora-bert", "use_gating", json!(true)),
        ("adapterhub-lora-bert", "vera_d", json!(0.1)),
        ("adapterhub-lora-bert", "leave_out", json!([0])),
        ("adapterhub-lora-bert", "composition_mode", json!("scale")),
        ("adapterhub-lora-bert", "init_weights", json!("ia3")),
        ("adapterhub-lora-bert", "architecture", json!("union")),
        ("adapterhub-lora-bert", "attn_matrices", json!("q")),
        ("adapterhub-prefix-bert", "use_gating", json!(true)),
        ("adapterhub-prefix-bert", "leave_out", json!([1])),
        ("adapterhub-prefix-bert", "prefix_length", json!(7)),
        ("adapterhub-prefix-bert", "prefix_length", json!(16_777_216)),
    ] {
        let error =
            with_config(name, |c| c["config"][option] = value.clone()).unwrap_err().to_string();
        assert!(error.contains(option), "{option} = {value}: {error}");
    }
}

#[test]
fn both_null_leaves_a_prefix_without_a_shape() {
    let error = with_config("peft-prefix-bert", |c| {
        c["num_layers"] = json!(null);
        c["token_dim"] = json!(null);
    });
    assert!(error.unwrap_err().to_string().contains("token_dim and num_layers are null"));
}

#[test]
fn configuration_and_factors_must_agree() {
    let read = with_config("adapterhub-lora-bert", |c| c["config"]["r"] = json!(8));
    assert_eq!(
        read.unwrap_err().to_string(),
        "tensor query.lora_A has shape [4, 32]; its rank is 4 and should be 8"
    );
    let read = with_config("adapterhub-lora-bert", |c| c["config"]["output_lora"] = json!(true));
    assert_eq!(
        read.unwrap_err().to_string(),
        "adapter.safetensors: holds factors for query, value, intermediate, but \
         adapter_config.json names query, value, intermediate, output"
    );
}

#[test]
fn unequal_ranks_are_refused_by_name() {
    let read = with_tensors("peft-lora-bert", |tensors| {
        for (key, (shape, values)) in tensors.iter_mut() {
            if key.contains("layer.1.attention.self.query") {
                let is_a = key.contains("lora_A");
                shape[usize::from(!is_a)] = 2;
                values.truncate(64);
            }
        }
    });
    let error = read.unwrap_err().to_string();
    assert!(error.contains("query.lora_A of layer 1 rank 2 (r, rank_pattern)"), "{error}");
}

const QUERY: &str = "base_model.model.encoder.layer.0.attention.self.query.lora_A.weight";

#[test]
fn every_key_must_be_there_and_have_a_meaning() {
    let missing = with_tensors("peft-lora-bert", |tensors| {
        tensors.remove(QUERY);
    });
    assert_eq!(
        missing.unwrap_err().to_string(),
        "adapter_model.safetensors: no lora_A for query in layer 0"
    );
    let without_a_layer = with_tensors("peft-lora-bert", |tensors| {
        tensors.retain(|key, _| !key.contains("layer.0"));
    });
    let error = without_a_layer.unwrap_err().to_string();
    assert!(error.contains("layers in between are missing"), "{error}");
    for key in [
        "base_model.model.encoder.layer.x.attention.self.query.lora_A.weight",
        "base_model.model.encoder.layer.0.attention.self.query.lora_C.weight",
        "base_model.model.encoder.layer.0.crossattention.self.query.lora_A.weight",
        "base_model.model.encoder.layer.0.output.LayerNorm.lora_A.weight",
        "base_model.model.encoder.layer.0.attention.self.query.lora_magnitude_vector",
        "base_model.model.a.b.encoder.layer.0.attention.self.query.lora_A.weight",
        "encoder.layer.0.attention.self.query.lora_A.weight",
        "base_model.model.encoder.layer.0.attention.self.query.bias",
        "something",
    ] {
        let read = with_tensors("peft-lora-bert", |tensors| {
            let tensor = tensors[QUERY].clone();
            tensors.insert(key.to_owned(), tensor);
        });
        let error = read.unwrap_err().to_string();
        assert!(error.contains(&format!("unexpected key {key}")), "{key}: {error}");
    }
    let two = with_tensors("peft-lora-bert", |tensors| {
        let tensor = tensors[QUERY].clone();
        tensors.insert(QUERY.replace("model.encoder", "model.bert.encoder"), tensor);
    });
    assert!(two.unwrap_err().to_string().contains("two tensors for the same place"));
    let families = with_tensors("peft-lora-bert", |tensors| {
        let tensor = tensors[QUERY].clone();
        tensors.insert(QUERY.replace("self.query", "attn.q"), tensor);
    });
    assert!(families.unwrap_err().to_string().contains("another family"));
}

#[test]
fn what_is_not_a_number_is_refused() {
    let read = with_tensors("peft-lora-bert", |tensors| {
        tensors.get_mut(QUERY).unwrap().1[3] = f32::NAN;
    });
    assert!(read.unwrap_err().to_string().contains("not finite"));
}

#[test]
fn a_prefix_pool_must_agree_with_itself() {
    let read = with_tensors("adapterhub-prefix-bert", |tensors| {
        tensors.values_mut().next().unwrap().1[0] += 1.0;
    });
    assert!(read.unwrap_err().to_string().contains("are one prefix and differ"));
    let read = with_tensors("adapterhub-prefix-bert", |tensors| {
        let pool = "prefix_tuning.prefix_tunings.tiny.self_prefix";
        tensors.insert(format!("{pool}.wte.weight"), (vec![1], vec![0.0]));
    });
    let error = read.unwrap_err().to_string();
    assert!(error.contains("model.eject_prefix_tuning(NAME)"), "{error}");
}

#[test]
fn bottlenecks_are_refused_by_name() {
    let error = read(BOTTLENECK.1).unwrap_err().to_string();
    assert_eq!(
        error,
        "adapter_config.json: this is a bottleneck adapter; LoRA and prefix tuning are supported"
    );
    let error = with_config("adapterhub-lora-bert", |c| c["config"] = json!("pfeiffer"));
    assert!(error.unwrap_err().to_string().contains("bottleneck adapter (pfeiffer)"));
}

#[test]
fn pickles_are_refused_with_the_line_that_converts_them() {
    for (name, pickle, wanted) in [
        ("peft-lora-bert", "adapter_model.bin", PEFT),
        ("adapterhub-lora-bert", "pytorch_adapter.bin", HUB),
        ("peft-prefix-bert", "prefix.pt", PEFT),
    ] {
        let mut files = files(name);
        files[1] = (pickle.to_owned(), Vec::new());
        let error = read_files(&files).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{pickle}: is a pickle")), "{error}");
        assert!(error.contains(&format!("'{wanted}')")), "{error}");
        // Even without a configuration.
        assert!(read_files(&files[1..]).unwrap_err().to_string().contains("is a pickle"));
    }
    // Beside the safetensors file it is not looked at.
    let mut files = files("peft-lora-bert");
    files.push(("adapter_model.bin".into(), Vec::new()));
    assert!(read_files(&files).is_ok());
}

#[test]
fn half_a_folder_says_what_is_missing() {
    let files = files("peft-lora-bert");
    let error = read_files(&files[..1]).unwrap_err().to_string();
    assert_eq!(error, "adapter_model.safetensors: is missing; copy the whole folder");
    let error = read_files(&files[1..]).unwrap_err().to_string();
    assert!(error.starts_with("adapter_config.json: is missing"), "{error}");
    let error = read(&[(CONFIG, b"{}".as_slice())]).unwrap_err().to_string();
    assert!(error.contains("neither peft_type"), "{error}");
    assert!(read(&[(CONFIG, b"[]".as_slice())]).is_err());
    assert!(read(&[]).is_err());
}
