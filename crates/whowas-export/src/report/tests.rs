//! What a report shows, and what hostile values cannot do in it.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use super::*;

fn report() -> Report {
    let cell = |text: &str| text.to_owned();
    let rows =
        (0..120).map(|n| vec![format!("user{n}@contoso.example"), format!("{n} 000"), "x".repeat(n * 9)]);
    Report {
        title: cell("Sign-ins of contoso/production"),
        subtitle: cell("2026-11-01 to 2026-11-24"),
        foot: cell("whowas · contoso/production"),
        sections: vec![
            Section {
                title: cell("Scope"),
                blocks: vec![
                    Block::Text(cell("Who was signed in, Zoë Müller-Łukasz, Ελένη and Пётр among them.")),
                    Block::Facts(vec![(
                        cell("Filter"),
                        cell("<script>alert(1)</script> \u{202e}evil \u{1b}[31m 王"),
                    )]),
                    Block::Code(cell("log.example/x\n7\nabc=\n\n— key 1234\n")),
                ],
            },
            Section {
                title: cell("Users"),
                blocks: vec![Block::Table {
                    columns: ["User", "Sign-ins", "Client"].map(cell).to_vec(),
                    rows: rows.collect(),
                }],
            },
            Section {
                title: cell("Signatures"),
                blocks: vec![Block::SignOffs(["Prepared by", "Reviewed by"].map(cell).to_vec())],
            },
        ],
    }
}

#[test]
fn html_is_whole_and_inert() {
    let page = report().to_html();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; \u{fffd}evil \u{fffd}[31m 王"), "{page}");
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("href="));
    for part in
        ["<h2>Users</h2>", "<th scope=\"col\">Sign-ins</th>", "user119@contoso.example", "Reviewed by"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("<tr>").count(), page.matches("</tr>").count());
    assert!(page.contains(&report().to_html_body()));
}

/// What `pdftotext` reads; `None` where it is not installed.
fn read(pdf: &[u8]) -> Option<String> {
    let mut command = Command::new("pdftotext");
    command.args(["-layout", "-enc", "UTF-8", "-", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.stderr(Stdio::piped()).spawn() else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "pdftotext (poppler-utils) is not installed");
        println!("skipped: pdftotext is not installed");
        return None;
    };
    let mut input = child.stdin.take().unwrap();
    let bytes = pdf.to_vec();
    let writing = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "the file is read without a complaint");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn another_program_reads_the_pdf() {
    let pdf = report().to_pdf();
    assert!(pdf.starts_with(b"%PDF-1.7") && pdf.len() < 200_000, "{}", pdf.len());
    assert_eq!(pdf, report().to_pdf(), "the same report is the same file");
    let Some(text) = read(&pdf) else { return };
    for part in [
        "Sign-ins of contoso/production",
        "Zoë Müller-Łukasz, Ελένη and Пётр",
        "<script>alert(1)</script> □evil □[31m □",
        "user0@contoso.example",
        "user119@contoso.example",
        "Reviewed by",
        "— key 1234",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let pages = text.matches('\u{c}').count();
    assert!(
        pages >= 4
            && text.contains(&format!("1 of {pages}"))
            && text.contains(&format!("{pages} of {pages}"))
    );
    assert_eq!(text.matches("Sign-ins  ").count(), pages_with_table(&text), "the headings are on every page");
}

fn pages_with_table(text: &str) -> usize {
    text.split('\u{c}').filter(|page| page.contains("@contoso.example")).count()
}

#[test]
fn nothing_at_all_is_a_report_too() {
    let empty =
        Report { title: String::new(), subtitle: String::new(), foot: String::new(), sections: vec![] };
    assert!(empty.to_pdf().starts_with(b"%PDF"));
    let odd = Report {
        sections: vec![Section {
            title: "x".repeat(10_000),
            blocks: vec![
                Block::Table { columns: vec![], rows: vec![vec!["a".into()]] },
                Block::Facts(vec![]),
            ],
        }],
        ..empty
    };
    assert!(odd.to_pdf().starts_with(b"%PDF") && odd.to_html().contains("</html>"));
}
