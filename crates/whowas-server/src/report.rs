//! What an auditor is told of a range: scope, sources, coverage, counts, findings, and how to check it.
//!
//! For the API, the console and the command line. Everything is of one state of the trail. Whoever calls this
//! writes down who asked. How it looks is decided by [`whowas_export::report`].

use whowas_collect::coverage::{self, State as Coverage, report::StreamReport};
use whowas_event::Time;
use whowas_export::report::{Block, Report, Section};
use whowas_query::{
    AsOf, Engine, Filter, LoginRequest, LoginRow, NamedQuery, QueryError, SessionQuery, SessionRequest,
    facets::Facet,
};
use whowas_store::{Trail, control::Control};

/// Rows of one table.
const ROWS_MAX: usize = 25;
/// The queries whose rows are counted.
const COUNTED: [NamedQuery; 4] =
    [NamedQuery::UserLoginEvents, NamedQuery::SignInFailures, NamedQuery::SignOuts, NamedQuery::AllEvents];

/// What a report is about, and for whom.
#[derive(Debug)]
pub struct ReportRequest<'a> {
    /// At or after …
    pub from: Time,
    /// … and before.
    pub to: Time,
    /// What must hold of a record besides, as it was written.
    pub filter: &'a str,
    /// Who asks, as `access` records name them.
    pub prepared_by: String,
    /// When.
    pub now: Time,
}

/// A report, and what an `access` record says of it.
#[derive(Debug)]
pub struct Gathered {
    /// The report.
    pub report: Report,
    /// The size of the tree that it is of.
    pub tree_size: u64,
    /// User login events in it.
    pub rows: u64,
}

/// Asks the trail everything that a report says.
///
/// # Errors
/// The range is empty, the filter is not understood, or the trail cannot be read.
pub async fn gather(
    engine: &Engine,
    control: &dyn Control,
    trail: &Trail,
    asked: &ReportRequest<'_>,
) -> Result<Gathered, QueryError> {
    let snapshot = trail.snapshot();
    let size = snapshot.size;
    let request = LoginRequest {
        from: Some(asked.from),
        to: Some(asked.to),
        filter: Filter::parse(asked.filter)?,
        limit: 1,
        as_of: Some(AsOf::Size(size)),
        ..LoginRequest::default()
    };
    let mut counts = Vec::new();
    for query in COUNTED {
        let page = engine.logins(trail, &LoginRequest { query, ..request.clone() }, asked.now).await?;
        counts.push((query, page.total));
    }
    let rows = counts.first().map_or(0, |(_, total)| *total);
    let common = engine.facets(trail, &request, asked.now, ROWS_MAX).await?.facets;
    let failed = LoginRequest { query: NamedQuery::SignInFailures, ..request.clone() };
    let failures = engine.facets(trail, &failed, asked.now, ROWS_MAX).await?.facets;
    let sessions = SessionRequest {
        query: SessionQuery::LogonWithoutLogoff,
        from: request.from,
        to: request.to,
        filter: request.filter.clone(),
        limit: 1,
        page: None,
        as_of: request.as_of,
    };
    let without_logoff = engine.sessions(trail, &sessions, asked.now).await?.total;
    let (_, mut leavers) = engine.after_leaving(trail).await?;
    leavers.retain(|row| row.position < size && asked.from <= row.occurred_at && row.occurred_at < asked.to);
    let streams =
        coverage::reports(control, trail.name(), (asked.from, asked.to.min(asked.now)), asked.now).await?;
    let range = format!("{} to {}", show(asked.from), show(asked.to));
    let report = Report {
        title: format!("Sign-ins of {}", trail.name()),
        subtitle: format!("{range} (UTC), prepared {} by {}", show(asked.now), asked.prepared_by),
        foot: format!("whowas · {} · {range} UTC · tree size {size}", trail.name()),
        sections: vec![
            scope(trail, asked, &range, size),
            source_logic(&streams),
            coverage_statement(&streams, asked),
            counted(&counts, &common),
            findings(&failures, &leavers, without_logoff, &counts),
            limits(),
            verification(trail, &snapshot.checkpoint, asked, size),
            section(
                "Sign-offs",
                vec![Block::SignOffs(texts(&["Prepared by", "Reviewed by", "Approved by"]))],
            ),
        ],
    };
    Ok(Gathered { report, tree_size: size, rows })
}

