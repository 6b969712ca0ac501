//! Requests that Schemathesis makes from the server's OpenAPI document.

use crate::{context::Context, python, steps::Steps};
use anyhow::{Context as _, Result, bail};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

/// The release that is used, and how to tell that it is there.
const REQUIREMENT: &str = "schemathesis==4.32.5";
const THERE: &str = "import schemathesis; assert schemathesis.__version__ == '4.32.5'";

/// What an answer must be.
const CHECKS: &str = "not_a_server_error,content_type_conformance,response_schema_conformance";

/// What leads from one operation to another stands in the document; guesses beside it, which
/// go wrong, do not help.
const CONFIG: &str = "[phases.stateful.inference]\nalgorithms = []\n";

/// Makes up to `examples` requests of each kind for each operation; fails where an answer
/// is not as it must be.
pub fn run(context: &Context, steps: &mut Steps, examples: u32) -> Result<()> {
    let mut schemathesis = Default::default();
    steps.take("schemathesis", || {
        let python = python::with(context, "schemathesis", REQUIREMENT, THERE)?;
        schemathesis = python.with_file_name("st");
        Ok(REQUIREMENT.to_owned())
    })?;
    steps.take("server", || {
        // The whole workspace is selected, as everywhere here: another selection of
        // packages could mean other features, hence everything built once more.
        context.cargo(["test", "--quiet", "--workspace", "--test", "http", "--no-run"]).run()?;
        Ok("built".to_owned())
    })?;
    let config = context.target.join("xtask/schemathesis.toml");
    std::fs::write(&config, CONFIG)
        .with_context(|| format!("cannot write {}", config.display()))?;
    let server = Server::start(context)?;
    let mut said = String::new();
    steps.take("requests", || {
        let output = context
            .command(&schemathesis, ["--config-file"])
            .arg(&config)
            .arg("run")
            .arg(format!("{}/api/openapi.json", server.address))
            .args(["--header", &format!("Authorization: Bearer {}", server.token)])
            .args(["--checks", CHECKS, "--max-examples", &examples.to_string(), "--no-color"])
            .quiet()
            .ignore_status()
            .output()?;
        said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("{said}{}", String::from_utf8_lossy(&output.stderr).trim_end());
        }
        figures(&said).context("schemathesis says no figures")
    })
}

/// `14 operations, 1439 requests`.
fn figures(said: &str) -> Option<String> {
    let after = |mark: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(mark))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let cases = said.lines().find(|line| line.contains(" generated, "))?;
    let requests: u64 = cases.split_whitespace().next()?.parse().ok()?;
    Some(format!("{} operations, {requests} requests", after("Tested: ")?))
}

/// A server of the tests, with a scripted tuner and without rates, which would turn most
/// requests away.
struct Server {
    child: Child,
    address: String,
    token: String,
}

impl Server {
    fn start(context: &Context) -> Result<Self> {
        let command = context.cargo(["test", "--quiet", "--workspace", "--test", "http", "--"]);
        let command = command.args(["--exact", "fuzzed::serve", "--ignored", "--nocapture"]);
        let mut child =
            Command::from(command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("it has an output")?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let line = lines.find(|line| line.starts_with("http://"));
        let told = line.as_deref().and_then(|line| line.split_once(' '));
        let (address, token) = told.context("the server does not say where it is")?;
        // Whose output nobody reads complains at its end.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address: address.to_owned(), token: token.to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with its standard input; cargo, which started it, with it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_read() {
        let said = "API Operations:\n  Selected: 17/17\n  Tested: 17\n\nTest cases:\n  \
                    1439 generated, 1439 passed\n\nSeed: 1\n";
        assert_eq!(figures(said).unwrap(), "17 operations, 1439 requests");
        assert_eq!(figures("nothing"), None);
    }
}
