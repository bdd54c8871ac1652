//! Questions about the whole range of a search: its histogram, its common values.

use jiff::tz::TimeZone;
use whowas_event::Time;
use whowas_store::Trail;

use crate::{
    Engine, LoginRequest, QueryError,
    facets::{FACET_COLUMNS, Facets, Tally},
    histogram::{Counts, HISTOGRAM_COLUMNS, Histogram, Steps},
};

impl Engine {
    /// How the rows of a search spread over its range. Page and limit of the request do not count.
    pub async fn histogram(
        &self,
        trail: &Trail,
        request: &LoginRequest,
        now: Time,
        zone: &TimeZone,
        count: usize,
    ) -> Result<Histogram, QueryError> {
        let asked = self.ask(trail, request, now, None).await?;
        let scan = self.scan_all(trail, &asked)?;
        let steps = Steps::of(asked.from, asked.to, zone, count);
        let starts = steps.micros();
        let step = move |counts: &mut Counts, _, batch: &_| counts.add(batch, &starts);
        let parts = scan.fold(&HISTOGRAM_COLUMNS, step).await?;
        Ok(steps.histogram(parts, (asked.from, asked.to), asked.size))
    }

    /// The `limit` most common values of each field among the rows of a search. Page and limit of the
    /// request do not count.
    pub async fn facets(
        &self,
        trail: &Trail,
        request: &LoginRequest,
        now: Time,
        limit: usize,
    ) -> Result<Facets, QueryError> {
        let asked = self.ask(trail, request, now, None).await?;
        let scan = self.scan_all(trail, &asked)?;
        let parts = scan.fold(&FACET_COLUMNS, |tally: &mut Tally, _, batch| tally.add(batch)).await?;
        let tally = parts.into_iter().reduce(Tally::merge).unwrap_or_default();
        let (facets, total) = tally.top(limit, &asked.snapshot.directory);
        Ok(Facets { facets, total, from: asked.from, to: asked.to, tree_size: asked.size })
    }
}
