//! `tupate`: tune, embed, pack, rank and serve, from one binary.

// Their macros panic where nobody reads any more.
#![deny(clippy::print_stderr, clippy::print_stdout)]

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

use clap::Parser;
use cli::{Cli, Command};
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // What is asked for over a server's life is not to be kept, and its children see for
    // themselves.
    if !matches!(cli.command, Command::Serve(_) | Command::Work) {
        memory::keep_pages();
    }
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            progress::say(format_args!("error: {failure}"));
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
        Command::Completions { shell } => commands::man::completions(shell),
        Command::Man => commands::man::man(),
    }
}
