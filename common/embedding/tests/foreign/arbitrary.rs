//! Reading never panics, whatever the bytes.

use crate::support::{FOLDERS, files, read_files};
use proptest::prelude::*;

proptest! {
    #[test]
    fn cut_files_are_errors(at in 0..FOLDERS.len(), part in 0.0_f64..1.0, file in 0_usize..2) {
        let mut files = files(FOLDERS[at].0);
        // By two bytes at least: without its line's end alone, JSON is whole.
        let length = ((files[file].1.len() - 2) as f64 * part) as usize;
        files[file].1.truncate(length);
        prop_assert!(read_files(&files).is_err());
    }

    #[test]
    fn changed_bytes_never_panic(
        at in 0..FOLDERS.len(),
        file in 0_usize..2,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut files = files(FOLDERS[at].0);
        for (index, byte) in changes {
            let length = files[file].1.len();
            files[file].1[index.index(length)] = byte;
        }
        let _ = read_files(&files);
    }

    #[test]
    fn foreign_bytes_never_panic(
        names in prop::collection::vec(
            prop::sample::select(vec![
                "adapter_config.json", "adapter_model.safetensors", "adapter.safetensors",
                "bitfit_config.json", "bitfit.safetensors", "tupate.json", "adapter_model.bin", "x",
            ]),
            0..4,
        ),
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let files: Vec<_> = names.iter().map(|n| ((*n).to_owned(), bytes.clone())).collect();
        prop_assert!(read_files(&files).is_err());
    }

    /// A header may claim any shape and any place; only what the bytes hold is
    /// ever allocated.
    #[test]
    fn a_header_claims_in_vain(rows in 0_u64..=u64::MAX, columns in 0_u64..=u64::MAX, end in any::<u64>()) {
        let header = format!(
            r#"{{"prompt_embeddings":{{"dtype":"F32","shape":[{rows},{columns}],"data_offsets":[0,{end}]}}}}"#
        );
        let mut weights = (header.len() as u64).to_le_bytes().to_vec();
        weights.extend(header.as_bytes());
        weights.extend([0; 16]);
        let mut files = files("peft-prefix-bert");
        files[1].1 = weights;
        prop_assert!(read_files(&files).is_err());
    }

    #[test]
    fn numbers_of_a_configuration_never_panic(option in 0_usize..3, value in any::<u64>()) {
        let option = ["num_virtual_tokens", "num_layers", "token_dim"][option];
        let _ = crate::support::with_config("peft-prefix-bert", |c| c[option] = value.into());
        let _ = crate::support::with_config("adapterhub-prefix-bert", |c| {
            c["config"]["prefix_length"] = value.into();
            c["hidden_size"] = value.into();
        });
        let _ = crate::support::with_config("peft-lora-bert", |c| c["r"] = value.into());
    }
}
