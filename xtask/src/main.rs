//! The one command entry of the repository: `cargo xtask COMMAND`.
//!
//! `run` brings up the page with sample data, `test` checks everything,
//! `build` makes the binary, `bench` measures, `setup` fetches tools, `tidy` guards the
//! architecture. Everything here drives other programs; no product code.

mod bench;
mod browser;
mod context;
mod cuda;
mod engine;
mod experiment;
mod files;
mod fuzz;
mod golden;
mod jobs;
mod page;
mod parts;
mod program;
mod python;
mod samples;
mod screenshots;
mod scripts;
mod sheets;
mod steps;
mod test;
mod tidy;
mod tools;

use anyhow::{Context as _, Result, bail};
use context::Context;
use lexopt::prelude::{Long, Short, Value, ValueExt};
use std::{path::PathBuf, process::ExitCode};
use steps::Steps;

const HELP: &str = "\
cargo xtask COMMAND

  run [--listen ADDR] [--no-serve]
          build the page and the program, tune the six sample tasks and serve
          them; what was made before is used again [ADDR: 127.0.0.1:7878]
  test    all checks, the cheapest first, and the browser tests last
  build [--cuda]
          the page and the release binary; --cuda: one that also runs on an
          NVIDIA GPU of compute capability 8.0 or newer (CUDA_COMPUTE_CAP=NN
          for another one)
  setup [--test]
          install the tools that the page needs (--test: and those of the
          tests) into the user's cache folder; run, build and test do it unasked
  golden [--write]
          make the golden values anew with PyTorch, transformers, peft and
          adapters, and compare them with those that are committed (--write:
          write what has changed); load adapter folders that the program writes
          with those packages; they take 7 GB in the cache folder
  bench NAME [--write]
          measure: tune (beside PyTorch with PEFT), tune-f32 (the same without bf16, for
          a processor that has none), gpu (the same on an NVIDIA GPU), curves (loss
          by epoch, beside PEFT), precision (what bf16 changes in scores and
          embeddings), several (tasks by one command, beside one after the
          other), settling (what ending early costs), zoo (ranking natively, in a
          browser, in numpy and in JavaScript), serve (a zoo's file while a run is
          tuned, beside nginx), page (how long a visitor waits), shards (a million tasks
          in a browser) (--write: put the result into docs/BENCHMARKS.md)
  screenshots
          pictures of every page at three sizes in both themes, by the browser
          tests, into docs/screenshots
  experiment NAME --data DIR [--seed N] [--minutes N]
          run what is missing of experiments/NAME/experiment.toml: task embeddings
          and measured transfer of the tasks in DIR, one folder a task; finished
          parts are kept in experiments/NAME/results and never computed again
          [all seeds, one after the other, until all is done or N minutes have gone]
  experiment NAME --report [--write]
          what it found until now: a zoo of its embeddings, measured transfer and
          baselines, and the tables of docs/RESULTS.md, which --write puts there
  api-fuzz [--examples N]
          have Schemathesis make requests from the OpenAPI document and look for
          answers that the document does not allow [N: 60 an operation]
  tidy    crate arrows, texts and links only
  program (for trunk) put the page's program into the page that was just made

Products and tools are kept in $XDG_CACHE_HOME/tupate, else ~/.cache/tupate.
";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
enum Request {
    Help,
    Run { listen: String, serve: bool },
    Test,
    Build { cuda: bool },
    Setup { test: bool },
    Golden { write: bool },
    Bench { name: String, write: bool },
    Experiment { name: String, data: PathBuf, seed: Option<u64>, minutes: Option<u64> },
    Report { name: String, write: bool },
    Screenshots,
    ApiFuzz { examples: u32 },
    Tidy,
    Program,
}

