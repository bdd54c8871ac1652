//! Tables as exports have them, and as damage leaves them.

use super::*;

/// Every row as its place and its fields with `|` between them, every problem as its place and reason.
fn rows(text: &[u8]) -> Vec<String> {
    let mut input = text;
    let mut table = match Table::open(&mut input) {
        Ok(table) => table,
        Err(error) => return vec![error.to_string()],
    };
    let mut out = vec![table.header().names().join("|")];
    while let Some(line) = table.next_line().unwrap() {
        out.push(match line {
            Line::Row(row) => format!("{}: {}", row.place, row.fields().collect::<Vec<_>>().join("|")),
            Line::Problem(problem) => format!("{}: {}", problem.place, problem.reason),
        });
    }
    out
}

#[test]
fn delimiters_and_headers_as_exports_have_them() {
    assert_eq!(rows(b"\xef\xbb\xbfUser  name ,\"a,b\"\r\nada,1\r\n"), ["User name|a,b", "line 2: ada|1"]);
    assert_eq!(rows(b"a;b\n1,5;2\n"), ["a|b", "line 2: 1,5|2"]);
    assert_eq!(rows(b"sep=;\r\na;b,c\r\n1;2\r\n"), ["a|b,c", "line 3: 1|2"]);
    assert_eq!(rows(b"a\tb\n1\t2"), ["a|b", "line 2: 1|2"]);
    assert_eq!(rows(b""), ["the file is empty, it has no header row: export or copy it again"]);
    let header = Header::new(["\u{feff}Application  ID ", "Token", "token"]);
    assert_eq!(header.find("application id"), Some(0));
    assert_eq!(header.repeated(), ["token"]);
}

#[test]
fn places_and_raw_bytes_are_those_of_the_file() {
    let text = b"a,b\r\n\r\n1,\"x\ny \"\"z\"\"\"\r\n,\r\n2,3,,\r\n";
    assert_eq!(rows(text), ["a|b", "line 3: 1|x\ny \"z\"", "line 6: 2|3"]);
    let mut input = &text[..];
    let mut table = Table::open(&mut input).unwrap();
    let Some(Line::Row(row)) = table.next_line().unwrap() else { panic!("a row") };
    assert_eq!(row.raw, b"1,\"x\ny \"\"z\"\"\"");
    assert_eq!(row.text(Some(1)), Some("x\ny \"z\""));
    assert_eq!((row.text(None), row.field(2)), (None, None));
    assert_eq!(row.problem(Some(1), "no").place, Place { record: 1, line: Some(3), column: Some(2) });
}

#[test]
fn a_bad_row_costs_only_itself() {
    assert_eq!(
        rows(b"a,b\n1\n1,2,3\n\xff,2\n\"open,2\n3,4\n5,6\n"),
        [
            "a|b",
            "line 2, column 2: the row has 1 fields, the header 2: is a field with the delimiter in it unquoted?",
            "line 3, column 3: the row has 3 fields, the header 2: is a field with the delimiter in it unquoted?",
            "line 4, column 1: the row is not UTF-8: save the file as UTF-8 and import it once more",
            "line 5, column 1: a quote is opened and never closed: close it and import the file once more",
            "line 6: 3|4",
            "line 7: 5|6",
        ]
    );
}

#[test]
fn a_giant_row_is_a_problem_and_reading_goes_on() {
    let mut text = b"a,b\n1,\"".to_vec();
    text.extend(std::iter::repeat_n(b'x', RECORD_BYTES_MAX * 2));
    text.extend_from_slice(b"\n2,3\n");
    let tail = [
        "line 2, column 2: the row is longer than 1 MiB: close the quote if one is open, or shorten it",
        "line 3: 2|3",
    ];
    assert_eq!(rows(&text)[1..], tail);
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(text in proptest::collection::vec(proptest::sample::select(b"ab,;\"\n\r\t\xff".to_vec()), 0..60)) {
        rows(&text);
    }
}
