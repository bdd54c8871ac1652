//! Tests of reading JSON record by record.

use super::*;

/// Gives `n` bytes at a time, so that every seam between chunks is tried.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.1.min(out.len());
        (&mut self.0).take(n as u64).read(out)
    }
}

fn told(text: &str) -> Vec<String> {
    let read = |input: &mut dyn Read| {
        let mut out = Vec::new();
        let count = read_records(input, &mut |found| {
            out.push(match found {
                Ok(record) => match serde_json::from_slice::<Value>(record.raw) {
                    Ok(value) => format!("{}: {value}", record.place.line.unwrap()),
                    Err(error) => {
                        let problem = record.parse_problem(&error);
                        format!("{}: {}", problem.place, problem.reason)
                    }
                },
                Err(problem) => format!("{}: {}", problem.place, problem.reason),
            });
            Ok(())
        });
        assert_eq!(count.unwrap(), out.len() as u64);
        out
    };
    let at_once = read(&mut text.as_bytes());
    assert_eq!(at_once, read(&mut Drip(text.as_bytes(), 1)));
    at_once
}

#[test]
fn every_framing_gives_the_same_records() {
    for (text, want) in [
        ("{\"a\":1}\n{\"a\":2}\r\n\n{\"a\":3}", ["1: {\"a\":1}", "2: {\"a\":2}", "4: {\"a\":3}"]),
        ("{\"a\":1},\n{\"a\":2},\n{\"a\":3},\n", ["1: {\"a\":1}", "2: {\"a\":2}", "3: {\"a\":3}"]),
        ("[{\"a\":1},{\"a\":2},{\"a\":3}]", ["1: {\"a\":1}", "1: {\"a\":2}", "1: {\"a\":3}"]),
        ("[\n{\"a\":1},\n{\"a\":2},\n{\"a\":3}\n]\n", ["2: {\"a\":1}", "3: {\"a\":2}", "4: {\"a\":3}"]),
        ("{\"a\":1}{\"a\":2} {\"a\":3}", ["1: {\"a\":1}", "1: {\"a\":2}", "1: {\"a\":3}"]),
        ("{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n{\"a\":3}", ["1: {\"a\":1}", "4: {\"a\":2}", "7: {\"a\":3}"]),
        (
            "{\"@odata.context\":\"x\",\"value\":[{\"a\":1},{\"a\":2}],\"@odata.nextLink\":\"[{\"}\n{\"value\":[{\"a\":3}]}",
            ["1: {\"a\":1}", "1: {\"a\":2}", "2: {\"a\":3}"],
        ),
        (
            "{\"n\":[],\"records\": [\n{\"a\":1}]}\n{\"records\":[]}\n{\"records\":[{\"a\":2},\n{\"a\":3}],\"x\":{}}",
            ["2: {\"a\":1}", "4: {\"a\":2}", "5: {\"a\":3}"],
        ),
        ("[{\"a\":1}]\n[{\"a\":2}]\n{\"a\":3}", ["1: {\"a\":1}", "2: {\"a\":2}", "3: {\"a\":3}"]),
    ] {
        assert_eq!(told(text), want, "{text}");
    }
    assert_eq!(told(""), [""; 0]);
    assert_eq!(told(" {\"value\": [ ] } \n"), [""; 0]);
}

#[test]
fn an_object_that_only_looks_like_a_wrapper_is_a_record() {
    for text in
        ["{\"value\":[1]}", "{\"value\":7}", "{\"b\":{\"records\":[{}]}}", "{\"b\":\"}{\",\"value\":\"[{\"}"]
    {
        assert_eq!(told(text), [format!("1: {}", text.parse::<Value>().unwrap())]);
        let second = format!("{{}}\n{text}");
        assert_eq!(told(&second)[1], format!("2: {}", text.parse::<Value>().unwrap()));
    }
}

#[test]
fn a_bad_line_costs_only_itself() {
    assert_eq!(
        told("{\"a\":1}\n{\"a\":}\n{\"a\":\"x\n{\"a\":2\nnonsense\n{\"a\":[}\n{\"a\":3}"),
        [
            "1: {\"a\":1}",
            "line 2, column 6: not valid JSON: expected value: correct it, or export the file again, and import it once more",
            "line 3, column 8: a line ends within a string: correct it, or export the file again, and import it once more",
            "line 5, column 9: the record that begins on line 4 is cut off, the next one begins behind it: correct it, or export the file again, and import it once more",
            "line 6, column 7: not valid JSON: expected value: correct it, or export the file again, and import it once more",
            "7: {\"a\":3}",
        ]
    );
}

