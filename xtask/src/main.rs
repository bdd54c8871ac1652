//! Chores of the repository that are no part of the product. `cargo run -p xtask -- tidy` checks the
//! house rules; `cargo test -p xtask` runs the same checks, and shows of each that it can fail.
//!
//! A rule that matters is a test. Each check is a pure function on text; only [`tree`] reads files and
//! starts `cargo metadata`.

mod arrows;
mod docs;
mod lexer;
mod source;
mod tree;
mod words;

use std::{fmt, process::ExitCode};

/// A file of the repository.
struct File {
    /// From the root, with `/`.
    path: String,
    text: String,
}

/// A rule that is not kept.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    path: String,
    /// Counted from 1; 0 for the file as a whole.
    line: usize,
    text: String,
}

impl Problem {
    fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}

/// Everything that is wrong in the repository, or why that cannot be told.
fn tidy() -> Result<Vec<Problem>, String> {
    let files = tree::files()?;
    let mut problems = arrows::check(&tree::metadata()?, &tree::read("Cargo.lock")?)?;
    problems.extend(source::check(&files));
    problems.extend(words::check(&files));
    problems.extend(docs::check(&files, &tree::exists));
    problems.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    Ok(problems)
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() != Some("tidy") {
        eprintln!("usage: cargo run -p xtask -- tidy");
        return ExitCode::from(2);
    }
    match tidy() {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(problems) => {
            for problem in &problems {
                eprintln!("{problem}");
            }
            eprintln!("{} to tidy", problems.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let problems = tidy().unwrap();
        let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(list.is_empty(), "\n{}\n", list.join("\n"));
    }
}
