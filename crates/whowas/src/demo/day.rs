//! What somebody does on one day.

use super::{
    people::{DAYS, LAST_DAY_OF_DORMANT, LEAVING_DAY, Person, Shift, Story, Team},
    places::{machine_ip, weekday},
    random::Random,
    world::{
        ADMIN_PORTAL, Act, CRM, Detail, End, FINANCE, From, INTRANET, MAIL, Moment, Refusal, Service, VPN,
        Who,
    },
};

/// Where somebody sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seat {
    Office,
    Home,
    Phone,
}

/// One stay in a service, in local minutes of the day.
#[derive(Clone, Copy, Debug)]
struct Visit {
    service: &'static Service,
    seat: Seat,
    begin: i64,
    end: i64,
}

/// Everything `person` does on the day with this number since the first, which was `first_day` of the epoch.
pub(crate) fn moments(person: &Person, first_day: i64, day: i64, random: &mut Random) -> Vec<Moment> {
    let mut out = Vec::new();
    let calendar_day = first_day + day;
    if person.team == Team::Machine {
        machine_day(person, calendar_day, random, &mut out);
        return out;
    }
    let visits = match person.story {
        Story::NeverSeen => Vec::new(),
        Story::Dormant if day > LAST_DAY_OF_DORMANT => Vec::new(),
        Story::Leaver if day > LEAVING_DAY => after_leaving(day, random),
        _ if is_at_work(person, calendar_day, day, random) => working_day(person, calendar_day, random),
        _ => spare_time(person, random),
    };
    let diary = Diary { person, calendar_day, day };
    for visit in visits {
        diary.write(visit, random, &mut out);
    }
    out
}

fn is_at_work(person: &Person, calendar_day: i64, day: i64, random: &mut Random) -> bool {
    let is_sick = random.chance(35);
    let is_scheduled = match person.shift {
        Shift::Day => !person.office.is_closed(calendar_day),
        Shift::PartTime(days) => {
            !person.office.is_closed(calendar_day) && days >> weekday(calendar_day) & 1 == 1
        }
        Shift::Night(free) => (calendar_day - free).rem_euclid(7) > 1,
    };
    is_scheduled && !is_sick && !person.vacation.contains(&day)
}

fn working_day(person: &Person, calendar_day: i64, random: &mut Random) -> Vec<Visit> {
    if let Shift::Night(_) = person.shift {
        return night(random);
    }
    let is_home_day = matches!(weekday(calendar_day), 1 | 5) || random.chance(150);
    let works_at_home = person.team != Team::Warehouse && person.story != Story::Guest && is_home_day;
    let seat = if works_at_home { Seat::Home } else { Seat::Office };
    let begin = random.around(person.office.opens, 50);
    let lunch = random.around(12 * 60 + 25, 45);
    let back = lunch + random.around(45, 20);
    let end = begin + random.around(9 * 60 + 5, 80);
    let visit = |service, begin, end| Visit { service, seat, begin, end };
    let mut visits = Vec::new();
    if works_at_home {
        visits.push(visit(&VPN, begin - 4, end + 3));
    }
    // Half of them sign out for lunch.
    if random.chance(500) {
        visits.push(visit(&FINANCE, begin, lunch));
        visits.push(visit(&FINANCE, back, end));
    } else {
        visits.push(visit(&FINANCE, begin, end));
    }
    if random.chance(330) {
        let at = random.between(begin, end);
        visits.push(visit(&INTRANET, at, at + random.between(3, 90)));
    }
    if person.team == Team::Sales {
        visits.push(visit(&CRM, begin + random.between(2, 40), end - random.between(5, 60)));
    }
    if person.team == Team::It || random.chance(20) && person.team == Team::Finance {
        let at = random.between(begin, end);
        visits.push(visit(&ADMIN_PORTAL, at, at + random.between(5, 70)));
    }
    if random.chance(160) {
        let at = random.around(person.office.opens - 60, 50);
        visits.push(Visit { service: &MAIL, seat: Seat::Phone, begin: at, end: at + 60 * 11 });
    }
    visits
}

