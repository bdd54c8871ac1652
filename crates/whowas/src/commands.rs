//! One file per command; this one finds the right file.

mod access;
mod alarms;
mod archive;
mod coverage;
mod erase;
mod export;
mod formats;
mod hold;
mod import;
mod key;
mod manual;
mod mirror;
mod normalize;
mod people;
mod presence;
mod proof;
mod reconcile;
mod rejected;
mod report;
mod retain;
mod schedule;
mod search;
mod serve;
mod sessions;
mod source;
mod sql;
mod syslog;
mod token;
mod trust;
mod users;
mod verify;
mod witness;

use crate::{
    cli::{Cli, Command},
    failure::Failure,
};

/// Runs a command and says what to exit with.
pub(crate) async fn run(cli: Cli) -> Result<u8, Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Serve(args) => serve::run(&global, args).await,
        Command::Import(args) => import::run(&global, args).await,
        Command::Normalize(args) => normalize::run(args),
        Command::Formats => formats::run(&global),
        Command::Search(args) => search::run(&global, args).await,
        Command::Coverage(args) => coverage::run(&global, args).await,
        Command::Reconcile(args) => reconcile::run(&global, args).await,
        Command::Sessions(args) => match args.environment.clone() {
            Some(environment) => presence::sessions(&global, &environment, args).await,
            None => sessions::run(&global, &args),
        },
        Command::Presence(args) => presence::presence(&global, args).await,
        Command::AtOnce(args) => presence::at_once(&global, args).await,
        Command::Dormant(args) => people::dormant(&global, args).await,
        Command::Aging(args) => people::aging(&global, args).await,
        Command::DistinctUsers(args) => people::distinct_users(&global, args).await,
        Command::AfterLeaving(args) => people::after_leaving(&global, args).await,
        Command::Users(args) => users::run(&global, args).await,
        Command::Export(args) => export::run(&global, args).await,
        Command::Report(args) => report::run(&global, args).await,
        Command::Verify(args) => verify::run(&global, args).await,
        Command::Schedule(args) => schedule::run(&global, args).await,
        Command::Source(args) => source::run(&global, args).await,
        Command::Alarms(args) => alarms::run(&global, args).await,
        Command::Archive(args) => archive::run(&global, args).await,
        Command::Proof(args) => proof::run(&global, args).await,
        Command::Mirror(args) => mirror::run(&global, args).await,
        Command::Key(args) => key::run(&global, args).await,
        Command::Fsck(args) => verify::fsck(&global, args).await,
        Command::Erase(args) => erase::run(&global, args).await,
        Command::Retain(args) => retain::run(&global, args).await,
        Command::Hold(args) => hold::run(&global, args).await,
        Command::Witness(args) => witness::run(args).await,
        Command::Sql(args) => sql::run(&global, args).await,
        Command::Token(args) => token::run(&global, args).await,
        Command::Rejected(args) => rejected::run(&global, args).await,
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { folder } => manual::pages(folder.as_deref()),
    }
}
