//! `whowas completions` and `whowas man`: what shells and `man` know about the command line, made from it.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{
    cli::Cli,
    failure::{DONE, Failure},
};

pub(crate) fn completions(shell: Shell) -> Result<u8, Failure> {
    // Into memory first: clap panics when whoever reads goes away.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "whowas", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(DONE)
}

/// The page of the program on standard output; or `whowas.1` and a page for each command in a folder.
pub(crate) fn pages(folder: Option<&Path>) -> Result<u8, Failure> {
    let Some(folder) = folder else {
        clap_mangen::Man::new(Cli::command()).render(&mut io::stdout().lock())?;
        return Ok(DONE);
    };
    fs::create_dir_all(folder).map_err(|e| Failure::file(folder, &e))?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(|e| Failure::file(folder, &e))?;
    Ok(DONE)
}
