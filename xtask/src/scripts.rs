//! The scripts that the tools write, made smaller.

use anyhow::{Context as _, Result};
use std::collections::BTreeSet;

/// A script without what only readers read: indentation, and comments that have lines of
/// their own. Neither tool writes strings that go over several lines.
pub fn dense(script: &[u8]) -> Result<String> {
    let script = std::str::from_utf8(script).context("a script is not text")?;
    let (mut dense, mut inside) = (String::with_capacity(script.len()), false);
    for line in script.lines().map(str::trim) {
        inside |= line.starts_with("/*");
        if !inside && !line.is_empty() && !line.starts_with("//") {
            dense.push_str(line);
            dense.push('\n');
        }
        inside &= !line.ends_with("*/");
    }
    Ok(dense)
}

/// Both with numbers in place of the hashes at the end of the names by which they know each
/// other: there are hundreds, and hashes cannot be compressed. As long as those, so that
/// nothing in the module moves.
pub fn numbered(mut script: String, mut module: Vec<u8>) -> Result<(String, Vec<u8>)> {
    const HASH: usize = 16;
    let is_hashed = |name: &&str| {
        name.len() > HASH
            && name.starts_with("__wb")
            && name.bytes().rev().take(HASH).all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let words = script.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: BTreeSet<String> = words.filter(is_hashed).map(str::to_owned).collect();
    for (number, name) in names.iter().enumerate() {
        let plain = format!("{}{number:0HASH$}", &name[..name.len() - HASH]);
        let mut places = module.windows(name.len()).enumerate();
        let place = places.find(|(_, there)| there == &name.as_bytes()).map(|(at, _)| at);
        let another = places.any(|(_, there)| there == name.as_bytes());
        let at = place.filter(|_| !another).with_context(|| {
            format!("{name} is not there once in the program, as wasm-bindgen names things")
        })?;
        module[at..at + name.len()].copy_from_slice(plain.as_bytes());
        script = script.replace(name, &plain);
    }
    Ok((script, module))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dense_script_has_every_line_that_does_something() {
        let script = "/**\n * @param {number} a\n */\nfunction f(a) {\n    // Why.\n\n    \
                      return a / 2; /* why */\n}\n/* one line */\nf(1);\n";
        let dense = dense(script.as_bytes()).unwrap();
        assert_eq!(dense, "function f(a) {\nreturn a / 2; /* why */\n}\nf(1);\n");
    }

    #[test]
    fn names_with_hashes_get_numbers_on_both_sides() {
        let hash = "0123456789abcdef";
        let script = format!("f({{ __wbg_a_{hash}: 1, __wbg_b_{hash}: g(__wbg_a_{hash}) }})");
        let module = format!("..__wbg_b_{hash}..__wbg_a_{hash}");
        let (script, bytes) = numbered(script, module.clone().into_bytes()).unwrap();
        let (a, b) = ("__wbg_a_0000000000000000", "__wbg_b_0000000000000001");
        assert_eq!(script, format!("f({{ {a}: 1, {b}: g({a}) }})"));
        assert_eq!(bytes, format!("..{b}..{a}").into_bytes());
        // What the module does not have, or has twice, is not to be guessed.
        for module in [String::new(), format!("{module}{module}")] {
            let script = format!("__wbg_a_{hash}");
            assert!(numbered(script, module.into_bytes()).is_err());
        }
    }
}
