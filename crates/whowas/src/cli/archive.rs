//! The arguments of `schedule`, `alarms` and `archive`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use whowas_event::EnvironmentName;

#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    /// The windows of every schedule of the settings: done, verified, late, failed, waiting
    List(OfSchedules),
    /// Do what is due now, as the server does while it runs
    Run(OfSchedules),
}

#[derive(Debug, Args)]
pub(crate) struct OfSchedules {
    /// Only of this PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: Option<EnvironmentName>,
}

#[derive(Debug, Args)]
pub(crate) struct Alarms {
    /// Only of this PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: Option<EnvironmentName>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Archive {
    /// Check archived windows, with nothing but the storage and the key that you trust
    Verify {
        /// Folders or URLs, each of one window or of a whole schedule
        #[arg(required = true, value_name = "LOCATION")]
        locations: Vec<String>,
        #[command(flatten)]
        trust: Trust,
    },
    /// Make the trail anew from its archive: the same records, the same root
    Restore {
        /// The folder or URL of a schedule: …/PROJECT/ENVIRONMENT/SCHEDULE
        location: String,
        /// The trail's secret key, a copy of the file in `keys`; without it the trail gets a new key
        #[arg(long, value_name = "FILE", required_unless_present = "new_key")]
        key: Option<PathBuf>,
        /// The secret key is lost: let a new one sign from now on
        #[arg(long, conflicts_with = "key")]
        new_key: bool,
        #[command(flatten)]
        trust: Trust,
    },
}

/// Whom a verifier trusts.
#[derive(Debug, Args)]
pub(crate) struct Trust {
    /// Whom you trust: a C2SP policy file with logs, witnesses and a quorum
    #[arg(long, value_name = "FILE", conflicts_with = "vkey")]
    pub(crate) policy: Option<PathBuf>,
    /// The log's public key, or a file that holds it, from a place you trust
    #[arg(long, value_name = "VKEY")]
    pub(crate) vkey: Option<String>,
    /// How a key you trust handed over to a later one: a file of `key rotate --statement`; in order
    #[arg(long, value_name = "FILE")]
    pub(crate) rotation: Vec<PathBuf>,
}
