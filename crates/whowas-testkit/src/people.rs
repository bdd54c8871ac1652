//! Users of Dynamics 365 Finance and Operations, all of them each time, and of Graph, by delta.
//!
//! Nobody is removed here: a delta that begins anew does not tell of removals, as Graph documents.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use url::Url;
use whowas_collect::poll::{Http, HttpError, Request, Response};
use whowas_event::Time;
use whowas_store::Clock;

use crate::{clock::SimClock, faults::Faults, front::Front, random::Random};

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directory {
    /// `GET /data/SystemUsers`
    Dynamics,
    /// `GET /users/delta`
    Graph,
}

/// One person.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their id.
    pub id: String,
    /// What they are called from when on; the first name is there when they come.
    pub names: Vec<(Time, String)>,
}

impl Person {
    /// What they are called at `now`, if they are there.
    pub fn name(&self, now: Time) -> Option<&(Time, String)> {
        self.names.iter().rev().find(|(at, _)| *at <= now)
    }
}

/// The source.
#[derive(Debug)]
pub struct SimPeople {
    directory: Directory,
    /// Everybody who will ever be there.
    pub people: Vec<Person>,
    /// What is before it.
    pub front: Front,
    page_rows: usize,
}

impl SimPeople {
    /// Some people, who come and are renamed within `[from, to)`.
    pub fn new(
        directory: Directory,
        random: &mut Random,
        clock: Arc<SimClock>,
        faults: Faults,
        (from, to): (Time, Time),
    ) -> Self {
        let count = random.between(10, 120);
        let people = (0..count).map(|n| {
            let width_ms = to.as_ms() - from.as_ms();
            let mut times: Vec<i64> =
                (0..random.between(0, 4)).map(|_| random.between(0, width_ms)).collect();
            // Most are there before anything is read.
            times.push(if random.happens(80) { -1 } else { random.between(0, width_ms) });
            times.sort_unstable();
            times.dedup();
            let names = times.iter().enumerate();
            let names = names
                .map(|(no, ms)| (from.saturating_add_ms(*ms), format!("Person {n}, name {no}")))
                .collect();
            Person { id: format!("p{n}"), names }
        });
        let people = people.collect();
        let page_rows = usize::try_from(random.between(5, 60)).unwrap();
        let front = Front::new(random, clock, faults, (5, 10_000));
        Self { directory, people, front, page_rows }
    }

    fn page(&self, url: &Url, random: &mut Random) -> Result<Response, u16> {
        let path = match self.directory {
            Directory::Dynamics => "/data/SystemUsers",
            Directory::Graph => "/v1.0/users/delta",
        };
        if url.path() != path {
            return Err(404);
        }
        let param = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
        let now = self.front.clock.now();
        // What changed behind `since` and up to `at`, from the `skip`th on.
        let (since, at, skip) = match (param("$skiptoken"), param("$deltatoken")) {
            (Some(token), _) => {
                let mut numbers = token.split('_').filter_map(|number| number.parse::<i64>().ok());
                let mut next = || numbers.next().ok_or(400_u16);
                (next()?, next()?, usize::try_from(next()?).map_err(|_| 400_u16)?)
            }
            (None, Some(token)) => (token.parse().map_err(|_| 400_u16)?, now.as_ms(), 0),
            (None, None) => (-1, now.as_ms(), 0),
        };
        let given = if skip > 0 { at } else { since };
        let is_fresh = now.as_ms() - at < self.front.faults.link_ms;
        let is_known = given < 0 || Time::from_ms(given).is_ok_and(|made| self.front.knows(made));
        if !(is_fresh && is_known) {
            return Err(410);
        }
        let then = Time::from_ms(at).map_err(|_| 400_u16)?;
        let mut found: Vec<Value> = self
            .people
            .iter()
            .filter_map(|person| {
                let (changed_at, name) = person.name(then)?;
                (changed_at.as_ms() > since).then(|| self.json(person, name))
            })
            .skip(skip)
            .collect();
        let has_more = found.len() > self.page_rows;
        found.truncate(self.page_rows);
        if self.front.faults.is_disordered && !found.is_empty() {
            let rows = found.len();
            found.rotate_left(usize::try_from(random.between(0, 7)).unwrap() % rows);
        }
        let mut body = json!({ "value": found });
        let mut link = url.clone();
        if has_more {
            let token = format!("{since}_{at}_{}", skip + self.page_rows);
            link.set_query(Some(&format!("$skiptoken={token}")));
            body["@odata.nextLink"] = link.as_str().into();
        } else if self.directory == Directory::Graph {
            link.set_query(Some(&format!("$deltatoken={at}")));
            body["@odata.deltaLink"] = link.as_str().into();
        }
        Ok(Response { body: body.to_string().into_bytes(), ..Response::default() })
    }

    fn json(&self, person: &Person, name: &str) -> Value {
        let (id, mail) = (&person.id, format!("{}@contoso.example", person.id));
        match self.directory {
            Directory::Dynamics => {
                json!({"UserID": id, "UserName": name, "Email": mail, "Enabled": true, "Company": "USMF"})
            }
            Directory::Graph => {
                json!({"id": id, "userPrincipalName": mail, "displayName": name, "accountEnabled": true})
            }
        }
    }
}

#[async_trait]
impl Http for SimPeople {
    async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        self.front.send(request, |random| self.page(&request.url, random)).await
    }
}
