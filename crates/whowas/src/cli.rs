//! The command line: a contract that scripts depend on. One enum, one variant per command.

mod archive;
mod coverage;
mod evidence;
mod report;
mod source;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use whowas_event::EnvironmentName;

pub(crate) use self::archive::{Alarms, Archive, Schedule, Trust as ArchiveTrust};
pub(crate) use self::coverage::{Coverage, Reconcile};
pub(crate) use self::evidence::{Erase, Fsck, Hold, Key, Mirror, Proof, Retain, Selection, Verify, Witness};
pub(crate) use self::report::Report;
pub(crate) use self::source::Source;

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
    /// Sessions of an environment, or of one file without a store: who was signed in from when to when
    Sessions(Sessions),
    /// Who was signed in at an instant
    Presence(Presence),
    /// How many were signed in at once, over time and by service
    AtOnce(AtOnce),
    /// Users without a successful sign-in for so many days
    Dormant(Dormant),
    /// How many users signed in last how long ago
    Aging(Aging),
    /// Who signed in how often
    DistinctUsers(DistinctUsers),
    /// Successful sign-ins of people whom the directory says to be disabled or deleted
    AfterLeaving(OfEnvironment),
    /// The directory of people
    #[command(subcommand)]
    Users(Users),
    /// Write the answer to a question into a file, without a row limit
    Export(Export),
    /// Write a report for an auditor: scope, sources, coverage, counts, findings, checkpoint
    Report(Report),
    /// Check a data folder from its records, or offline a proof, a bundle or a copy of a log
    Verify(Verify),
    /// Exports that are made by themselves, window after window
    #[command(subcommand)]
    Schedule(Schedule),
    /// Sources that the server reads by itself
    #[command(subcommand)]
    Source(Source),
    /// Alarms: what is raised, and what was within 90 days. Exits with 1 while one is raised
    Alarms(Alarms),
    /// What schedules wrote into offline storage
    #[command(subcommand)]
    Archive(Archive),
    /// Write the proof that one record is in its trail
    Proof(Proof),
    /// Copy a trail's public log as C2SP files: checkpoint, key, tiles, entries
    Mirror(Mirror),
    /// The key that signs a trail's checkpoints
    #[command(subcommand)]
    Key(Key),
    /// Check one environment from its records
    Fsck(Fsck),
    /// Erase one person's data; every proof still verifies
    Erase(Erase),
    /// Let personal data go that is older than a rule allows
    Retain(Retain),
    /// Legal holds: what they cover is not erased
    #[command(subcommand)]
    Hold(Hold),
    /// Run a C2SP witness for other people's trails
    Witness(Witness),
    /// Read-only SQL over the tables `logins`, `sessions`, `users`, `access`, `coverage` and `records`
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
    /// user-login-events, sign-in-failures, sign-outs, all-events, events-for-user (with user:NAME) or
    /// events-for-browser-session (with session:ID)
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
    /// As it was answered when the tree had this size, or at this time
    #[arg(long, value_name = "SIZE|TIME", allow_hyphen_values = true)]
    pub(crate) as_of: Option<String>,
    #[command(flatten)]
    pub(crate) question: Question,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// csv, xlsx, jsonl, parquet, ocsf, or csv-raw (without the guard against formulas)
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
pub(crate) struct Sessions {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E", required_unless_present = "file")]
    pub(crate) environment: Option<EnvironmentName>,
    /// A file, or - for standard input; touches no store
    #[arg(long, value_name = "FILE", conflicts_with = "environment")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// sessions, logon-without-logoff or logoff-without-logon
    #[arg(long, default_value = "sessions")]
    pub(crate) query: String,
    /// Began at or after: RFC 3339, a date (in --timezone), or relative (-7d) [default: seven days before --to]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    /// Began before: RFC 3339, a date (its end), or relative [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) part: Part,
    /// What must hold of the sign-in: user:alice ip:10.0.0.0/8 app:"Dynamics 365", or words
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) filter: Vec<String>,
}

/// Which part of an answer, and of which state of the trail.
#[derive(Clone, Debug, Args)]
pub(crate) struct Part {
    /// Rows to show; the total is always told
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    /// The `next` of the page before
    #[arg(long, value_name = "TOKEN")]
    pub(crate) page: Option<String>,
    /// As it was answered when the tree had this size, or at this time
    #[arg(long, value_name = "SIZE|TIME", allow_hyphen_values = true)]
    pub(crate) as_of: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Presence {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
    /// When: RFC 3339, a date (its beginning), or relative (-2h) [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) at: Option<String>,
    #[command(flatten)]
    pub(crate) part: Part,
    /// What must hold of the sign-in
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) filter: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AtOnce {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
    /// At or after [default: seven days before --to]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    /// Before [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
    /// Into how many stretches the range is cut
    #[arg(long, default_value_t = 24)]
    pub(crate) points: usize,
}

#[derive(Debug, Args)]
pub(crate) struct OfEnvironment {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
}

#[derive(Debug, Args)]
pub(crate) struct Dormant {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
    /// Days without a successful sign-in; 0 for everybody
    #[arg(long, default_value_t = 90)]
    pub(crate) days: u64,
    /// all, enabled or disabled
    #[arg(long, default_value = "all")]
    pub(crate) status: String,
    /// As it was when the tree had this size, or at this time
    #[arg(long, value_name = "SIZE|TIME", allow_hyphen_values = true)]
    pub(crate) as_of: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Aging {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
    /// Where ranges begin, in days
    #[arg(long, value_delimiter = ',', default_value = "10,30,60,90,120")]
    pub(crate) ranges: Vec<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct DistinctUsers {
    /// PROJECT/ENVIRONMENT
    #[arg(long, value_name = "P/E")]
    pub(crate) environment: EnvironmentName,
    /// At or after [default: seven days before --to]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) from: Option<String>,
    /// Before [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) to: Option<String>,
    /// One row for each user and day
    #[arg(long)]
    pub(crate) by_day: bool,
    /// What must hold of the sign-ins
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) filter: Vec<String>,
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
        /// What directories said of them through time: from when to when
        #[arg(long)]
        history: bool,
        /// The history as it was at a size of the tree or a time
        #[arg(long, value_name = "SIZE|TIME", requires = "history")]
        as_of: Option<String>,
        user: String,
    },
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
        /// ingest, read, scim or admin
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
