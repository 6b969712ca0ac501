//! Python's pickle files: refused, with what turns them into safetensors.
//!
//! Reading a pickle means running the program in it.

use super::tensors::bad;
use crate::Error;

/// Endings of files that PyTorch pickles into.
const ENDINGS: &[&str] = &["bin", "pt", "pth", "pkl", "ckpt"];
/// Names under which PEFT and AdapterHub write their pickles.
const ADAPTERS: &[&str] = &["adapter_model.bin", "pytorch_adapter.bin"];

/// Whether an adapter is pickled under this name.
pub(super) fn is_adapter(name: &str) -> bool {
    ADAPTERS.contains(&name)
}

/// The refusal of the first pickle among these files, and the line that makes
/// `wanted` of it.
pub(super) fn refusal(names: &[&str], wanted: &str) -> Option<Error> {
    let pickled =
        |name: &str| name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending));
    let name = names
        .iter()
        .find(|name| is_adapter(name))
        .or_else(|| names.iter().find(|name| pickled(name)))?;
    Some(bad(
        name,
        format!(
            "is a pickle, which can run any program when it is read; turn it into {wanted} with\n  \
         python3 -c \"import torch; from safetensors.torch import save_file; \
         save_file({{k: v.clone().contiguous() for k, v in torch.load('{}', map_location='cpu', \
         weights_only=True).items()}}, '{wanted}')\"",
            shell_safe(name)
        ),
    ))
}

/// A name that stands in quotes of the shell and of Python.
fn shell_safe(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._- ".contains(c);
    if name.chars().all(plain) { name.to_owned() } else { "FILE".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pickle_is_refused_with_the_line_to_type() {
        let error = refusal(
            &["README.md", "optimizer.pt", "adapter_model.bin"],
            "adapter_model.safetensors",
        );
        let error = error.unwrap().to_string();
        assert!(error.starts_with("adapter_model.bin: is a pickle"), "{error}");
        assert!(error.contains("torch.load('adapter_model.bin'"), "{error}");
        assert!(error.ends_with("'adapter_model.safetensors')\""), "{error}");
        assert!(refusal(&["README.md"], "x").is_none());
        assert!(refusal(&["weights.pt"], "x").is_some());
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        let error = refusal(&["a';rm -r \".pt"], "x").unwrap().to_string();
        assert!(error.contains("torch.load('FILE'"), "{error}");
    }
}
