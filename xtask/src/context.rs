//! Where things are, and how other programs are started.

use anyhow::{Context as _, Result};
use std::{
    env,
    ffi::OsStr,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};
use xshell::{Cmd, Shell};

/// The places a command works with.
pub struct Context {
    /// Starts programs, in the repository's root.
    pub shell: Shell,
    /// The repository's root.
    pub root: PathBuf,
    /// The project's folder in the user's cache.
    pub cache: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// Variables of `cargo run` that programs started from here must not see.
    own_variables: Vec<String>,
}

impl Context {
    /// Looks the places up; creates nothing.
    pub fn new() -> Result<Self> {
        // At run time cargo names the checkout it runs in; the compiled-in
        // path serves a binary that was started without cargo.
        let manifest =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root =
            Path::new(&manifest).parent().context("xtask lies in no repository")?.to_path_buf();
        let shell = Shell::new()?;
        shell.change_dir(&root);

        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => own_target_folder().unwrap_or_else(|| root.join("target")),
        };
        // Said once more to everything started from here, trunk included, so
        // that all of them build in the same place.
        shell.set_var("CARGO_TARGET_DIR", &target);

        let cache = cache_home()?.join("tupate");
        // Tools installed by `setup` come before those of the system.
        let mut path = vec![cache.join("tools/bin")];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        shell.set_var("PATH", env::join_paths(path).context("the cache folder's name has a `:`")?);

        // Build scripts of some crates (ring's is one) ask to be run again
        // when these change: with them, a build from here and a build by hand
        // would undo each other.
        let own_variables = env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .filter(|name| {
                ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
            })
            .collect();
        Ok(Self { shell, root, cache, target, own_variables })
    }

    /// A program with arguments, to be started in the root.
    pub fn command<A: AsRef<OsStr>>(
        &self,
        program: impl AsRef<Path>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Cmd<'_> {
        let command = self.shell.cmd(program).args(arguments);
        self.own_variables.iter().fold(command, |command, name| command.env_remove(name))
    }

    /// Cargo with arguments. The lock file is never changed by a build: a
    /// stale one is an error, and not a quietly different program.
    pub fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Cmd<'_> {
        let mut arguments: Vec<&str> = arguments.into_iter().collect();
        match arguments.first().copied() {
            Some("fmt") => {}
            // A cargo of its own: options follow its own command.
            Some("nextest") => arguments.insert(2, "--locked"),
            _ => arguments.insert(1, "--locked"),
        }
        self.command("cargo", arguments)
    }

    /// The first line that a program prints for `--version`, or `None` when
    /// it is not there or does not work.
    pub fn version(&self, program: impl AsRef<Path>) -> Option<String> {
        let printed = self.command(program, ["--version"]).quiet().ignore_stderr().read().ok()?;
        printed.lines().next().map(|line| line.trim().to_owned())
    }

    /// The absolute path of a program on the PATH.
    pub fn which(&self, name: &str) -> Option<PathBuf> {
        let path = self.shell.var_os("PATH")?;
        env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
    }

    /// Holds the folder for this process until the returned file is dropped,
    /// so that two commands at once do not write over each other.
    pub fn lock(&self, folder: &Path) -> Result<File> {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create the folder {}", folder.display()))?;
        let path = folder.join(".lock");
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("waiting for another cargo xtask that works in {}", folder.display());
                file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        Ok(file)
    }
}

/// This program lies in `TARGET/debug/xtask`, whatever set the target folder.
fn own_target_folder() -> Option<PathBuf> {
    Some(env::current_exe().ok()?.parent()?.parent()?.to_path_buf())
}

fn cache_home() -> Result<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache"))).context(
        "no cache folder is known: set XDG_CACHE_HOME or HOME to the absolute path of a folder",
    )
}

#[cfg(test)]
impl Context {
    /// One whose every place lies in the given folder.
    pub fn inside(folder: &Path) -> Self {
        let shell = Shell::new().unwrap();
        shell.change_dir(folder);
        Self {
            shell,
            root: folder.to_path_buf(),
            cache: folder.join("cache"),
            target: folder.join("target"),
            own_variables: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_until_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let context = Context::inside(folder.path());
        let held = context.lock(&context.cache).unwrap();
        let other = File::create(context.cache.join(".lock")).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        // Waits, since a child that another test is just starting has the
        // file for a moment, too.
        other.lock().unwrap();
    }

    #[test]
    fn the_lock_file_of_cargo_is_never_changed() {
        let folder = tempfile::tempdir().unwrap();
        let context = Context::inside(folder.path());
        for (arguments, line) in [
            (["build", "--release"], "cargo build --locked --release"),
            (["nextest", "run"], "cargo nextest run --locked"),
            (["fmt", "--all"], "cargo fmt --all"),
        ] {
            assert_eq!(context.cargo(arguments).to_string(), line);
        }
    }

    #[test]
    fn a_program_that_is_not_there_has_no_version() {
        let folder = tempfile::tempdir().unwrap();
        let context = Context::inside(folder.path());
        assert_eq!(context.version("no-such-program-anywhere"), None);
        assert_eq!(context.version("false"), None);
        assert!(context.version("rustc").is_some_and(|line| line.starts_with("rustc ")));
    }
}
