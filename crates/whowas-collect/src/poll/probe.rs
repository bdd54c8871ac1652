//! The test of a source: reach it, show who asks, read one page. Nothing is kept, and no cursor moves.
//!
//! It asks at most twice (for a token, for a page), beside what the collector asks; of a folder it reads the newest
//! file, of object storage the newest object, neither to its end if it is long.

use std::{io::Cursor, sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStoreExt};
use url::Url;
use whowas_event::Time;
use whowas_format::{Input, Item, Options, ReadError, Stop};

use super::{
    api::{Api, Auth, Next},
    folder::{self, Folder},
    http::{Allowed, Http, Request, Response, Secret},
    objects::{self, Objects},
    outcome::Outcome,
    token,
};
use crate::coverage::DAY_MS;

/// A test ends after this long, with what was reached until then.
const TEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Records that are looked at.
const RECORDS_MAX: u64 = 1000;
/// Objects that are looked at for the newest one: a prefix may have millions.
const LISTED_MAX: usize = 1000;
/// The longest object that is fetched for a test.
const OBJECT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A source as it is configured.
#[derive(Clone, Debug)]
pub enum Probe {
    /// One that is asked.
    Asked {
        /// Its name.
        source: String,
        /// How it is reached.
        http: Arc<dyn Http>,
        /// What it is.
        api: Arc<dyn Api>,
    },
    /// A folder.
    Folder(Folder),
    /// Object storage.
    Objects(Objects),
}

/// What a test found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ProbeReport {
    /// The source's name.
    pub source: String,
    /// Whether it can be read as it is configured.
    pub ok: bool,
    /// What was reached, in order.
    pub reached: Vec<Reached>,
    /// What the page had, or the newest file; nothing if none was read.
    pub page: Option<Seen>,
    /// What is wrong.
    pub problem: Option<String>,
    /// How long it took.
    pub took_ms: u64,
}

/// A place that answered as it should.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Reached {
    /// `token`, `page`, `folder`, `listing`, `file`.
    pub what: &'static str,
    /// An origin, the path of a folder, the name of a file.
    pub at: String,
}

/// What a page had.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Seen {
    /// The format of its records.
    pub format: Option<String>,
    /// Records that are understood.
    pub records: u64,
    /// Records that are not.
    pub rejected: u64,
    /// Why the first of them is not.
    pub rejection: Option<String>,
    /// Well-formed records that are no sign-ins.
    pub set_aside: u64,
    /// The latest time of a record.
    pub latest: Option<Time>,
    /// Whether there is more than this.
    pub has_more: bool,
    /// How much the source's clock is ahead of ours, in seconds, if it says.
    pub skew_s: Option<i64>,
}

impl Probe {
    /// The source's name.
    pub fn source(&self) -> String {
        match self {
            Self::Asked { source, .. } => source.clone(),
            Self::Folder(folder) => folder::source(folder),
            Self::Objects(objects) => objects::source(objects),
        }
    }

    /// Tests it. What is wrong is in the report; of secrets nothing is.
    pub async fn test(&self, now: Time) -> ProbeReport {
        let begin = tokio::time::Instant::now();
        let mut report = ProbeReport { source: self.source(), ..ProbeReport::default() };
        let testing = async {
            match self {
                Self::Asked { http, api, .. } => ask(http.as_ref(), api.as_ref(), now, &mut report).await,
                Self::Folder(folder) => look(folder, now, &mut report).await,
                Self::Objects(objects) => fetch(objects, now, &mut report).await,
            }
        };
        let ended = tokio::time::timeout(TEST_TIMEOUT, testing).await;
        report.problem = match ended {
            Ok(ended) => ended.err(),
            Err(_) => Some(format!("no answer within {} seconds", TEST_TIMEOUT.as_secs())),
        };
        report.ok = report.problem.is_none();
        report.took_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        report
    }
}

async fn ask(http: &dyn Http, api: &dyn Api, now: Time, report: &mut ProbeReport) -> Result<(), String> {
    let authorization = authorize(http, api.auth(), report).await?;
    let stream = api.streams().first().map(|one| one.name.clone()).unwrap_or_default();
    let url = api.first(&stream, now.saturating_add_ms(-DAY_MS), now);
    let request = Request { url: url.clone(), authorization: Some(authorization), form: None };
    let answer = http.send(&request).await;
    let origin = origin(&url);
    let status = answer.as_ref().ok().map(|response| response.status);
    let response = match Outcome::of(answer, false, 0) {
        Outcome::Page(response) => response,
        other => return Err(format!("{origin}: {}", in_words(&other, status))),
    };
    let skew_s = response.date.map(|date| (date.as_ms() - now.as_ms()) / 1000);
    let has_more = has_more(api, &url, &response).map_err(|why| format!("{origin}: {why}"))?;
    report.reached.push(Reached { what: "page", at: origin });
    let format = api.format().to_owned();
    let mut seen = read(response.body, "page".to_owned(), Some(format), options(now, now)).await?;
    seen.skew_s = skew_s;
    seen.has_more |= has_more;
    report.page = Some(seen);
    Ok(())
}

async fn authorize(http: &dyn Http, auth: &Auth, report: &mut ProbeReport) -> Result<Secret, String> {
    match auth {
        Auth::Header(value) => Ok(value.clone()),
        Auth::ClientCredentials { token_url, form } => {
            let origin = origin(token_url);
            let asked = token::ask(http, token_url, form, 0).await;
            let (token, _) = asked.map_err(|outcome| format!("{origin}: {}", in_words(&outcome, None)))?;
            report.reached.push(Reached { what: "token", at: origin });
            Ok(token)
        }
    }
}

