//! Size and opening of source files.

use crate::{File, Problem, lexer};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Longer files, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Longer functions, each with file, name and reason.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Checks every Rust file.
pub(crate) fn check(files: &[File]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        problems.extend(opening(file));
        problems.extend(length(file));
        problems.extend(functions(file));
    }
    problems.extend(stale(files));
    problems
}

fn opening(file: &File) -> Option<Problem> {
    let text = "begins without `//!`: say what the file is, and what it is not";
    (!file.text.starts_with("//!")).then(|| Problem::new(&file.path, 1, text))
}

fn length(file: &File) -> Option<Problem> {
    let lines = file.text.lines().count();
    let is_excepted = LONG_FILES.iter().any(|(path, _)| *path == file.path);
    let text = || format!("{lines} lines, more than {FILE_LINES_MAX}: look for the wall in it");
    (lines > FILE_LINES_MAX && !is_excepted).then(|| Problem::new(&file.path, 0, text()))
}

fn functions(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    for function in lexer::functions(&lexer::code_only(&file.text)) {
        let lines = function.last + 1 - function.first;
        let is_excepted =
            LONG_FUNCTIONS.iter().any(|(path, name, _)| *path == file.path && *name == function.name);
        if lines > FUNCTION_LINES_MAX && !is_excepted {
            let text = format!("{} has {lines} lines, more than {FUNCTION_LINES_MAX}", function.name);
            problems.push(Problem::new(&file.path, function.first, text));
        }
    }
    problems
}

/// Exceptions for files that are no more.
fn stale(files: &[File]) -> Vec<Problem> {
    let paths = LONG_FILES.iter().map(|(path, _)| path).chain(LONG_FUNCTIONS.iter().map(|(path, ..)| path));
    let gone = paths.filter(|path| !files.iter().any(|file| file.path == **path));
    gone.map(|path| Problem::new(path, 0, "excepted in xtask/src/source.rs, but there is no such file"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let file = File { path: "a.rs".to_owned(), text: text.to_owned() };
        check(&[file]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_must_say_what_it_is() {
        assert_eq!(problems("//! A\n"), [""; 0]);
        assert_eq!(problems("use a;\n").len(), 1);
    }

    #[test]
    fn long_files_and_functions_are_found() {
        assert_eq!(problems(&format!("//! A\n{}", "\n".repeat(499))), [""; 0]);
        assert!(problems(&format!("//! A\n{}", "\n".repeat(500)))[0].starts_with("a.rs: 501 lines"));
        assert_eq!(problems(&format!("//! A\nfn f() {{{}}}", "\n".repeat(69))), [""; 0]);
        let braces = "let a = \"}\"; // }\n".repeat(70);
        assert_eq!(
            problems(&format!("//! A\nfn f() {{{braces}}}")),
            ["a.rs:2: f has 71 lines, more than 70"]
        );
    }
}
