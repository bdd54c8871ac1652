//! The command line: a contract that scripts depend on. One enum, one variant per command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use whowas_event::EnvironmentName;

/// Who was signed in, when, from where — and is that all of it?
#[derive(Debug, Parser)]
#[command(name = "whowas", version, about, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Where the data lies: a folder, or a file:// URL [default: ./whowas-data]
    #[arg(long, global = true, env = "WHOWAS_DATA", value_name = "URL")]
    pub(crate) data: Option<String>,
    /// The control database: sqlite:// and a path [default: control.db in the data folder]
    #[arg(long, global = true, env = "WHOWAS_CONTROL", value_name = "URL")]
    pub(crate) control: Option<String>,
    /// Settings [default: whowas.toml, if there is one]
    #[arg(long, global = true, env = "WHOWAS_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show times in this zone, such as Europe/Zurich, and read dates in it; JSON has UTC [default: UTC]
    #[arg(long, global = true, env = "WHOWAS_TIMEZONE", value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the console and the API; prints the URL to open
    Serve(Serve),
    /// Bring sign-in logs into a trail: files, folders, or - for standard input
    Import(Import),
    /// Parse a file and print its events; touches no store
    Normalize(Normalize),
    /// List the formats that are understood
    Formats,
    /// Ask a trail
    Search(Search),
    /// What time of which source is covered: closed, open, at risk or lost
    Coverage(Coverage),
    /// Compare a trail with another export of the same time: what is missing on which side
    Reconcile(Reconcile),
    /// Sessions of one file: who was signed in from when to when; touches no store
    Sessions(Sessions),
    /// The directory of people
    #[command(subcommand)]
    Users(Users),
    /// Write the answer to a question into a file, without a row limit
    Export(Export),
    /// Check a data folder from its records, or offline a proof, a bundle or a copy of a log
    Verify(Verify),
    /// Write the proof that one record is in its trail
    Proof(Proof),
    /// Copy a trail's public log as C2SP files: checkpoint, key, tiles, entries
    Mirror(Mirror),
    /// The key that signs a trail's checkpoints
    #[command(subcommand)]
    Key(Key),
    /// Check one environment from its records
    Fsck(Fsck),
    /// Run a C2SP witness for other people's trails
    Witness(Witness),
    /// Read-only SQL over the tables `logins`, `users`, `access`, `coverage` and `records`
    Sql(Sql),
    /// Tokens for the API
    #[command(subcommand)]
    Token(Token),
    /// Records that were not understood
    #[command(subcommand)]
    Rejected(Rejected),
    /// Print a completion script for a shell
    Completions { shell: clap_complete::Shell },
    /// Print the manual page, or write one for every command into a folder
    #[command(hide = true)]
    Man { folder: Option<PathBuf> },
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Create an environment with 90 days of invented sign-ins
    #[arg(long)]
    pub(crate) demo: bool,
    /// The address to listen on; any but a loopback address needs TLS [default: 127.0.0.1:8787]
    #[arg(long, env = "WHOWAS_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Certificate chain, PEM
    #[arg(long, env = "WHOWAS_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key, PEM
    #[arg(long, env = "WHOWAS_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}

/// How foreign files are read.
#[derive(Clone, Debug, Args)]
pub(crate) struct Reading {
    /// The format's name, or auto
    #[arg(long, default_value = "auto")]
    pub(crate) format: String,
    /// The zone of times that are written without one [default: TZ, else UTC]
    #[arg(long, value_name = "ZONE")]
    pub(crate) source_timezone: Option<String>,
    /// How to read dates like 3/12/2025: dmy or mdy
    #[arg(long, value_name = "ORDER")]
    pub(crate) date_order: Option<DateOrder>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum DateOrder {
    Dmy,
    Mdy,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// PROJECT/ENVIRONMENT; created if there is none
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// The source's name [default: the format's name]
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Do not keep the records' own bytes beside them
    #[arg(long)]
    pub(crate) no_raw: bool,
    /// Files, folders, or - for standard input
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Normalize {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// In whose words
    #[arg(long = "as", default_value = "event")]
    pub(crate) dialect: Dialect,
    /// A file, or - for standard input
    pub(crate) file: PathBuf,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Dialect {
    Ecs,
    Ocsf,
    Event,
}

/// A question to a trail.
#[derive(Clone, Debug, Args)]
pub(crate) struct Question {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
    /// user-login-events, sign-in-failures, sign-outs or all-events
    #[arg(long, default_value = "user-login-events")]
    pub(crate) query: String,
    /// At or after: RFC 3339, a date (in --timezone), or relative (-7d) [default: seven days before --to]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    /// Before: RFC 3339, a date (its end), or relative [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
    /// user:alice -status:failure ip:10.0.0.0/8 app:"Dynamics 365" after:2026-11-01, or words
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) filter: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Rows to show; the total is always told
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    /// The `next` of the page before
    #[arg(long, value_name = "TOKEN")]
    pub(crate) page: Option<String>,
    #[command(flatten)]
    pub(crate) question: Question,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// csv or jsonl
    #[arg(long = "as", default_value = "csv")]
    pub(crate) format: String,
    /// The file to write; - for standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Write a zip with the answer, its leaves and the signed checkpoint, for `verify` without the trail
    #[arg(long)]
    pub(crate) evidence: bool,
    #[command(flatten)]
    pub(crate) question: Question,
}

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

#[derive(Debug, Args)]
pub(crate) struct Sessions {
    /// A file, or - for standard input. Sessions of an environment cannot be asked for yet
    #[arg(long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Users {
    /// Bring a directory in: Dynamics SystemUsers, Graph /users, or a plain CSV
    Import(Import),
    /// Everyone who is known
    List {
        /// PROJECT/ENVIRONMENT
        #[arg(long, value_name = "P/E")]
        environment: EnvironmentName,
    },
    /// One person: by id, login name or e-mail address
    Show {
        /// PROJECT/ENVIRONMENT
        #[arg(long, value_name = "P/E")]
        environment: EnvironmentName,
        user: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A data folder that no process is using, a .tlog-proof file, a bundle of `export --evidence`, or a
    /// folder with a copy of a log
    pub(crate) path: PathBuf,
    /// Whom you trust: a C2SP policy file with logs, witnesses and a quorum
    #[arg(long, value_name = "FILE", conflicts_with = "vkey")]
    pub(crate) policy: Option<PathBuf>,
    /// The log's public key, or a file that holds it, from a place you trust
    #[arg(long, value_name = "VKEY")]
    pub(crate) vkey: Option<String>,
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

#[derive(Debug, Args)]
pub(crate) struct Sql {
    /// PROJECT/ENVIRONMENT; may be left out if there is only one
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: Option<EnvironmentName>,
    /// One SELECT statement
    pub(crate) statement: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Print a new token, once
    Create {
        /// ingest, read or admin
        #[arg(long)]
        scope: String,
        /// Only for this PROJECT/ENVIRONMENT
        #[arg(long, value_name = "P/E")]
        environment: Option<EnvironmentName>,
        /// The source name of what it ingests
        #[arg(long)]
        source: Option<String>,
    },
    /// Every token, without its secret
    List,
    /// Make a token useless
    Revoke { id: i64 },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rejected {
    /// What was refused, where and why
    List {
        /// PROJECT/ENVIRONMENT
        #[arg(long, value_name = "P/E")]
        environment: EnvironmentName,
    },
    /// Read them again, for example with --date-order
    Retry {
        /// PROJECT/ENVIRONMENT
        #[arg(long, value_name = "P/E")]
        environment: EnvironmentName,
        #[command(flatten)]
        reading: Reading,
    },
}
