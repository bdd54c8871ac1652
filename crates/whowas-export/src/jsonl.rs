//! JSON Lines: one row, one object, one line.

use whowas_query::LoginRow;

/// Appends a row and its line feed.
pub fn jsonl_row(row: &LoginRow, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, row).expect("a row is plain data, and a vector takes every byte");
    out.push(b'\n');
}
