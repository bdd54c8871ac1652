//! The arguments of `report`.

use std::path::PathBuf;

use clap::Args;
use whowas_event::EnvironmentName;

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
    /// At or after: RFC 3339, a date (in --timezone), or relative (-7d) [default: seven days before --to]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    /// Before: RFC 3339, a date (its end), or relative [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
    /// pdf or html
    #[arg(long = "as", default_value = "pdf", value_parser = ["pdf", "html"])]
    pub(crate) format: String,
    /// The file to write; - for standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// What must hold of a record besides, as for `search`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) filter: Vec<String>,
}