/// From ten in the evening to six, with a break.
fn night(random: &mut Random) -> Vec<Visit> {
    let (begin, pause) = (random.around(21 * 60 + 55, 12), random.around(26 * 60, 30));
    let visit = |begin, end| Visit { service: &FINANCE, seat: Seat::Office, begin, end };
    let end = random.around(30 * 60, 12);
    vec![visit(begin, pause), visit(pause + random.between(20, 40), end)]
}

/// Some read their mail, administrators are called.
fn spare_time(person: &Person, random: &mut Random) -> Vec<Visit> {
    let at = random.between(9 * 60, 22 * 60);
    let visit = |service, seat, begin, end| Visit { service, seat, begin, end };
    match person.team {
        Team::It if random.chance(90) => {
            let at = random.between(0, 23 * 60);
            vec![visit(&VPN, Seat::Home, at, at + 50), visit(&ADMIN_PORTAL, Seat::Home, at + 2, at + 45)]
        }
        Team::Finance | Team::Sales if random.chance(60) => vec![visit(&MAIL, Seat::Phone, at, at + 200)],
        Team::Finance if random.chance(15) => {
            vec![visit(&FINANCE, Seat::Home, at, at + random.between(10, 120))]
        }
        _ => Vec::new(),
    }
}

/// The account of the leaver was disabled in one application only.
fn after_leaving(day: i64, random: &mut Random) -> Vec<Visit> {
    if day % 4 != 1 {
        return Vec::new();
    }
    let at = random.between(20 * 60, 23 * 60);
    let visit = |service, begin, end| Visit { service, seat: Seat::Home, begin, end };
    vec![visit(&VPN, at, at + 70), visit(&FINANCE, at + 1, at + 2), visit(&INTRANET, at + 3, at + 65)]
}

/// Turns visits of one day into moments.
struct Diary<'a> {
    person: &'a Person,
    calendar_day: i64,
    day: i64,
}

impl Diary<'_> {
    fn write(&self, visit: Visit, random: &mut Random, out: &mut Vec<Moment>) {
        let Self { person, day, .. } = *self;
        let from = self.from(visit.seat, random);
        if person.story == Story::Leaver && day > LEAVING_DAY && visit.service == &FINANCE {
            out.push(self.moment(visit, from, visit.begin * 60, Act::Refused(Refusal::Disabled), random));
            return;
        }
        let second = visit.begin * 60 + random.between(0, 59);
        self.failures(visit, from, second, random, out);
        let session = random.hex(24);
        let is_mfa = visit.seat != Seat::Office || visit.service == &ADMIN_PORTAL || random.chance(60);
        let start = Act::SignIn { session: session.clone(), is_mfa };
        let mut moment = self.moment(visit, from, second, start, random);
        let detail = moment.detail;
        out.push(moment.clone());
        if let Some((second, end)) = end_of(visit, random) {
            moment = self.moment(visit, from, second, Act::SignOut { session, end }, random);
            moment.detail = detail;
            out.push(moment);
        }
    }

    /// What went wrong before the sign-in at `second` succeeded.
    fn failures(&self, visit: Visit, from: From, second: i64, random: &mut Random, out: &mut Vec<Moment>) {
        let mut refuse = |before: i64, refusal, random: &mut Random| {
            out.push(self.moment(visit, from, second - before, Act::Refused(refusal), random));
        };
        match random.below(1000) {
            0..=19 => {
                for attempt in 0..=random.below(3) {
                    let before = 14 + 17 * i64::try_from(attempt).unwrap_or_default() + random.between(0, 9);
                    refuse(before, Refusal::BadPassword, random);
                }
            }
            20..=22 => refuse(90, Refusal::PasswordExpired, random),
            23 => {
                for attempt in 0..10 {
                    refuse(1800 - attempt * 12, Refusal::BadPassword, random);
                }
                for attempt in 0..3 {
                    refuse(1660 - attempt * 200, Refusal::Locked, random);
                }
            }
            24..=27 if visit.seat != Seat::Office => refuse(40, Refusal::MfaDenied, random),
            _ => {}
        }
    }

    fn from(&self, seat: Seat, random: &mut Random) -> From {
        let office = self.person.office;
        let ip = match seat {
            Seat::Office => office.office_ip(random),
            Seat::Home if self.person.home.is_multiple_of(3) => office.shared_ip(random),
            Seat::Home => office.home_ip(self.person.home, random),
            Seat::Phone => office.shared_ip(random),
        };
        From { ip, place: Some(office) }
    }

    fn moment(&self, visit: Visit, from: From, second: i64, act: Act, random: &mut Random) -> Moment {
        let person = self.person;
        let device = if visit.seat == Seat::Phone { &person.phone } else { &person.laptop };
        let is_sparse = visit.service == &FINANCE && random.chance(700);
        let at = person.office.instant(self.calendar_day, second.div_euclid(60));
        Moment {
            at: at.saturating_add_ms(second.rem_euclid(60) * 1000 + random.between(0, 999)),
            who: Who::Known(person.identity_on(self.day).clone()),
            act,
            service: visit.service,
            from,
            device: Some(device.clone()),
            logon_type: "interactive",
            detail: if is_sparse { Detail::IdOnly } else { Detail::Everything },
        }
    }
}

