//! `tupate`: tune, embed, pack, rank and serve, from one binary.

mod cli;
mod commands;
mod datasets;
mod encoders;
mod failure;
mod fetch;
mod hub;
mod memory;
mod progress;
mod ranker;
mod tuning;

use clap::{CommandFactory, Parser};
use cli::{Cli, Command};
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    memory::keep_pages();
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.code()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Encoder(command) => commands::encoder::run(command),
        Command::Task(command) => commands::task::run(command),
        Command::Tune(args) => commands::tune::run(&args),
        Command::Embed(args) => commands::embed::run(&args),
        Command::Zoo(command) => commands::zoo::run(command),
        Command::Rank(args) => commands::rank::run(&args),
        Command::Baseline(command) => commands::baseline::run(&command),
        Command::Transfer(args) => commands::transfer::run(&args),
        Command::Evaluate(args) => commands::evaluate::run(&args),
        Command::Serve(args) => commands::serve::run(&args),
        Command::Site(args) => commands::site::run(&args),
        Command::Token(command) => commands::token::run(command),
        Command::Work => tuning::work::run(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "tupate", &mut std::io::stdout());
            Ok(())
        }
        Command::Man => clap_mangen::Man::new(Cli::command())
            .render(&mut std::io::stdout())
            .map_err(|e| Failure::Run(format!("cannot print the man page: {e}"))),
    }
}