#[test]
fn a_bad_element_costs_only_its_place() {
    assert_eq!(
        told("[{\"a\":1}, 7, \"x,y\", [{}], {\"a\":},\n  {\"a\":[}, {\"a\":0},\n  {\"a\":2}]"),
        [
            "1: {\"a\":1}",
            "line 1, column 11: an element of the array is not a JSON object: a record stands in braces",
            "line 1, column 14: an element of the array is not a JSON object: a record stands in braces",
            "line 1, column 21: an element of the array is not a JSON object: a record stands in braces",
            "line 1, column 32: not valid JSON: expected value: correct it, or export the file again, and import it once more",
            "line 2, column 9: a } that closes nothing: correct it, or export the file again, and import it once more",
            "3: {\"a\":2}",
        ]
    );
}

#[test]
fn what_is_cut_off_is_told_behind_all_that_is_whole() {
    let middle = "the JSON ends in the middle of a record: the file is cut off; export or copy it again";
    assert_eq!(
        told("{\"a\":1}\n{\"a\":\"2"),
        ["1: {\"a\":1}".to_owned(), format!("line 2, column 8: {middle}")]
    );
    // The array that is not closed either is no second record.
    assert_eq!(
        told("{\"value\":[{\"a\":1},\n{\"a\":2"),
        ["1: {\"a\":1}".to_owned(), format!("line 2, column 7: {middle}")]
    );
    assert_eq!(
        told("[{\"a\":1},\n{\"b\":\n  [\"ü\", 2\n "),
        [
            "1: {\"a\":1}",
            "line 3, column 10: the JSON ends in the middle of a record that begins on line 2: the file is cut off; export or copy it again"
        ]
    );
    assert_eq!(
        told("[{\"a\":1},"),
        [
            "1: {\"a\":1}",
            "line 1, column 10: the JSON ends before its array is closed: the file is cut off; export or copy it again"
        ]
    );
    assert_eq!(
        told("{\"value\":[{\"a\":1}], \"x\":"),
        [
            "1: {\"a\":1}",
            "line 1, column 25: the JSON ends within what is around its records: the file is cut off; export or copy it again"
        ]
    );
}

#[test]
fn columns_count_characters() {
    assert_eq!(
        told("{\"ä\":\"ö\"} {\"ü\":\"€\", x}\n{\"a\":1}"),
        [
            "1: {\"ä\":\"ö\"}",
            "line 1, column 21: not valid JSON: key must be a string: correct it, or export the file again, and import it once more",
            "2: {\"a\":1}"
        ]
    );
    let record = JsonRecord {
        place: Place { record: 1, line: Some(3), column: Some(5) },
        raw: "{\"ä\":1, \"b\":2,\n \"c\":3, \"d\":{\"b\":0}}".as_bytes(),
    };
    let place = |member| record.problem_at(member, "no").place.to_string();
    assert_eq!(place("ä"), "line 3, column 6");
    assert_eq!(place("c"), "line 4, column 2");
    assert_eq!(place("b"), "line 3, column 5", "it is there twice");
    assert_eq!(place("e"), "line 3, column 5", "it is not there");
}

#[test]
fn giants_and_abysses_are_problems() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(RECORD_BYTES_MAX * 2));
    let giant = "the record is longer than 1 MiB: shorten its texts at the source, or remove it";
    for text in [format!("{{}}\n{long}\n{{}}"), format!("[{{}}\n,{long}\n,{{}}]")] {
        let mut out = Vec::new();
        read_records(&mut text.as_bytes(), &mut |found| {
            if let Err(problem) = &found {
                assert_eq!(problem.raw.len(), PROBLEM_RAW_BYTES_MAX);
            }
            out.push(found.map(|record| record.place.line.unwrap()).map_err(|problem| problem.reason));
            Ok(())
        })
        .unwrap();
        assert_eq!(out, [Ok(1), Err(giant.to_owned()), Ok(3)]);
    }
    let deep = format!("[{}\n{{\"b\":1}}]", "{\"a\":".repeat(200));
    assert_eq!(
        told(&deep),
        [
            "line 1, column 637: nested deeper than 127 levels: correct it, or export the file again, and import it once more",
            "2: {\"b\":1}"
        ]
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic_and_seams_do_not_matter(parts in proptest::collection::vec(proptest::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\n", " ", "1", "\"a\":", "\"value\":[", "{\"a\":1}", "x",
    ]), 0..25)) {
        told(&parts.concat());
    }
}
