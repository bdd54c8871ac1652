//! A report for an auditor: headings, facts, tables and room for signatures, as a page of HTML or as PDF.
//!
//! What stands in it is decided by whoever asks the trail. This module lays it out, twice, from one [`Report`];
//! it knows no clock and asks nothing. Everything it is given may be hostile: HTML is escaped, and a character
//! that the embedded font lacks (scripts beyond Latin, Greek and Cyrillic, controls, bidi marks) is shown as □
//! in the PDF, which says so.

mod font;
mod html;
mod layout;
mod pdf;

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it is called.
    pub title: String,
    /// What it is about, in one line.
    pub subtitle: String,
    /// At the foot of every page of the PDF.
    pub foot: String,
    /// Its parts.
    pub sections: Vec<Section>,
}

/// A part of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// What stands in it.
    pub blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Names with values.
    Facts(Vec<(String, String)>),
    /// Rows under headings.
    Table {
        /// The headings.
        columns: Vec<String>,
        /// The rows, each with a cell for every heading.
        rows: Vec<Vec<String>>,
    },
    /// Text whose lines stay as they are.
    Code(String),
    /// Lines to sign on, each for this role.
    SignOffs(Vec<String>),
}

impl Report {
    /// The whole as one page of HTML that needs nothing else.
    pub fn to_html(&self) -> String {
        html::page(self)
    }

    /// What stands in the page, without head and style: for pages that have their own.
    pub fn to_html_body(&self) -> String {
        html::body(self)
    }

    /// The whole as PDF with the fonts in it.
    pub fn to_pdf(&self) -> Vec<u8> {
        pdf::write(self)
    }
}

#[cfg(test)]
mod tests;
