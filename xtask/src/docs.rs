//! The documents: decisions are numbered without a gap, maps stay short, links lead somewhere.

use crate::{File, Problem};

const ARCHITECTURE_LINES_MAX: usize = 400;
const DECISIONS: &str = "docs/decisions/";

/// Checks all Markdown; `exists` says whether the repository has a file or folder.
pub(crate) fn check(files: &[File], exists: &dyn Fn(&str) -> bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    for needed in ["CHANGELOG.md", "ARCHITECTURE.md"] {
        if !exists(needed) {
            problems.push(Problem::new(needed, 0, "is missing"));
        }
    }
    let documents: Vec<&File> = files.iter().filter(|file| file.path.ends_with(".md")).collect();
    for file in &documents {
        let lines = file.text.lines().count();
        if file.path == "ARCHITECTURE.md" && lines > ARCHITECTURE_LINES_MAX {
            let text = format!("{lines} lines, more than {ARCHITECTURE_LINES_MAX}: a map, not a book");
            problems.push(Problem::new(&file.path, 0, text));
        }
        problems.extend(broken_links(file, exists));
    }
    let decisions = documents.iter().filter_map(|file| file.path.strip_prefix(DECISIONS));
    problems.extend(numbering(decisions.filter(|name| *name != "README.md").collect()));
    problems
}

/// Decisions are `NNNN-title.md`, from 0001 on, each number once.
fn numbering(mut names: Vec<&str>) -> Vec<Problem> {
    names.sort_unstable();
    let mut problems = Vec::new();
    for (name, want) in names.into_iter().zip(1_u32..) {
        let (digits, title) = name.split_once('-').unwrap_or((name, ""));
        let number = digits.parse::<u32>().ok().filter(|_| digits.len() == 4);
        if number != Some(want) || title.len() <= ".md".len() {
            let text = format!("should be {want:04}-title.md: numbers have no gaps and no doubles");
            problems.push(Problem::new(&format!("{DECISIONS}{name}"), 0, text));
        }
    }
    problems
}

fn broken_links(file: &File, exists: &dyn Fn(&str) -> bool) -> Vec<Problem> {
    let broken = links(&file.text).into_iter().filter(|(_, target)| {
        let path = target.split(['#', '?']).next().unwrap_or_default();
        !path.is_empty() && !resolve(&file.path, path).is_some_and(|path| exists(&path))
    });
    broken
        .map(|(line, target)| Problem::new(&file.path, line, format!("the link {target} leads nowhere")))
        .collect()
}

/// A path from the root of the repository; `None` if it leaves it.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { from.split('/').collect() };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/").replace("%20", " "))
}

/// The targets of links and pictures that are no addresses, with their lines. Code is left out.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut is_fenced = false;
    for (line, number) in text.lines().zip(1..) {
        if line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~") {
            is_fenced = !is_fenced;
        } else if !is_fenced {
            found.extend(line_links(line).into_iter().map(|target| (number, target)));
        }
    }
    found
}

fn line_links(line: &str) -> Vec<String> {
    // Every second piece between backticks is code.
    let prose: String =
        line.split('`').enumerate().map(|(at, piece)| if at % 2 == 0 { piece } else { "code" }).collect();
    let inline = prose.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let reference = prose.starts_with('[').then(|| prose.split_once("]: ")).flatten();
    let reference = reference.and_then(|(_, rest)| rest.split_whitespace().next());
    let targets = inline.chain(reference).map(|target| target.trim_matches(['<', '>']));
    let is_ours = |target: &&str| !target.contains("://") && !target.starts_with("mailto:");
    targets.filter(is_ours).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let mut all = vec![("CHANGELOG.md", ""), ("ARCHITECTURE.md", "")];
        all.retain(|(path, _)| !files.iter().any(|(other, _)| other == path));
        all.extend_from_slice(files);
        let files: Vec<File> = all
            .iter()
            .map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() })
            .collect();
        check(&files, &|path| all.iter().any(|(other, _)| *other == path))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn documents_that_must_be_are_missed() {
        assert_eq!(check(&[], &|_| false).len(), 2);
        assert_eq!(found(&[("ARCHITECTURE.md", &"a\n".repeat(401))]).len(), 1);
        assert_eq!(found(&[("ARCHITECTURE.md", &"a\n".repeat(400))]), [""; 0]);
    }

    #[test]
    fn decisions_are_numbered_without_a_gap() {
        let decision = |name: &str| format!("docs/decisions/{name}");
        let names = [decision("0001-a.md"), decision("0002-b.md"), decision("README.md")];
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
        assert_eq!(found(&files), [""; 0]);
        for bad in ["0003-c.md", "0001-c.md", "2-c.md", "0002.md", "notes.md"] {
            let second = decision(bad);
            assert_eq!(found(&[("docs/decisions/0001-a.md", ""), (&second, "")]).len(), 1, "{bad}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let text =
            "[a](b.md) ![c](../CHANGELOG.md#x) [d](https://e.example/f) [g](#h) `[i](j)`\n```\n[k](l)\n```\n";
        assert_eq!(found(&[("docs/a.md", text), ("docs/b.md", "")]), [""; 0]);
        assert_eq!(found(&[("docs/a.md", text)]), ["docs/a.md:1: the link b.md leads nowhere"]);
        assert_eq!(found(&[("a.md", "[x]: gone.md")]), ["a.md:1: the link gone.md leads nowhere"]);
        assert_eq!(found(&[("a.md", "[x](../../etc)")]).len(), 1);
    }
}
