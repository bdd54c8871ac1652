//! The offices of the invented company: their clocks, their holidays and their addresses.
//!
//! Addresses come from the ranges that RFC 5737 and RFC 3849 keep for documentation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use whowas_event::Time;

use super::{names::Culture, random::Random};

pub(crate) const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// When the clocks of a country are an hour ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Summer {
    Never,
    /// From the last Sunday of March to the last of October.
    Europe,
    /// From the second Sunday of March to the first of November.
    NorthAmerica,
}

/// One office.
#[derive(Debug)]
pub(crate) struct Office {
    pub(crate) city: &'static str,
    pub(crate) region: &'static str,
    pub(crate) country: &'static str,
    /// The legal entity in Finance and Operations.
    pub(crate) company: &'static str,
    pub(crate) timezone: &'static str,
    pub(crate) language: &'static str,
    pub(crate) culture: Culture,
    /// How many of the company's people work here.
    pub(crate) people: usize,
    number: u8,
    utc_minutes: i64,
    summer: Summer,
    /// Local start of the usual working day, in minutes.
    pub(crate) opens: i64,
    holidays: &'static [(u8, u8)],
}

/// Where people work. The London office is the head office.
#[rustfmt::skip]
pub(crate) static OFFICES: [Office; 7] = [
    Office { city: "London", region: "England", country: "GB", company: "GBSI", timezone: "GMT Standard Time", language: "en-GB",
        culture: Culture::British, people: 78, number: 1, utc_minutes: 0, summer: Summer::Europe, opens: 8 * 60 + 50,
        holidays: &[(1, 1), (5, 4), (5, 25), (8, 31), (12, 25), (12, 26)] },
    Office { city: "Kraków", region: "Małopolskie", country: "PL", company: "PLMF", timezone: "Central European Standard Time", language: "pl",
        culture: Culture::Polish, people: 52, number: 2, utc_minutes: 60, summer: Summer::Europe, opens: 7 * 60 + 50,
        holidays: &[(1, 1), (1, 6), (5, 1), (5, 3), (8, 15), (11, 1), (11, 11), (12, 25), (12, 26)] },
    Office { city: "Seattle", region: "Washington", country: "US", company: "USMF", timezone: "Pacific Standard Time", language: "en-US",
        culture: Culture::American, people: 58, number: 3, utc_minutes: -480, summer: Summer::NorthAmerica, opens: 8 * 60,
        holidays: &[(1, 1), (6, 19), (7, 4), (9, 7), (11, 11), (11, 26), (12, 25)] },
    Office { city: "São Paulo", region: "São Paulo", country: "BR", company: "BRMF", timezone: "E. South America Standard Time", language: "pt-BR",
        culture: Culture::Brazilian, people: 30, number: 4, utc_minutes: -180, summer: Summer::Never, opens: 8 * 60 + 30,
        holidays: &[(1, 1), (4, 21), (5, 1), (9, 7), (10, 12), (11, 2), (11, 15), (12, 25)] },
    Office { city: "Hyderabad", region: "Telangana", country: "IN", company: "INMF", timezone: "India Standard Time", language: "en-IN",
        culture: Culture::Indian, people: 44, number: 5, utc_minutes: 330, summer: Summer::Never, opens: 9 * 60 + 30,
        holidays: &[(1, 26), (8, 15), (10, 2), (12, 25)] },
    Office { city: "Osaka", region: "Osaka", country: "JP", company: "JPMF", timezone: "Tokyo Standard Time", language: "ja",
        culture: Culture::Japanese, people: 18, number: 6, utc_minutes: 540, summer: Summer::Never, opens: 8 * 60 + 45,
        holidays: &[(1, 1), (1, 2), (1, 3), (2, 11), (2, 23), (4, 29), (5, 3), (5, 4), (5, 5), (8, 11), (11, 3), (11, 23)] },
    Office { city: "Nairobi", region: "Nairobi County", country: "KE", company: "KEMF", timezone: "E. Africa Standard Time", language: "en-KE",
        culture: Culture::Kenyan, people: 14, number: 7, utc_minutes: 180, summer: Summer::Never, opens: 8 * 60,
        holidays: &[(1, 1), (5, 1), (6, 1), (10, 10), (10, 20), (12, 12), (12, 25), (12, 26)] },
];

impl Office {
    /// The instant of a local time of day, in minutes after the midnight with which `day` begins.
    pub(crate) fn instant(&self, day: i64, minute: i64) -> Time {
        let summer = if self.is_summer(day) { 60 } else { 0 };
        at_ms(day * DAY_MS + (minute - self.utc_minutes - summer) * MINUTE_MS)
    }

