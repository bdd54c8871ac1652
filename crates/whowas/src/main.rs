//! The binary: command line, configuration, wiring. Which store, which control database and which engine
//! are chosen here and nowhere else.

mod alarms;
mod cli;
mod commands;
mod config;
mod demo;
mod failure;
mod output;
mod schedules;
mod session_rules;
mod sources;
mod times;

use std::process::ExitCode;

use clap::Parser;

/// An import allocates a dozen texts for each record on one thread and frees them on another, where the
/// system's allocator spends a fifth of the whole time and keeps what was freed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // clap itself exits with 2 for a command that is not understood.
    let cli = cli::Cli::parse();
    output::log_to_stderr();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("whowas: {error}");
            return ExitCode::from(failure::FAILED);
        }
    };
    let code = match runtime.block_on(commands::run(cli)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    };
    ExitCode::from(code)
}