fn section(title: &str, blocks: Vec<Block>) -> Section {
    Section { title: title.to_owned(), blocks }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn facts(list: &[(&str, String)]) -> Block {
    Block::Facts(list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn paragraph(text: &str) -> Block {
    Block::Text(text.to_owned())
}

/// A time without fractions.
fn show(time: Time) -> String {
    time.to_string()
        .chars()
        .take(19)
        .map(|character| if character == 'T' { ' ' } else { character })
        .collect()
}

fn scope(trail: &Trail, asked: &ReportRequest<'_>, range: &str, size: u64) -> Section {
    let filter = if asked.filter.is_empty() { "none: every sign-in" } else { asked.filter };
    section(
        "Scope and parameters",
        vec![facts(&[
            ("Environment", trail.name().to_string()),
            ("Range", format!("{range}, the end excluded; all times are UTC")),
            ("Filter", filter.to_owned()),
            ("State of the trail", format!("{size} records")),
            ("Prepared", format!("{} by {}", show(asked.now), asked.prepared_by)),
            ("Program", format!("whowas {}", env!("CARGO_PKG_VERSION"))),
        ])],
    )
}

fn source_logic(streams: &[StreamReport]) -> Section {
    let mut blocks = vec![
        paragraph(
            "A row of User login events is one record of a sign-in, successful or not, as its source reported it. \
             What a source delivers again adds nothing; what it delivers with other content becomes a new revision. \
             Names come from the record, and where it has none from the directory.",
        ),
        paragraph(
            "An end of a session is recorded, or inferred by rules that the program names with each session; nothing \
             is counted as an end of which neither holds.",
        ),
    ];
    let row = |stream: &StreamReport| {
        let keeps =
            stream.retention_s.map_or("without a known end".to_owned(), |s| format!("{} days", s / 86_400));
        vec![
            stream.source.clone(),
            stream.stream.clone(),
            stream.last_pass_at.map(show).unwrap_or_default(),
            stream.last_occurred_at.map(show).unwrap_or_default(),
            keeps,
        ]
    };
    if !streams.is_empty() {
        blocks.push(Block::Table {
            columns: texts(&["Source", "Stream", "Last read", "Newest record", "It keeps records"]),
            rows: streams.iter().map(row).collect(),
        });
    }
    section("Where the records come from", blocks)
}

/// Thousandths of the range in each state, and in none.
fn shares(stream: &StreamReport, (from, to): (Time, Time)) -> [i64; 5] {
    let whole = (to.as_ms() - from.as_ms()).max(1);
    let of = |state: Coverage| {
        let those = stream.intervals.iter().filter(|interval| interval.state == state);
        let ms = those.map(|one| one.to.min(to).as_ms() - one.from.max(from).as_ms()).filter(|ms| *ms > 0);
        ms.sum::<i64>()
    };
    let [closed, open, at_risk, lost] = Coverage::ALL.map(of);
    let unknown = (whole - closed - open - at_risk - lost).max(0);
    [closed, open, at_risk, lost, unknown].map(|ms| ms.saturating_mul(1000) / whole)
}

fn percent(thousandths: i64) -> String {
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

fn coverage_statement(streams: &[StreamReport], asked: &ReportRequest<'_>) -> Section {
    let range = (asked.from, asked.to.min(asked.now));
    if streams.is_empty() {
        return section(
            "Coverage",
            vec![paragraph(
                "No source of this environment has a coverage ledger. What is counted below is here; whether more \
                 happened, this report cannot say.",
            )],
        );
    }
    let all: Vec<[i64; 5]> = streams.iter().map(|stream| shares(stream, range)).collect();
    let is_closed = all.iter().all(|[closed, ..]| *closed == 1000);
    let statement = if is_closed {
        "Of every stream the whole range is closed: two passes far apart returned the same records, after the source \
         could add any, or a file told of the whole time."
    } else {
        "Not all of the range is closed for every stream. What is open may still get records; what is lost or was \
         never read may hide sign-ins that this report does not count."
    };
    let row = |(stream, shares): (&StreamReport, &[i64; 5])| {
        let mut row = vec![stream.source.clone(), stream.stream.clone()];
        row.extend(shares.map(percent));
        row
    };
    let table = Block::Table {
        columns: texts(&["Source", "Stream", "Closed", "Open", "At risk", "Lost", "Never read"]),
        rows: streams.iter().zip(&all).map(row).collect(),
    };
    section("Coverage", vec![paragraph(statement), table])
}

fn counted(counts: &[(NamedQuery, u64)], common: &[Facet]) -> Section {
    let mut rows: Vec<Vec<String>> =
        counts.iter().map(|(query, total)| vec![query.title().to_owned(), total.to_string()]).collect();
    for facet in common {
        let at_least = if facet.is_complete { "" } else { "at least " };
        let name = format!("Different values of {} among user login events", facet.field);
        rows.push(vec![name, format!("{at_least}{}", facet.distinct)]);
    }
    let mut blocks = vec![Block::Table { columns: texts(&["What", "Count"]), rows }];
    blocks.extend(["user", "app"].into_iter().filter_map(|field| values(common, field, "User login events")));
    section("Counts", blocks)
}

/// The most common values of a field, if there are any.
fn values(facets: &[Facet], field: &str, of: &str) -> Option<Block> {
    let facet = facets.iter().find(|facet| facet.field == field).filter(|facet| !facet.values.is_empty())?;
    let shown = facet.values.len();
    let rows = facet
        .values
        .iter()
        .map(|one| vec![one.value.clone(), one.label.clone().unwrap_or_default(), one.count.to_string()]);
    let heading = match facet.distinct {
        all if all > shown as u64 => format!("{field} (the {shown} most common of {all})"),
        _ => field.to_owned(),
    };
    Some(Block::Table { columns: vec![heading, "Name".to_owned(), of.to_owned()], rows: rows.collect() })
}

fn findings(
    failures: &[Facet],
    leavers: &[LoginRow],
    without_logoff: u64,
    counts: &[(NamedQuery, u64)],
) -> Section {
    let failed = counts.iter().find(|(query, _)| *query == NamedQuery::SignInFailures).map_or(0, |one| one.1);
    let row = |name: &str, count: String, meaning: &str| vec![name.to_owned(), count, meaning.to_owned()];
    let table = Block::Table {
        columns: texts(&["Finding", "Count", "What it means"]),
        rows: vec![
            row("Sign-in failures", failed.to_string(), "Attempts that the source refused."),
            row(
                "Sign-ins after leaving",
                leavers.len().to_string(),
                "Successful sign-ins after the directory said that the person is disabled or deleted; of the whole \
                 environment, whatever the filter.",
            ),
            row(
                "Logon without logoff",
                without_logoff.to_string(),
                "Sessions that began in the range and of which no record tells the end.",
            ),
        ],
    };
    let mut blocks = vec![table];
    blocks.extend(values(failures, "user", "Failures"));
    if !leavers.is_empty() {
        let row = |one: &LoginRow| {
            let user = one.user_name.clone().or_else(|| one.user_uid.clone()).unwrap_or_default();
            let (name, ip) = (one.user_full_name.clone(), one.src_ip.clone());
            vec![
                show(one.occurred_at),
                user,
                name.unwrap_or_default(),
                ip.unwrap_or_default(),
                one.position.to_string(),
            ]
        };
        let heading = match leavers.len() {
            all if all > ROWS_MAX => format!("Signed in after leaving (the newest {ROWS_MAX} of {all})"),
            _ => "Signed in after leaving".to_owned(),
        };
        let mut columns = vec![heading];
        columns.extend(texts(&["User", "Name", "IP address", "Position"]));
        blocks.push(Block::Table { columns, rows: leavers.iter().take(ROWS_MAX).map(row).collect() });
    }
    section("Findings", blocks)
}

fn limits() -> Section {
    section(
        "What this report does not say",
        vec![paragraph(
            "It counts what sources reported. A sign-in that a source did not record, or that was changed before it was \
             read, is not in it. The checkpoint below proves that nothing was changed, removed or put in between after \
             it was recorded; it says nothing about whether a source told the truth.",
        )],
    )
}

fn verification(trail: &Trail, checkpoint: &str, asked: &ReportRequest<'_>, size: u64) -> Section {
    let (from, to) = (asked.from, asked.to);
    let filter = if asked.filter.is_empty() { String::new() } else { format!(" {}", asked.filter) };
    let commands = format!(
        "whowas export --environment {} --from {from} --to {to} --evidence --out answer.zip{filter}\n\
         whowas verify answer.zip --vkey '{}'",
        trail.name(),
        trail.verifying_key(),
    );
    section(
        "Checkpoint, and how to verify it",
        vec![
            paragraph(&format!(
                "This is the signed checkpoint of the {size} records that the report is of. Keep it: every later \
                 state of the trail must be consistent with it."
            )),
            Block::Code(checkpoint.trim_end().to_owned()),
            facts(&[
                ("Origin", trail.origin().to_owned()),
                ("Public key", trail.verifying_key().to_string()),
            ]),
            paragraph(
                "To check the rows yourself, have an evidence bundle made of the same question and verify it with a \
                 key that you did not get from it; it needs neither the server nor the trail. To check that a later \
                 trail continues this one, keep the checkpoint in a file and run whowas verify with --checkpoint.",
            ),
            Block::Code(commands),
        ],
    )
}
