//! As much of Rust's lexical structure as the checks need: where code is, where functions and tests are.

/// `source` with comments and the insides of strings and characters turned into spaces. Lines stay.
pub(crate) fn code_only(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    let mut is_in_word = false;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest, is_in_word);
        let (head, after) = rest.split_at(if length == 0 { first.len_utf8() } else { length });
        if length == 0 {
            out.push(first);
        } else {
            out.extend(head.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        is_in_word = length == 0 && is_word(first);
        rest = after;
    }
    out
}

/// How many bytes at the beginning of `rest` are no code.
fn skipped(rest: &str, is_in_word: bool) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    if is_in_word { 0 } else { raw_string(rest) }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_u32;
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of a text in quotes, with backslash escapes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// The length of a character literal; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let mut after = rest.char_indices().skip(1);
    match (after.next(), after.next()) {
        (Some((_, '\\')), _) => quoted(rest, '\''),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// The length of `r"…"`, `r#"…"#` and their byte and C forms; 0 for anything else.
fn raw_string(rest: &str) -> usize {
    let Some(body) = ["br", "cr", "r"].iter().find_map(|prefix| rest.strip_prefix(prefix)) else { return 0 };
    let inner = body.trim_start_matches('#');
    let hashes = body.len() - inner.len();
    if !inner.starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - inner.len() + 1;
    let found = rest.get(start..).and_then(|text| text.find(&end));
    found.map_or(rest.len(), |at| start + at + end.len())
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where `word` stands in `text` as a word of its own.
pub(crate) fn find_words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let begins = word.starts_with(is_word);
    let ends = word.ends_with(is_word);
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|after| after.chars().next());
        !(begins && before.is_some_and(is_word) || ends && after.is_some_and(is_word))
    })
}

/// The line, counted from 1, of a place in a text.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).map_or(0, |before| before.matches('\n').count()) + 1
}

/// A function with its first and last line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// The functions with a body in `code`, which is the result of [`code_only`].
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for at in find_words(code, "fn") {
        let rest = code.get(at + 2..).unwrap_or_default();
        let name: String = rest.trim_start().chars().take_while(|&c| is_word(c)).collect();
        if name.is_empty() {
            continue; // the type of a function pointer
        }
        if let Some(end) = body_end(code, at) {
            found.push(Function { name, first: line_of(code, at), last: line_of(code, end) });
        }
    }
    found
}

/// The place of the brace that closes the first block after `at`; `None` if a semicolon comes first.
pub(crate) fn body_end(code: &str, at: usize) -> Option<usize> {
    let (mut braces, mut brackets) = (0_i32, 0_i32);
    for (offset, c) in code.get(at..)?.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if braces == 0 && brackets == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 {
                    return Some(at + offset);
                }
            }
            _ => {}
        }
    }
    None
}

/// The lines, first and last, of the blocks under `#[cfg(test)]`.
pub(crate) fn test_blocks(code: &str) -> Vec<(usize, usize)> {
    let attributes = code.match_indices("#[cfg(test)]");
    let blocks = attributes.filter_map(|(at, text)| Some((at, body_end(code, at + text.len())?)));
    blocks.map(|(at, end)| (line_of(code, at), line_of(code, end))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_is_left() {
        for (source, want) in [
            ("a // {\nb", "a     \nb"),
            ("a /* { /* } */ { */ b", "a                   b"),
            (r#"x("{\"}{", '{')"#, "x(       ,    )"),
            (r"let c = '\''; '\u{7b}'", r"let c =     ;         "),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("r#\"{\"}\"# + br\"{\" + r#type", "         +       + r#type"),
            ("'é' 'x", "    'x"),
            ("\"open", "     "),
        ] {
            assert_eq!(code_only(source), want, "{source}");
        }
    }

    #[test]
    fn functions_have_their_lines() {
        let code =
            "fn a() {\n  if b { }\n}\ntrait T { fn c(x: [u8; 2]); fn d(f: fn(u8)) -> [u8; 2] {\n\n } }\n";
        let found: Vec<_> = functions(code).into_iter().map(|f| (f.name, f.first, f.last)).collect();
        assert_eq!(found, [("a".to_owned(), 1, 3), ("d".to_owned(), 4, 6)]);
    }

    #[test]
    fn test_blocks_are_found_and_test_files_are_none() {
        assert_eq!(test_blocks("a\n#[cfg(test)]\nmod tests {\n{}\n}\nb"), [(2, 5)]);
        assert_eq!(test_blocks("#[cfg(test)]\nmod tests;\nfn a() {}"), []);
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(find_words("unsafe unsafely x_unsafe", "unsafe").collect::<Vec<_>>(), [0]);
        assert_eq!(find_words("todo!(a) a_todo!(", "todo!(").collect::<Vec<_>>(), [0]);
    }
}
