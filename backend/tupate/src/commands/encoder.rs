//! `tupate encoder`.

use super::{print, print_json};
use crate::cli::EncoderCommand;
use crate::encoders::{ENCODERS, known, pull, resolve};
use crate::failure::Failure;
use crate::progress::Bar;
use serde_json::json;
use tupate_tuner::Device;
use tupate_tuner::encoder::Encoder;

pub fn run(command: EncoderCommand) -> Result<(), Failure> {
    match command {
        EncoderCommand::List { output } => list(output.json),
        EncoderCommand::Show { encoder, output } => show(&encoder, output.json),
        EncoderCommand::Pull { name, from } => {
            let known = known(&name).ok_or_else(|| {
                let names: Vec<_> = ENCODERS.iter().map(|k| k.name).collect();
                Failure::Usage(format!("no encoder {name}; there are {}", names.join(", ")))
            })?;
            let here = known.is_here()?;
            let folder = pull(known, from, &mut Bar::new(&name))?;
            let how = if here { "was here already" } else { "is here, checked" };
            print(&format!("{name} {how}: {}", folder.display()))
        }
    }
}

fn list(as_json: bool) -> Result<(), Failure> {
    if as_json {
        let rows = ENCODERS.iter().map(|k| {
            Ok(json!({
                "name": k.name, "describe": k.describe, "licence": k.licence,
                "repository": format!("{}/{}", k.repository.0, k.repository.1),
                "revision": k.revision, "here": k.is_here()?,
            }))
        });
        return print_json(&rows.collect::<Result<Vec<_>, Failure>>()?);
    }
    for k in ENCODERS {
        let here = if k.is_here()? { "here" } else { "    " };
        print(&format!("{:<18} {here}  {} ({})", k.name, k.describe, k.licence))?;
    }
    Ok(())
}

fn show(wanted: &str, as_json: bool) -> Result<(), Failure> {
    let (name, folder) = resolve(wanted)?;
    let encoder = Encoder::load(&name, &folder, &Device::Cpu)?;
    let config = encoder.config();
    if as_json {
        return print_json(&json!({
            "name": name,
            "folder": folder,
            "weights_sha256": encoder.reference.weights_sha256,
            "family": format!("{:?}", config.family).to_lowercase(),
            "layers": config.layers, "hidden_size": config.hidden_size, "heads": config.heads,
            "vocabulary": config.vocab_size, "max_length": config.max_length(),
            "pooling": encoder.pooling,
            "keys": { "loaded": encoder.keys.loaded, "unused": encoder.keys.unused },
        }));
    }
    print(&format!(
        "{name}: {:?}, {} layers, H={}, {} heads, {} tokens of vocabulary, texts up to {} tokens",
        config.family,
        config.layers,
        config.hidden_size,
        config.heads,
        config.vocab_size,
        config.max_length()
    ))?;
    print(&format!("folder   {}", folder.display()))?;
    print(&format!("weights  sha256 {}", encoder.reference.weights_sha256))?;
    print(&format!(
        "keys     {} loaded, none missing, none unexpected, {} of other heads left aside",
        encoder.keys.loaded,
        encoder.keys.unused.len()
    ))
}