/// Whether a page follows; an error if the collector would not follow it.
fn has_more(api: &dyn Api, url: &Url, response: &Response) -> Result<bool, String> {
    let Next::Page(link) = api.next(url, response).map_err(|error| error.to_string())? else {
        return Ok(false);
    };
    let link = Url::parse(&link).map_err(|error| format!("a link: {error}"))?;
    Allowed::of(&api.hosts()).check(&link).map_err(|error| error.to_string())?;
    Ok(true)
}

/// What somebody can do about it.
fn in_words(outcome: &Outcome, status: Option<u16>) -> String {
    match (outcome, status) {
        (Outcome::Unauthorized, _) => "the credential is not accepted (HTTP 401)".to_owned(),
        (Outcome::Refused(_), Some(403)) => "the credential may not read this (HTTP 403)".to_owned(),
        (Outcome::Refused(_), Some(404)) => "there is nothing at this address (HTTP 404)".to_owned(),
        (Outcome::Refused(_), Some(300..=399)) => {
            "it refers to another address; redirects are not followed".to_owned()
        }
        (Outcome::Later { pause_ms }, _) => {
            format!("it asks for a pause of {} seconds; the source is there", pause_ms / 1000)
        }
        (Outcome::Refused(why) | Outcome::Again(why), _) => why.clone(),
        (Outcome::Expired | Outcome::Page(_), _) => "the answer is not as documented".to_owned(),
    }
}

async fn look(folder: &Folder, now: Time, report: &mut ProbeReport) -> Result<(), String> {
    let path = folder.path.clone();
    let listed = tokio::task::spawn_blocking(move || folder::list(&path)).await;
    let found = listed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    let found = found.map_err(|error| folder::unreadable(&error))?;
    report.reached.push(Reached { what: "folder", at: folder.path.display().to_string() });
    let newest = found.iter().max_by_key(|(_, stamp)| stamp.changed_at);
    let Some((name, stamp)) = newest else { return Ok(()) };
    let (path, name, format) = (folder.path.join(name), name.clone(), folder.options.format.clone());
    let options = Options { received_at: now, file_time: stamp.changed_at, ..folder.options.read.clone() };
    let file = name.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::open(path).map_err(|error| format!("a file: {}", error.kind()))?;
        read_from(Input::File(&mut file), &name, format.as_deref(), &options)
    });
    report.page = Some(reading.await.map_err(|error| error.to_string())??);
    report.reached.push(Reached { what: "file", at: crate::file_tail(&file).to_owned() });
    Ok(())
}

async fn fetch(source: &Objects, now: Time, report: &mut ProbeReport) -> Result<(), String> {
    let listing = source.store.list(Some(&source.prefix)).take(LISTED_MAX);
    let listed: Result<Vec<ObjectMeta>, _> = listing.try_collect().await;
    let listed = listed.map_err(|error| format!("the listing: {}", objects::word(&error)))?;
    report.reached.push(Reached { what: "listing", at: source.prefix.to_string() });
    let is_short = |object: &&ObjectMeta| (1..=OBJECT_BYTES_MAX).contains(&object.size);
    let newest = listed.iter().filter(is_short).max_by_key(|object| object.last_modified);
    let Some(object) = newest else { return Ok(()) };
    let whole = 0..object.size;
    let bytes = source.store.get_range(&object.location, whole).await;
    let bytes = bytes.map_err(|error| format!("an object: {}", objects::word(&error)))?;
    let name = object.location.filename().unwrap_or("object").to_owned();
    report.reached.push(Reached { what: "file", at: crate::file_tail(&name).to_owned() });
    let changed_at = Time::from_ms(object.last_modified.timestamp_millis()).unwrap_or_default();
    let options = Options { received_at: now, file_time: changed_at, ..source.options.read.clone() };
    report.page = Some(read(bytes.to_vec(), name, source.options.format.clone(), options).await?);
    Ok(())
}

async fn read(body: Vec<u8>, name: String, format: Option<String>, options: Options) -> Result<Seen, String> {
    let reading = tokio::task::spawn_blocking(move || {
        read_from(Input::File(&mut Cursor::new(body)), &name, format.as_deref(), &options)
    });
    reading.await.map_err(|error| error.to_string())?
}

fn read_from(input: Input<'_>, name: &str, format: Option<&str>, options: &Options) -> Result<Seen, String> {
    let mut seen = Seen::default();
    let mut found = None;
    let mut begin = |start: whowas_format::FileStart<'_>| {
        found.get_or_insert_with(|| start.format.name.to_owned());
        Ok(())
    };
    let mut sink = |item: Item| {
        if seen.records + seen.rejected + seen.set_aside >= RECORDS_MAX {
            seen.has_more = true;
            return Err(Stop);
        }
        match item {
            Item::Draft(draft, _) => {
                seen.records += 1;
                seen.latest = seen.latest.max(Some(draft.event.occurred_at));
            }
            Item::Problem(problem) => {
                seen.rejected += 1;
                seen.rejection.get_or_insert(problem.reason);
            }
            Item::SetAside { .. } => seen.set_aside += 1,
        }
        Ok(())
    };
    match whowas_format::read_each(input, name, format, options, &mut begin, &mut sink) {
        Ok(_) | Err(ReadError::Stopped(_)) => {}
        Err(error) => return Err(format!("it is not understood: {error}")),
    }
    seen.format = found;
    if seen.records == 0 && seen.set_aside == 0 && seen.rejected > 0 {
        let why = seen.rejection.unwrap_or_default();
        return Err(format!("none of {} records is understood; the first: {why}", seen.rejected));
    }
    Ok(seen)
}

fn options(received_at: Time, file_time: Time) -> Options {
    Options { source_timezone: jiff::tz::TimeZone::UTC, date_order: None, received_at, file_time }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
