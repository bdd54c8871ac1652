//! What is not written here, and what is written instead.

use crate::{File, Problem, lexer};

/// Where a word is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// In the code of Rust files, tests included.
    Code,
    /// In the code of pure rooms, without tests.
    Pure,
    /// In all text of all files.
    Text,
    /// In all text of all files, without tests.
    TextOutsideTests,
}

/// A word with its replacement.
struct Ban {
    word: &'static str,
    scope: Scope,
    instead: &'static str,
}

const fn ban(word: &'static str, scope: Scope, instead: &'static str) -> Ban {
    Ban { word, scope, instead }
}

const BANS: &[Ban] = &[
    ban("todo!(", Scope::Code, "write it, or open an issue"),
    ban("unimplemented!(", Scope::Code, "return an error that says so"),
    ban("dbg!(", Scope::Code, "use tracing"),
    ban("#[ignore", Scope::Code, "make it fast, or run it from scripts/nightly.sh"),
    ban("should_panic", Scope::Code, "return an error and compare it"),
    ban("unsafe", Scope::Code, "there is a safe way, or a crate that has one"),
    ban("if backend ==", Scope::Code, "choose at start-up, behind a trait"),
    ban("SystemTime::now", Scope::Pure, "take the time as an argument"),
    ban("Instant::now", Scope::Pure, "take the time as an argument"),
    ban("Timestamp::now", Scope::Pure, "take the time as an argument"),
    ban("Zoned::now", Scope::Pure, "take the time as an argument"),
    ban("thread_rng", Scope::Pure, "take random bytes as an argument"),
    ban("getrandom", Scope::Pure, "take random bytes as an argument"),
    ban("fs::", Scope::Pure, "take `impl Read` or bytes"),
    ban("std::fs", Scope::Pure, "take `impl Read` or bytes"),
    ban("File::open", Scope::Pure, "take `impl Read` or bytes"),
    ban("TcpStream", Scope::Pure, "take bytes; only std::net's addresses are pure"),
    ban("TcpListener", Scope::Pure, "take bytes; only std::net's addresses are pure"),
    ban("UdpSocket", Scope::Pure, "take bytes; only std::net's addresses are pure"),
    ban("tokio", Scope::Pure, "be synchronous; the outer crates wait"),
    ban("async fn", Scope::Pure, "be synchronous; the outer crates wait"),
    ban("tamper-proof", Scope::Text, "say tamper-evident"),
    ban("tamperproof", Scope::Text, "say tamper-evident"),
    ban(concat!("/", "work/"), Scope::TextOutsideTests, "no paths of one machine"),
    ban(concat!("/", "root/"), Scope::TextOutsideTests, "no paths of one machine"),
    ban("/tmp/", Scope::TextOutsideTests, "no paths of one machine; in shell `mktemp -d`"),
];

/// Rooms without clock, randomness, files, sockets and async.
const PURE: &[&str] =
    &["crates/whowas-event/", "crates/whowas-tlog/", "crates/whowas-format/", "crates/whowas/src/demo/"];

/// Files that may write banned words, each with its reason.
const EXCEPTIONS: &[(&str, &str)] = &[("xtask/src/words.rs", "it is the list of them")];

/// Checks every file.
pub(crate) fn check(files: &[File]) -> Vec<Problem> {
    let checked = files.iter().filter(|file| !EXCEPTIONS.iter().any(|(path, _)| *path == file.path));
    checked.flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Problem> {
    let is_rust = file.path.ends_with(".rs");
    let code = if is_rust { lexer::code_only(&file.text) } else { String::new() };
    let lower = file.text.to_lowercase();
    let tests = lexer::test_blocks(&code);
    let is_test =
        |line| is_test_file(&file.path) || tests.iter().any(|&(from, to)| (from..=to).contains(&line));
    let is_pure = PURE.iter().any(|room| file.path.starts_with(room));
    let mut problems = Vec::new();
    for ban in BANS {
        let text = match ban.scope {
            Scope::Pure if !is_pure => continue,
            Scope::Code | Scope::Pure => &code,
            Scope::Text | Scope::TextOutsideTests => &lower,
        };
        for at in lexer::find_words(text, ban.word).filter(|&at| !is_inside_path(text, at)) {
            let line = lexer::line_of(text, at);
            if matches!(ban.scope, Scope::Code | Scope::Text) || !is_test(line) {
                problems.push(Problem::new(&file.path, line, format!("`{}`: {}", ban.word, ban.instead)));
            }
        }
    }
    problems.extend(code.lines().zip(1..).filter(|&(line, _)| is_bare_matches(line)).map(|(_, line)| {
        Problem::new(&file.path, line, "`matches!(…);` checks nothing: put `assert!` around it")
    }));
    let bare = timestamp_fields(&code).filter(|&line| !is_test(line));
    let instead = "field `timestamp`: say occurred_at, received_at or recorded_at";
    problems.extend(bare.map(|line| Problem::new(&file.path, line, instead)));
    problems
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("_tests.rs")
        || path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "fuzz" | "whowas-testkit"))
}

/// Whether a word that begins with a slash only goes on with another path, as the second half of `src/lib/` does.
fn is_inside_path(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    text.get(at..).is_some_and(|here| here.starts_with('/'))
        && before.is_some_and(|c| lexer::is_word(c) || matches!(c, '.' | '-' | '}' | '>' | '*' | '~'))
}

fn is_bare_matches(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("matches!(") && line.ends_with(");")
}

/// The lines on which something named `timestamp` gets a type or a value.
fn timestamp_fields(code: &str) -> impl Iterator<Item = usize> {
    lexer::find_words(code, "timestamp").filter_map(|at| {
        let after = code.get(at + "timestamp".len()..)?.trim_start();
        (after.starts_with(':') && !after.starts_with("::")).then(|| lexer::line_of(code, at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        check(&[file]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_ban_can_fail() {
        for ban in BANS {
            let text = format!("//! A\n{} x", ban.word);
            let problems = found("crates/whowas-event/src/a.rs", &text);
            let want = format!("crates/whowas-event/src/a.rs:2: `{}`: {}", ban.word, ban.instead);
            assert!(problems.contains(&want), "{}: {problems:?}", ban.word);
        }
        assert_eq!(found("a.md", "It is Tamper-Proof.").len(), 1);
        assert_eq!(found("a.rs", "struct A { timestamp: u64 }").len(), 1);
        assert_eq!(found("a.rs", "    matches!(a, B);").len(), 1);
    }

    #[test]
    fn what_is_allowed_stays_allowed() {
        for (path, text) in [
            ("crates/whowas-event/src/a.rs", "use std::net::IpAddr; // todo!( unsafe\nlet a = \"dbg!(\";"),
            ("crates/whowas-store/src/a.rs", "use std::fs; tokio::spawn(a); SystemTime::now();"),
            ("crates/whowas-event/tests/it.rs", "use std::fs; let a = \"/tmp/x\";"),
            ("crates/whowas-event/src/a.rs", "#[cfg(test)]\nmod tests {\n use std::fs;\n}"),
            ("a.rs", "datatype::timestamp::A; let b = matches!(a, B);"),
            ("a.md", "see frame\u{2f}work/ and a<timestamp>: b"),
        ] {
            assert_eq!(found(path, text), [""; 0], "{text}");
        }
    }
}