fn main() -> ExitCode {
    let request = match parse(lexopt::Parser::from_env()) {
        Ok(request) => request,
        Err(error) => {
            eprintln!("error: {error:#}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match execute(request) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut arguments: lexopt::Parser) -> Result<Request> {
    let (mut command, mut name) = (None, None);
    let (mut listen, mut examples, mut data) = (None, None, None);
    let (mut seed, mut minutes) = (None, None);
    let (mut no_serve, mut cuda, mut test, mut write, mut report) =
        (false, false, false, false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Request::Help),
            Value(value) if command.is_none() => command = Some(value.string()?),
            Value(value)
                if matches!(command.as_deref(), Some("bench" | "experiment")) && name.is_none() =>
            {
                name = Some(value.string()?);
            }
            Long("listen") => listen = Some(arguments.value()?.string()?),
            Long("examples") => examples = Some(arguments.value()?.parse()?),
            Long("data") => data = Some(PathBuf::from(arguments.value()?)),
            Long("seed") => seed = Some(arguments.value()?.parse()?),
            Long("minutes") => minutes = Some(arguments.value()?.parse()?),
            Long("no-serve") => no_serve = true,
            Long("cuda") => cuda = true,
            Long("test") => test = true,
            Long("write") => write = true,
            Long("report") => report = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let command: String = command.unwrap_or_else(|| "help".to_owned());
    // An option that belongs to another command would otherwise be ignored.
    for (given, option, of) in [
        (listen.is_some(), "--listen", &["run"][..]),
        (examples.is_some(), "--examples", &["api-fuzz"]),
        (data.is_some(), "--data", &["experiment"]),
        (seed.is_some(), "--seed", &["experiment"]),
        (minutes.is_some(), "--minutes", &["experiment"]),
        (no_serve, "--no-serve", &["run"]),
        (cuda, "--cuda", &["build"]),
        (test, "--test", &["setup"]),
        (report, "--report", &["experiment"]),
        (write, "--write", &["golden", "bench", "experiment"]),
    ] {
        if given && !of.contains(&command.as_str()) {
            let of = of.join("` and `");
            bail!("`{option}` is an option of `{of}`, not of `{command}`");
        }
    }
    Ok(match command.as_str() {
        "help" => Request::Help,
        "run" => Request::Run {
            listen: listen.unwrap_or_else(|| "127.0.0.1:7878".to_owned()),
            serve: !no_serve,
        },
        "test" => Request::Test,
        "build" => Request::Build { cuda },
        "setup" => Request::Setup { test },
        "golden" => Request::Golden { write },
        "bench" => {
            let name = name.unwrap_or_default();
            bench::check(&name)?;
            Request::Bench { name, write }
        }
        "experiment" => {
            let name = name.context("`experiment` needs the name of a folder of experiments/")?;
            if report {
                if data.is_some() || seed.is_some() || minutes.is_some() {
                    bail!("`--report` reads what is there: it takes no data, seed or time");
                }
                return Ok(Request::Report { name, write });
            }
            if write {
                bail!("`--write` belongs to `experiment {name} --report`");
            }
            let data = data.context("`experiment` needs `--data DIR`, the folder of the tasks")?;
            Request::Experiment { name, data, seed, minutes }
        }
        "api-fuzz" => Request::ApiFuzz { examples: examples.unwrap_or(60) },
        "screenshots" => Request::Screenshots,
        "tidy" => Request::Tidy,
        "program" => Request::Program,
        other => bail!("there is no command `{other}`"),
    })
}

fn execute(request: Request) -> Result<()> {
    if request == Request::Help {
        print!("{HELP}");
        return Ok(());
    }
    let context = Context::new()?;
    let mut steps = Steps::new();
    match request {
        Request::Help => Ok(()),
        Request::Run { listen, serve } => {
            samples::make(&context, &mut steps)?;
            if serve { samples::serve(&context, &listen) } else { Ok(()) }
        }
        Request::Test => test::run(&context),
        Request::Build { cuda: false } => program::build(&context, &mut steps),
        Request::Build { cuda: true } => cuda::build(&context, &mut steps),
        Request::Setup { test } => {
            steps.take("page tools", || tools::for_page(&context))?;
            if test {
                steps.take("test tools", || tools::for_test(&context))?;
            }
            Ok(())
        }
        Request::Golden { write } => golden::run(&context, &mut steps, write),
        Request::Bench { name, write } => bench::run(&context, &mut steps, &name, write),
        Request::Experiment { name, data, seed, minutes } => {
            experiment::run(&context, &mut steps, &name, &data, seed, minutes)
        }
        Request::Report { name, write } => {
            experiment::report::run(&context, &mut steps, &name, write)
        }
        Request::ApiFuzz { examples } => fuzz::run(&context, &mut steps, examples),
        Request::Screenshots => screenshots::run(&context, &mut steps),
        Request::Tidy => tidy::run(&context),
        Request::Program => {
            eprint!("{}", parts::into_page(&context)?);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, String> {
        parse(lexopt::Parser::from_args(line.split_whitespace())).map_err(|e| e.to_string())
    }

    #[test]
    fn every_command_of_the_help_is_understood() {
        let listen = "127.0.0.1:7878".to_owned();
        assert_eq!(parsed(""), Ok(Request::Help));
        assert_eq!(parsed("test --help"), Ok(Request::Help));
        assert_eq!(parsed("run"), Ok(Request::Run { listen, serve: true }));
        assert_eq!(
            parsed("run --listen [::1]:80 --no-serve"),
            Ok(Request::Run { listen: "[::1]:80".into(), serve: false })
        );
        assert_eq!(parsed("test"), Ok(Request::Test));
        assert_eq!(parsed("build"), Ok(Request::Build { cuda: false }));
        assert_eq!(parsed("build --cuda"), Ok(Request::Build { cuda: true }));
        assert_eq!(parsed("setup --test"), Ok(Request::Setup { test: true }));
        assert_eq!(parsed("golden --write"), Ok(Request::Golden { write: true }));
        assert_eq!(
            parsed("bench zoo --write"),
            Ok(Request::Bench { name: "zoo".into(), write: true })
        );
        let (name, data) = ("minilm".to_owned(), PathBuf::from("data"));
        assert_eq!(
            parsed("experiment minilm --data data --seed 1 --minutes 5"),
            Ok(Request::Experiment { name, data, seed: Some(1), minutes: Some(5) })
        );
        assert_eq!(
            parsed("experiment minilm --report --write"),
            Ok(Request::Report { name: "minilm".into(), write: true })
        );
        assert_eq!(parsed("api-fuzz"), Ok(Request::ApiFuzz { examples: 60 }));
        assert_eq!(parsed("api-fuzz --examples 5"), Ok(Request::ApiFuzz { examples: 5 }));
        assert_eq!(parsed("screenshots"), Ok(Request::Screenshots));
        assert_eq!(parsed("tidy"), Ok(Request::Tidy));
        assert_eq!(parsed("program"), Ok(Request::Program));
    }

    #[test]
    fn help_says_what_each_benchmark_is() {
        for name in bench::names().split(", ") {
            assert!(HELP.contains(&format!("{name} (")), "{name}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, message) in [
            ("fly", "there is no command `fly`"),
            ("tidy --cuda", "`--cuda` is an option of `build`, not of `tidy`"),
            ("test --listen x", "`--listen` is an option of `run`, not of `test`"),
            ("run --port 1", "invalid option '--port'"),
            (
                "bench",
                "there is no benchmark ``; there are tune, tune-f32, gpu, curves, precision, several, settling, zoo, serve, page, shards",
            ),
            (
                "tidy --write",
                "`--write` is an option of `golden` and `bench` and `experiment`, not of `tidy`",
            ),
            ("experiment x --write", "`--write` belongs to `experiment x --report`"),
            (
                "experiment x --report --minutes 5",
                "`--report` reads what is there: it takes no data, seed or time",
            ),
            ("experiment --data x", "`experiment` needs the name of a folder of experiments/"),
            ("experiment x", "`experiment` needs `--data DIR`, the folder of the tasks"),
            ("run twice", "unexpected argument \"twice\""),
        ] {
            assert_eq!(parsed(line), Err(message.to_owned()));
        }
    }
}
