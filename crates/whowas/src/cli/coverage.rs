//! The arguments of `coverage` and `reconcile`.

use std::path::PathBuf;

use clap::Args;
use whowas_event::EnvironmentName;

use super::Reading;

#[derive(Debug, Args)]
pub(crate) struct Coverage {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
    /// At or after: RFC 3339, a date (in --timezone), or relative (-7d) [default: 90 days before --to]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    /// Before: RFC 3339, a date (its end), or relative [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
    /// First make the ledger anew from the trail's records
    #[arg(long)]
    pub(crate) rebuild: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// The source in the trail to compare with [default: the format's name]
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// The export; nothing of it is recorded
    pub(crate) file: PathBuf,
}
