//! Tests of reading dates.

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::testing::options;

fn shown(text: &str, options: &Options) -> String {
    match parse(text, options) {
        Ok(found) => format!("{}{}", found.time, if found.is_without_zone { " local" } else { "" }),
        Err(error) => error.to_string(),
    }
}

fn in_order(order: DateOrder) -> Options {
    Options { date_order: Some(order), ..options() }
}

#[test]
fn notations_that_say_one_thing() {
    for (text, want) in [
        ("2025-03-12T07:22:01.5Z", "2025-03-12T07:22:01.500Z"),
        ("2025-03-12T07:22:01+01:00", "2025-03-12T06:22:01.000Z"),
        ("2025-03-12 07:22Z", "2025-03-12T07:22:00.000Z"),
        ("2025-03-12 07:22:01 -0530", "2025-03-12T12:52:01.000Z"),
        ("2025-03-12 07:22:01.25 UTC", "2025-03-12T07:22:01.250Z"),
        ("3/13/2025 7:22 AM GMT+1", "2025-03-13T06:22:00.000Z"),
        ("2025-03-12 07:22", "2025-03-12T07:22:00.000Z local"),
        ("2025/3/2 7:02:01,1239", "2025-03-02T07:02:01.123Z local"),
        ("2025-03-12", "2025-03-12T00:00:00.000Z local"),
        ("12.3.2025 7:22", "2025-03-12T07:22:00.000Z local"),
        ("13/3/2025 7:22:09", "2025-03-13T07:22:09.000Z local"),
        ("3/13/2025, 7:22:09 PM", "2025-03-13T19:22:09.000Z local"),
        ("3/13/2025 12:00\u{202f}a.m.", "2025-03-13T00:00:00.000Z local"),
        ("\u{200e}3\u{200e}/\u{200e}13\u{200e}/2025 12:30 pm", "2025-03-13T12:30:00.000Z local"),
        ("5/5/2025 1:00 AM", "2025-05-05T01:00:00.000Z local"),
        ("45728.5", "2025-03-12T12:00:00.000Z local"),
        ("45728,306956018518", "2025-03-12T07:22:01.000Z local"),
    ] {
        assert_eq!(shown(text, &options()), want, "{text}");
    }
}

#[test]
fn what_is_refused_says_why() {
    for (text, want) in [
        (
            "3/12/2025 7:22",
            "`3/12/2025 7:22` is either 3 December 2025 or 12 March 2025: pass `--date-order dmy` or `--date-order mdy`",
        ),
        (
            "12-03-2025 07:22 AM",
            "`12-03-2025 07:22 AM` is either 12 March 2025 or 3 December 2025: pass `--date-order dmy` or `--date-order mdy`",
        ),
        (
            "30.2.2025 7:22",
            "`30.2.2025 7:22`: there is no 30 February 2025; correct it and import the file once more",
        ),
        ("13/13/2025", "`13/13/2025`: there is no month 13; correct it and import the file once more"),
        (
            "2025-03-12 25:00",
            "`2025-03-12 25:00`: there is no time of day 25:00:00; correct it and import the file once more",
        ),
        ("12.3.25 7:22", "`12.3.25 7:22` writes the year with two digits: export it with four"),
        ("2025", "`2025` is not a date and time in a known notation, such as 2025-03-12 07:22:01"),
        ("0000-01-01", "`0000-01-01` is outside the years 1 to 9999"),
        ("yesterday", "`yesterday` is not a date and time in a known notation, such as 2025-03-12 07:22:01"),
        ("1900-01-01 00:00:00", "1900-01-01 stands for no date"),
        ("12/31/1899 7:00 PM", "1900-01-01 stands for no date"),
        ("1900-01-01T00:00:00Z", "1900-01-01 stands for no date"),
        ("1", "1900-01-01 stands for no date"),
        ("0", "1900-01-01 stands for no date"),
    ] {
        assert_eq!(shown(text, &options()), want, "{text}");
    }
    for text in
        ["", "2025", "20250312", "2025-03-12 7", "2025-03-12 13:00 PM", "2025-03-12 07:22 Uhr", "1/2/3/2025"]
    {
        let error = parse(text, &options()).unwrap_err();
        assert!(!matches!(error, DateError::Ambiguous { .. } | DateError::NoDate), "{text}: {error}");
    }
    assert!(parse(&"9".repeat(1000), &options()).is_err());
}

