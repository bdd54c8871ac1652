//! The arguments of `source`.

use clap::{Args, Subcommand};
use whowas_event::EnvironmentName;

#[derive(Debug, Subcommand)]
pub(crate) enum Source {
    /// Reach sources of the settings, authenticate, read one page of each, and keep nothing
    Test(Test),
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The source's name in the records [default: all]
    pub(crate) source: Option<String>,
    /// Only of this PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: Option<EnvironmentName>,
}
