//! The world of `whowas serve --demo`: 90 days of sign-ins at an invented company, as files.
//!
//! Pure: a seed and the present go in, bytes of two formats come out, and they take the same way into a
//! trail as anybody's exports. The company has offices in seven time zones, nights and weekends,
//! typing errors and forgotten sessions. Somebody signs in after leaving, somebody changes the
//! name, somebody is not seen any more, two passwords are sprayed and one is guessed at.
//!
//! Start at [`world()`]. Who there is: `people`; what they do: `day`; what is done to them: `attacks`.
//!
//! All addresses, domains and names are invented (RFC 5737, RFC 3849, RFC 2606).

mod attacks;
mod day;
mod names;
mod people;
mod places;
mod random;
#[cfg(test)]
mod tests;
mod wire;
mod world;

use std::io::{self, Write};

use whowas_event::Time;

use people::{DAYS, Person};
use places::DAY_MS;
use random::Random;
use world::Moment;

/// The demo's company and what happened there.
#[derive(Debug)]
pub(crate) struct World {
    seed: u64,
    people: Vec<Person>,
    /// By time.
    moments: Vec<Moment>,
}

/// The 90 days that end at `now`. The same arguments give the same bytes.
pub(crate) fn world(seed: u64, now: Time) -> World {
    let start = now.saturating_add_ms(-DAYS * DAY_MS);
    let people = people::everybody(seed);
    let mut moments = day::everything(&people, seed, start.as_ms().div_euclid(DAY_MS));
    moments.extend(attacks::all(&people, start, &mut Random::new(seed, 2)));
    moments.retain(|moment| start <= moment.at && moment.at <= now);
    moments.sort_by_key(|moment| moment.at);
    World { seed, people, moments }
}

impl World {
    /// The project of the demo's environment.
    pub(crate) const PROJECT: &str = "contoso";
    /// The environment.
    pub(crate) const ENVIRONMENT: &str = "production";

    /// The user list, as Dynamics 365 answers `GET /data/SystemUsers`.
    pub(crate) fn write_users(&self, out: &mut dyn Write) -> io::Result<()> {
        wire::write_users(&self.people, out)
    }

    /// The sign-ins as native NDJSON, oldest first. Many small writes: pass something buffered.
    pub(crate) fn write_events(&self, out: &mut dyn Write) -> io::Result<()> {
        wire::write_events(&self.moments, self.seed, out)
    }
}