    /// Whether `day` is no working day here.
    pub(crate) fn is_closed(&self, day: i64) -> bool {
        let (_, month, date) = at_ms(day * DAY_MS).utc_date();
        matches!(weekday(day), 0 | 6) || self.holidays.contains(&(month, date))
    }

    fn is_summer(&self, day: i64) -> bool {
        let (_, month, date) = at_ms(day * DAY_MS).utc_date();
        // The date of the last Sunday up to now; 0 or less if it lies in the month before.
        let sunday = i64::from(date) - weekday(day);
        match (self.summer, month) {
            (Summer::Never, _) => false,
            (_, 4..=9) => true,
            (Summer::Europe, 3) => sunday >= 25,
            (Summer::Europe, 10) => sunday < 25,
            (Summer::NorthAmerica, 3) => sunday >= 8,
            (Summer::NorthAmerica, 10) => true,
            (Summer::NorthAmerica, 11) => sunday < 1,
            _ => false,
        }
    }

    /// The address behind which everybody in the office appears: each office has two uplinks.
    pub(crate) fn office_ip(&self, random: &mut Random) -> IpAddr {
        let uplink = if random.chance(850) { 0 } else { 1 };
        Ipv4Addr::new(192, 0, 2, self.number * 10 + uplink).into()
    }

    /// An address of a mobile network or of a home with IPv4, shared by many.
    pub(crate) fn shared_ip(&self, random: &mut Random) -> IpAddr {
        let host = u8::try_from(random.below(34)).expect("it is below 34");
        Ipv4Addr::new(198, 51, 100, (self.number - 1) * 36 + 1 + host).into()
    }

    /// The prefix of somebody's home, and a host in it.
    pub(crate) fn home_ip(&self, home: u16, random: &mut Random) -> IpAddr {
        let host = u16::try_from(random.below(3)).expect("it is below 3") + 0x10;
        Ipv6Addr::new(0x2001, 0xdb8, u16::from(self.number), home, 0, 0, 0, host).into()
    }
}

/// Addresses of the company's own machines.
pub(crate) fn machine_ip(host: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, 200_u8.saturating_add(host)).into()
}

/// Addresses nobody at Contoso uses.
pub(crate) fn foreign_ip(host: u8) -> IpAddr {
    Ipv4Addr::new(203, 0, 113, host).into()
}

/// 0 is Sunday. Day 0, 1970-01-01, was a Thursday.
pub(crate) fn weekday(day: i64) -> i64 {
    (day + 4).rem_euclid(7)
}

pub(crate) fn at_ms(ms: i64) -> Time {
    Time::default().saturating_add_ms(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> i64 {
        Time::parse_rfc3339(&format!("{text}T00:00:00Z")).unwrap().as_ms() / DAY_MS
    }

    #[test]
    fn clocks_change_where_and_when_they_do() {
        let [london, _, seattle, .., osaka, _] = &OFFICES;
        for (office, date, want) in [
            (london, "2026-03-28", "2026-03-28T09:00:00.000Z"),
            (london, "2026-03-29", "2026-03-29T08:00:00.000Z"),
            (london, "2026-10-25", "2026-10-25T09:00:00.000Z"),
            (seattle, "2026-03-07", "2026-03-07T17:00:00.000Z"),
            (seattle, "2026-03-08", "2026-03-08T16:00:00.000Z"),
            (seattle, "2026-11-01", "2026-11-01T17:00:00.000Z"),
            (osaka, "2026-07-01", "2026-07-01T00:00:00.000Z"),
        ] {
            assert_eq!(office.instant(day(date), 9 * 60).to_string(), want);
        }
    }

    #[test]
    fn weekends_and_holidays_are_closed() {
        let [london, krakow, ..] = &OFFICES;
        assert!(london.is_closed(day("2026-03-01")) && !london.is_closed(day("2026-03-02")));
        assert!(krakow.is_closed(day("2026-11-11")) && !london.is_closed(day("2026-11-11")));
    }

    #[test]
    fn addresses_are_those_of_documentation() {
        let mut random = Random::new(1, 1);
        for office in &OFFICES {
            for _ in 0..100 {
                assert!(office.office_ip(&mut random).to_string().starts_with("192.0.2."));
                assert!(office.shared_ip(&mut random).to_string().starts_with("198.51.100."));
                assert!(office.home_ip(9, &mut random).to_string().starts_with("2001:db8:"));
            }
        }
        assert_eq!(foreign_ip(7).to_string(), "203.0.113.7");
        assert_eq!(machine_ip(7).to_string(), "192.0.2.207");
    }
}