/// When and how a visit's session ends, if the source ever says so. Of people's sessions some 30 % have no end.
fn end_of(visit: Visit, random: &mut Random) -> Option<(i64, End)> {
    let second = visit.end.max(visit.begin + 1) * 60 + random.between(0, 59);
    match random.below(1000) {
        0..=589 => Some((second, End::Logout)),
        // Eight hours after it was forgotten.
        590..=689 => Some((second + 8 * 3600, End::Expired)),
        690..=694 => Some((second, End::Revoked)),
        _ => None,
    }
}

/// Batch jobs, reports and probes, by the clock of the data centre.
fn machine_day(person: &Person, calendar_day: i64, random: &mut Random, out: &mut Vec<Moment>) {
    let (minutes, host) = match person.identity.user_id.as_str() {
        "Axrunner" => (90, 1),
        "FRServiceUser" => (360, 2),
        "RetailServiceAccount" => (480, 3),
        _ => (60, 4),
    };
    let from = From { ip: machine_ip(host), place: None };
    for run in 0..24 * 60 / minutes {
        let session = random.hex(24);
        let begin = super::places::at_ms(calendar_day * super::places::DAY_MS)
            .saturating_add_ms(run * minutes * 60_000 + random.between(200, 4_000));
        let end = begin.saturating_add_ms(random.between(8_000, 900_000));
        for (at, act) in [
            (begin, Act::SignIn { session: session.clone(), is_mfa: false }),
            (end, Act::SignOut { session: session.clone(), end: End::Logout }),
        ] {
            out.push(Moment {
                at,
                who: Who::Known(person.identity.clone()),
                act,
                service: &FINANCE,
                from,
                device: None,
                logon_type: "service_principal",
                detail: Detail::IdOnly,
            });
        }
    }
}

/// Everything everybody does, including the evening before the first day, whose sessions reach into it.
pub(crate) fn everything(people: &[Person], seed: u64, first_day: i64) -> Vec<Moment> {
    let mut out = Vec::new();
    for (number, person) in (1_u64..).zip(people) {
        for day in -1..=DAYS {
            let label = number * 1000 + day.unsigned_abs() + u64::from(day < 0) * 500;
            out.extend(moments(person, first_day, day, &mut Random::new(seed, label)));
        }
    }
    out
}
