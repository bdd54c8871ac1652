//! A report as HTML: escaped by one function, with a style that prints.

use super::{Block, Report};

const STYLE: &str = "
@page { size: A4; margin: 18mm 16mm; }
body { font: 10.5pt/1.45 system-ui, 'Segoe UI', Roboto, sans-serif; color: #1d2429; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6em; margin: 0 0 .2em; } h2 { font-size: 1.15em; margin: 1.8em 0 .5em; break-after: avoid; }
.subtitle { color: #5b6770; margin: 0 0 1.5em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2em 1.5em; margin: .5em 0; } dt { color: #5b6770; } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .5em 0; font-size: .92em; } thead { display: table-header-group; } tr { break-inside: avoid; }
th, td { text-align: left; vertical-align: top; padding: .25em .6em .25em 0; border-bottom: 1px solid #dde2e6; overflow-wrap: anywhere; }
pre { background: #f6f7f8; padding: .7em 1em; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85em; }
.sign { display: grid; grid-template-columns: 11em 1fr 1fr 8em; gap: 1.2em; margin: 2.4em 0 0; break-inside: avoid; } .sign span { border-top: 1px solid #1d2429; font-size: .8em; color: #5b6770; } .sign b { font-weight: 600; }
";

pub(super) fn page(report: &Report) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
        escaped(&report.title),
        body(report)
    )
}

pub(super) fn body(report: &Report) -> String {
    let mut out = format!(
        "<h1>{}</h1>\n<p class=\"subtitle\">{}</p>\n",
        escaped(&report.title),
        escaped(&report.subtitle)
    );
    for section in &report.sections {
        out += &format!("<h2>{}</h2>\n", escaped(&section.title));
        for block in &section.blocks {
            write(block, &mut out);
        }
    }
    out
}

fn write(block: &Block, out: &mut String) {
    match block {
        Block::Text(text) => *out += &format!("<p>{}</p>\n", escaped(text)),
        Block::Code(text) => *out += &format!("<pre><code>{}</code></pre>\n", escaped(text)),
        Block::Facts(facts) => {
            *out += "<dl>\n";
            for (name, value) in facts {
                *out += &format!("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(value));
            }
            *out += "</dl>\n";
        }
        Block::Table { columns, rows } => {
            let cells = |tag: &str, cells: &[String]| -> String {
                let (open, close) =
                    (format!("<{tag}>"), format!("</{}>", tag.split(' ').next().unwrap_or(tag)));
                cells.iter().map(|cell| format!("{open}{}{close}", escaped(cell))).collect()
            };
            *out += &format!(
                "<table>\n<thead><tr>{}</tr></thead>\n<tbody>\n",
                cells("th scope=\"col\"", columns)
            );
            for row in rows {
                *out += &format!("<tr>{}</tr>\n", cells("td", row));
            }
            *out += "</tbody>\n</table>\n";
        }
        Block::SignOffs(roles) => {
            for role in roles {
                *out += &format!(
                    "<div class=\"sign\"><b>{}</b><span>Name</span><span>Signature</span><span>Date</span></div>\n",
                    escaped(role)
                );
            }
        }
    }
}

/// Controls and bidi marks go: what they would do to the lines around them is nobody's intention but an attacker's.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\n' => out.push('\n'),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push('\u{fffd}')
            }
            other if other.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