#[test]
fn an_order_decides_and_is_checked() {
    let (day_first, month_first) = (in_order(DateOrder::DayMonthYear), in_order(DateOrder::MonthDayYear));
    assert_eq!(shown("3/12/2025 7:22", &day_first), "2025-12-03T07:22:00.000Z local");
    assert_eq!(shown("3/12/2025 7:22", &month_first), "2025-03-12T07:22:00.000Z local");
    // Dots and a leading year are not in question.
    assert_eq!(shown("3.12.2025 7:22", &month_first), "2025-12-03T07:22:00.000Z local");
    assert_eq!(shown("2025-03-12 7:22", &day_first), "2025-03-12T07:22:00.000Z local");
    assert_eq!(
        shown("3/13/2025 7:22", &day_first),
        "`3/13/2025 7:22` contradicts `--date-order dmy`: that order is wrong for this file"
    );
    assert_eq!(
        shown("13/3/2025 7:22", &month_first),
        "`13/3/2025 7:22` contradicts `--date-order mdy`: that order is wrong for this file"
    );
}

#[test]
fn the_source_zone_decides_where_there_is_none() {
    let zurich = Options { source_timezone: TimeZone::get("Europe/Zurich").unwrap(), ..options() };
    for (text, want) in [
        ("12.3.2025 7:22", "2025-03-12T06:22:00.000Z local"),
        ("12.7.2025 7:22", "2025-07-12T05:22:00.000Z local"),
        // Clocks skip this hour, and show that one twice: the first one counts.
        ("30.3.2025 2:30", "2025-03-30T01:30:00.000Z local"),
        ("26.10.2025 2:30", "2025-10-26T00:30:00.000Z local"),
        ("12.7.2025 7:22 +00:00", "2025-07-12T07:22:00.000Z"),
    ] {
        assert_eq!(shown(text, &zurich), want, "{text}");
    }
}

#[test]
fn serial_numbers_become_readable() {
    for (number, system, want) in [
        (45_728.306_956_018_52, SerialSystem::Since1900, "2025-03-12 07:22:01"),
        (44_266.306_956_018_52, SerialSystem::Since1904, "2025-03-12 07:22:01"),
        (45_728.306_961_805_56, SerialSystem::Since1900, "2025-03-12 07:22:01.500"),
        (45_728.999_999_999_9, SerialSystem::Since1900, "2025-03-13"),
        (61.0, SerialSystem::Since1900, "1900-03-01"),
        (59.0, SerialSystem::Since1900, "1900-02-28"),
        (45_728.0, SerialSystem::Since1900, "2025-03-12"),
        (0.306_956_018_52, SerialSystem::Since1900, "07:22:01"),
    ] {
        assert_eq!(serial_text(number, system).as_deref(), Some(want));
    }
    for number in [-1.0, f64::NAN, f64::INFINITY, 1e300, 60.5] {
        assert_eq!(serial_text(number, SerialSystem::Since1900), None);
    }
}

#[test]
fn durations_become_readable() {
    assert_eq!(duration_text(1.5).as_deref(), Some("36:00:00"));
    assert_eq!(duration_text(0.306_956_018_52).as_deref(), Some("7:22:01"));
    assert_eq!(duration_text(-0.5), None);
}

#[test]
fn optional_dates() {
    assert_eq!(parse_optional(None, &options()), Ok(None));
    assert_eq!(parse_optional(Some("1/1/1900 12:00:00 AM"), &options()), Ok(None));
    assert!(parse_optional(Some("3/12/2025"), &options()).is_err());
    let found = parse_optional(Some(" 12.3.2025 7:22"), &options()).unwrap().unwrap();
    assert_eq!(found.raw_time.as_deref(), Some("12.3.2025 7:22"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "[0-9/.:, TZapmAPM+-]{0,40}|\\PC{0,40}") {
        let _ = parse(&text, &options());
    }

    #[test]
    fn no_number_panics(number: f64) {
        let _ = serial_text(number, SerialSystem::Since1900);
        let _ = serial_text(number, SerialSystem::Since1904);
        let _ = duration_text(number);
    }

    #[test]
    fn every_minute_is_read_back(minutes in -1_000_000_i64..50_000_000) {
        let time = Time::from_ms(minutes * 60_000).unwrap();
        let (year, month, day) = time.utc_date();
        let clock = minutes.rem_euclid(1440);
        for text in [
            format!("{year}-{month:02}-{day:02} {:02}:{:02}", clock / 60, clock % 60),
            format!("{day}.{month}.{year} {}:{:02}", clock / 60, clock % 60),
        ] {
            prop_assert_eq!(parse(&text, &options()).map(|found| found.time), Ok(time));
        }
    }
}
