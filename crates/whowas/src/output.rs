//! What goes to the terminal: tables for people, JSON for programs.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::Serialize;
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::failure::Failure;

/// Log lines go to standard error, warnings and above unless `RUST_LOG` says otherwise. Of what others
/// wrote (the query engine, the HTTP library) never more than warnings: below, they quote what they work
/// on, and that may be people's data (`docs/LOGGING.md`).
pub(crate) fn log_to_stderr() {
    let chosen = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let is_ours =
        |target: &str| target == "whowas" || target.starts_with("whowas_") || target.starts_with("whowas::");
    let bound = filter_fn(move |metadata| *metadata.level() <= Level::WARN || is_ours(metadata.target()));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    tracing_subscriber::registry().with(lines.with_filter(chosen).with_filter(bound)).init();
}

/// One JSON object on a line of its own.
pub(crate) fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    let mut line = serde_json::to_vec(value).map_err(|e| Failure::failed(e.to_string()))?;
    line.push(b'\n');
    Ok(io::stdout().lock().write_all(&line)?)
}

/// One line on standard output. Whoever reads it may go away at any time: that is no failure.
pub(crate) fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    Ok(writeln!(io::stdout().lock(), "{text}")?)
}

/// A table with a header. Control characters in cells are shown, not sent: cells hold what strangers wrote.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<(), Failure> {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header(header.iter().copied());
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    Ok(writeln!(io::stdout().lock(), "{table}")?)
}

/// A text without characters that a terminal would obey or that turn the direction of writing.
pub(crate) fn printable(text: &str) -> String {
    let is_shown = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    text.chars().map(|c| if is_shown(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_obeyed() {
        assert_eq!(printable("a\u{1b}[31mb\u{202e}c\nd"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d");
        assert_eq!(printable("J\u{fc}rg \u{5f20}"), "J\u{fc}rg \u{5f20}");
    }
}
