//! `tupate completions` and `tupate man`: what else the definition of the command line
//! gives.

use super::print_all;
use crate::cli::Cli;
use crate::failure::Failure;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use std::io::{Result as IoResult, Write};

pub fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tupate", &mut script);
    print_all(&script)
}

pub fn man() -> Result<(), Failure> {
    let page = page().map_err(|e| Failure::Run(format!("the man page cannot be made: {e}")))?;
    print_all(&page)
}

/// One page for all commands: what they are is looked up under `tupate` alone.
fn page() -> IoResult<Vec<u8>> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let whole = Man::new(root.clone());
    let mut page = Vec::new();
    whole.render_title(&mut page)?;
    page.extend(under("SH", "NAME", |to| whole.render_name_section(to))?);
    page.extend(under("SH", "SYNOPSIS", |to| whole.render_synopsis_section(to))?);
    page.extend(under("SH", "DESCRIPTION", |to| whole.render_description_section(to))?);
    page.extend(under("SH", "OPTIONS", |to| whole.render_options_section(to))?);
    commands(&root, &mut page)?;
    page.extend(under("SH", "NOTES", |to| whole.render_extra_section(to))?);
    page.extend(under("SH", "VERSION", |to| whole.render_version_section(to))?);
    Ok(page)
}

/// A section for each command below this one, with its options and examples.
fn commands(above: &clap::Command, page: &mut Vec<u8>) -> IoResult<()> {
    for command in above.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
        let man = Man::new(command.clone());
        page.extend(under("SH", name, |to| man.render_description_section(to))?);
        page.extend(under("SS", "Synopsis", |to| man.render_synopsis_section(to))?);
        page.extend(under("SS", "Options", |to| man.render_options_section(to))?);
        page.extend(under("SS", "Notes", |to| man.render_extra_section(to))?);
        commands(command, page)?;
    }
    Ok(())
}

/// What is rendered as a section of its own, under another heading.
fn under(
    kind: &str,
    heading: &str,
    render: impl FnOnce(&mut dyn Write) -> IoResult<()>,
) -> IoResult<Vec<u8>> {
    let mut section = Vec::new();
    render(&mut section)?;
    let section = String::from_utf8_lossy(&section);
    let text = section.split_once(".SH ").and_then(|(_, text)| text.split_once('\n'));
    Ok(match text {
        Some((_, text)) => format!(".{kind} \"{heading}\"\n{text}").into_bytes(),
        None => Vec::new(),
    })
}
