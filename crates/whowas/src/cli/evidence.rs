//! The commands of evidence and privacy: verify, prove, mirror, keys, witnesses; erase, retain, hold.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use whowas_event::EnvironmentName;

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A data folder that no process is using, a .tlog-proof file, a bundle of `export --evidence`, or a
    /// folder with a copy of a log, or the address of a live one: https://HOST/trails/PROJECT/ENVIRONMENT
    pub(crate) path: PathBuf,
    /// For a live log: a token of scope read, to check its entries too
    #[arg(long, env = "WHOWAS_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Whom you trust: a C2SP policy file with logs, witnesses and a quorum
    #[arg(long, value_name = "FILE", conflicts_with = "vkey")]
    pub(crate) policy: Option<PathBuf>,
    /// The log's public key, or a file that holds it, from a place you trust
    #[arg(long, value_name = "VKEY")]
    pub(crate) vkey: Option<String>,
    /// How a key you trust handed over to a later one: a file of `key rotate --statement`; in order
    #[arg(long, value_name = "FILE")]
    pub(crate) rotation: Vec<PathBuf>,
    /// A checkpoint of the same log that you kept: what you verify must contain it
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Proof {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
    /// The record's position, as search and export show it
    #[arg(long)]
    pub(crate) position: u64,
    /// The file to write; standard output if absent or -
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Personal fields that go along: all, none, or names such as user.name,src_endpoint.ip
    #[arg(long, default_value = "all", value_name = "FIELDS")]
    pub(crate) disclose: String,
}

#[derive(Debug, Args)]
pub(crate) struct Mirror {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
    /// The folder to write; what it has already is kept
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Give the trail a new key; the old one signs the record of it, and is deleted
    Rotate {
        /// PROJECT/ENVIRONMENT
        #[arg(long, value_name = "P/E")]
        environment: EnvironmentName,
        /// Why; kept in the trail
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Write what tells whoever trusts the old key of the new one: for `verify --rotation`
        #[arg(long, value_name = "FILE")]
        statement: PathBuf,
    },
    /// Print the public key (vkey): give it to whoever is to verify
    Show {
        /// PROJECT/ENVIRONMENT
        #[arg(long, value_name = "P/E")]
        environment: EnvironmentName,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Fsck {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
}

/// Whose records, or which.
#[derive(Clone, Debug, Args)]
#[group(required = false, multiple = false)]
pub(crate) struct Selection {
    /// Everything about this person: an id, login name, e-mail address or full name
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<String>,
    /// The sign-ins that match this filter
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Why; kept in the trail, so name nobody
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["dry_run", "list"])]
    pub(crate) reason: Option<String>,
    /// Say what would be erased, and erase nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the erasures of this trail, for --again after a backup was put back
    #[arg(long, conflicts_with_all = ["user", "filter", "again"])]
    pub(crate) list: bool,
    /// Erase again what a list says: in a trail from a backup that is older than the erasures
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "filter"])]
    pub(crate) again: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Retain {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
    /// How long personal data is kept, such as 400d or 52w
    #[arg(long, value_name = "AGE")]
    pub(crate) older_than: String,
    /// Which records: login, identity, access, coverage or all
    #[arg(long, default_value = "login", value_name = "KIND")]
    pub(crate) kind: String,
    /// Of those, only the sign-ins that match this filter
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,
    /// The rule, in words; kept in the trail
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    pub(crate) reason: Option<String>,
    /// Also refuse the log's entries before the first record that is not past the rule (C2SP pruning)
    #[arg(long)]
    pub(crate) prune: bool,
    /// Write the signed statement of what was done: the proof of the trail's own record
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(crate) statement: Option<PathBuf>,
    /// Say what would go, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Hold {
    /// Put a hold in force
    Add {
        /// PROJECT/ENVIRONMENT
        #[arg(long, value_name = "P/E")]
        environment: EnvironmentName,
        #[command(flatten)]
        selection: Selection,
        /// Everything in the environment
        #[arg(long, conflicts_with_all = ["user", "filter"])]
        all: bool,
        /// Why; kept in the trail
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// The holds in force
    List {
        /// PROJECT/ENVIRONMENT
        #[arg(long, value_name = "P/E")]
        environment: EnvironmentName,
    },
    /// End a hold
    Release {
        /// PROJECT/ENVIRONMENT
        #[arg(long, value_name = "P/E")]
        environment: EnvironmentName,
        /// Its number
        id: i64,
        /// Why; kept in the trail
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Witness {
    /// Where key and memory lie; one folder, one witness
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state: PathBuf,
    /// The witness's name, such as witness.example/w1; creates it, with a new key, if there is none
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The address to listen on; any but a loopback address needs TLS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8788")]
    pub(crate) listen: String,
    /// The logs to watch: the log lines of a C2SP policy file
    #[arg(long, value_name = "FILE", conflicts_with = "vkey")]
    pub(crate) policy: Option<PathBuf>,
    /// The one log to watch: its public key, or a file that holds it
    #[arg(long, value_name = "VKEY")]
    pub(crate) vkey: Option<String>,
    /// Certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}
