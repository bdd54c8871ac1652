//! What the company suffers: two password sprays and an attempt to guess one password.

use std::sync::Arc;

use whowas_event::Time;

use super::{
    people::{Person, Story, Team},
    places::{DAY_MS, foreign_ip},
    random::Random,
    world::{ADMIN_PORTAL, Act, Detail, FINANCE, From, INTRANET, MAIL, Moment, Refusal, Service, Who},
};

const MINUTE_MS: i64 = 60_000;
/// Days since the first on which the attacks begin.
pub(crate) const FAST_SPRAY_DAY: i64 = 29;
/// The second spray is slow, and one of its passwords is right.
pub(crate) const SLOW_SPRAY_DAY: i64 = 73;
/// Somebody guesses at the password of an administrator.
pub(crate) const GUESSING_DAY: i64 = 57;
/// The last octet of the address the guesses come from.
pub(crate) const GUESSING_HOST: u8 = 66;

/// All attacks; `start` is the beginning of the demo.
pub(crate) fn all(people: &[Person], start: Time, random: &mut Random) -> Vec<Moment> {
    let after = |day: i64, minutes: i64| start.saturating_add_ms(day * DAY_MS + minutes * MINUTE_MS);
    let mut out = fast_spray(people, after(FAST_SPRAY_DAY, 130), random);
    out.extend(slow_spray(people, after(SLOW_SPRAY_DAY, 0), random));
    out.extend(guessing(people, after(GUESSING_DAY, 200), random));
    out
}

fn refused(who: Who, at: Time, host: u8, service: &'static Service, refusal: Refusal) -> Moment {
    Moment {
        at,
        who,
        act: Act::Refused(refusal),
        service,
        from: From { ip: foreign_ip(host), place: None },
        device: None,
        logon_type: "interactive",
        detail: Detail::Everything,
    }
}

fn targets(people: &[Person]) -> impl Iterator<Item = &Person> {
    people.iter().filter(|person| person.team != Team::Machine)
}

fn known(person: &Person) -> Who {
    Who::Known(Arc::clone(&person.identity))
}

/// Two passwords for every account within forty minutes, from six addresses, and some names nobody has.
fn fast_spray(people: &[Person], begin: Time, random: &mut Random) -> Vec<Moment> {
    const GUESSED: [&str; 6] = ["admin", "administrator", "test", "scanner", "info", "svc-backup"];
    let mut out = Vec::new();
    for round in 0..2 {
        let begin = begin.saturating_add_ms(round * 20 * MINUTE_MS);
        let mut host = || *random.pick(&[11, 12, 13, 14, 15, 16]);
        let mut step = 0;
        let mut at = || {
            step += 3_700;
            begin.saturating_add_ms(step)
        };
        for person in targets(people) {
            out.push(refused(known(person), at(), host(), &MAIL, Refusal::BadPassword));
        }
        for name in GUESSED {
            out.push(refused(Who::Unknown(name), at(), host(), &MAIL, Refusal::NoSuchUser));
        }
    }
    out
}

/// One password for every account over six hours, every time from another address. One is right.
fn slow_spray(people: &[Person], begin: Time, random: &mut Random) -> Vec<Moment> {
    let mut out = Vec::new();
    let mut at = begin;
    for person in targets(people) {
        at = at.saturating_add_ms(random.between(40_000, 100_000));
        let host = u8::try_from(random.below(100)).expect("it is below 100") + 100;
        let mut moment = refused(known(person), at, host, &INTRANET, Refusal::BadPassword);
        if person.story == Story::Compromised {
            moment.act = Act::SignIn { session: random.hex(24), is_mfa: false };
        }
        out.push(moment);
    }
    out
}

/// Hundreds of passwords for one account from one address within a quarter of an hour.
fn guessing(people: &[Person], begin: Time, random: &mut Random) -> Vec<Moment> {
    let Some(victim) = people.iter().find(|person| person.story == Story::Besieged) else {
        return Vec::new();
    };
    (0..480)
        .map(|attempt: i64| {
            let at = begin.saturating_add_ms(attempt * 1_800 + random.between(0, 900));
            let service = if attempt % 5 == 0 { &FINANCE } else { &ADMIN_PORTAL };
            // The lock comes after ten attempts and lets one in ten through afterwards.
            let is_locked = attempt >= 10 && attempt % 10 != 0;
            let refusal = if is_locked { Refusal::Locked } else { Refusal::BadPassword };
            refused(known(victim), at, GUESSING_HOST, service, refusal)
        })
        .collect()
}
