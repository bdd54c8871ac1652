//! Files and request bodies into a trail.
//!
//! One thread parses and admits; this task appends what it gives, several batches at once, so that the
//! next commit fills while one is written. Memory is bounded: the thread waits when batches pile up.

use std::{fs::File, io::Read, sync::Arc};

use futures::{
    Stream, StreamExt,
    stream::{self, FuturesUnordered},
};
use serde_json::json;
use tokio::sync::mpsc;
use whowas_event::admit::RawData;
use whowas_format::{FileReport, Options, ReadError, Stop};
use whowas_store::{Batch, Receipt, StoreError, Trail, WhenFull, control::Control};

use crate::{
    ImportError, ImportSummary,
    coverage::{FILES, Pass, PassKind, record_pass},
    read::{self, Message, REJECTED_KEPT_MAX, Source, Tally},
};

/// Appends that wait for their commit at once. With what the thread holds, at most seven batches are in
/// memory: 7 × 4,096 records of 1 KiB are 28 MB.
const APPENDS_IN_FLIGHT: usize = 4;
/// Batches that wait to be appended.
const BATCHES_WAITING: usize = 2;

/// How records are brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// As a file: the import waits while the trail is busy, and a `coverage` record says what was read.
    #[default]
    File,
    /// By a program that sends again when it is told that the trail is busy.
    Push,
}

/// How an input is read.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The name of the format, if it is not to be recognised.
    pub format: Option<String>,
    /// The source the records are from; by default named after the format.
    pub source: Option<String>,
    /// Whether the bytes of each record are kept.
    pub raw: RawData,
    /// How they are brought.
    pub delivery: Delivery,
    /// What formats need to know. `received_at` is the time of this import, by the caller's clock.
    pub read: Options,
}

/// Reads a stream and appends its records; see [`import_file`] for what can be sought in.
///
/// When this returns, everything counted as recorded is durable and provable. Repeating it is harmless:
/// what is in the trail already is a duplicate, and a file without anything new leaves the tree as it is.
pub async fn import(
    trail: &Arc<Trail>,
    control: &Arc<dyn Control>,
    mut input: impl Read + Send + 'static,
    file_name: &str,
    options: ImportOptions,
) -> Result<Vec<ImportSummary>, ImportError> {
    let (name, thread_options) = (file_name.to_owned(), options.clone());
    let read =
        move |send: &mut read::Send<'_>| read::read(Source::Stream(&mut input), &name, &thread_options, send);
    import_beside(trail, control, read, file_name, &options).await
}

/// The same for a file: an archive's directory is read in place, however large the archive is.
pub async fn import_file(
    trail: &Arc<Trail>,
    control: &Arc<dyn Control>,
    mut file: File,
    file_name: &str,
    options: ImportOptions,
) -> Result<Vec<ImportSummary>, ImportError> {
    let (name, thread_options) = (file_name.to_owned(), options.clone());
    let read =
        move |send: &mut read::Send<'_>| read::read(Source::File(&mut file), &name, &thread_options, send);
    import_beside(trail, control, read, file_name, &options).await
}

/// The same for few bytes that are in memory: they are parsed where the caller is, without a thread.
pub async fn import_bytes(
    trail: &Arc<Trail>,
    control: &Arc<dyn Control>,
    mut bytes: &[u8],
    name: &str,
    options: &ImportOptions,
) -> Result<Vec<ImportSummary>, ImportError> {
    let mut messages = Vec::new();
    let (read, tallies) = read::read(Source::Stream(&mut bytes), name, options, &mut |message| {
        messages.push(message);
        Ok(())
    });
    let mut import = Import { trail, control, options, files: Vec::new() };
    import.append_all(stream::iter(messages)).await?;
    import.conclude(name, read, tallies).await
}

async fn import_beside(
    trail: &Arc<Trail>,
    control: &Arc<dyn Control>,
    read: impl FnOnce(&mut read::Send<'_>) -> (Result<Vec<FileReport>, ReadError>, Vec<Tally>) + Send + 'static,
    file_name: &str,
    options: &ImportOptions,
) -> Result<Vec<ImportSummary>, ImportError> {
    let (sender, mut receiver) = mpsc::channel(BATCHES_WAITING);
    let reading = tokio::task::spawn_blocking(move || {
        read(&mut |message| sender.blocking_send(message).map_err(|_| Stop))
    });
    let mut import = Import { trail, control, options, files: Vec::new() };
    // An error drops the receiver, and the thread stops at its next batch.
    let appended = import.append_all(stream::poll_fn(move |context| receiver.poll_recv(context))).await;
    let (read, tallies) = reading.await.map_err(|_| ImportError::Thread(file_name.to_owned()))?;
    appended?;
    import.conclude(file_name, read, tallies).await
}

/// A file that is being imported.
struct Progress {
    source: String,
    summary: ImportSummary,
}

struct Import<'a> {
    trail: &'a Arc<Trail>,
    control: &'a Arc<dyn Control>,
    options: &'a ImportOptions,
    files: Vec<Progress>,
}

impl Import<'_> {
    async fn append_all(
        &mut self,
        mut messages: impl Stream<Item = Message> + Unpin,
    ) -> Result<(), StoreError> {
        let when_full = match self.options.delivery {
            Delivery::File => WhenFull::Wait,
            Delivery::Push => WhenFull::Fail,
        };
        let mut in_flight = FuturesUnordered::new();
        loop {
            tokio::select! {
                // First, so that a new append hands its records in before the next is taken: they keep
                // their order.
                biased;
                Some((file_idx, receipt)) = in_flight.next(), if !in_flight.is_empty() => {
                    self.add(file_idx, receipt?);
                }
                message = messages.next(), if in_flight.len() < APPENDS_IN_FLIGHT => match message {
                    None => break,
                    Some(Message::Begin { file, format, source }) => {
                        let summary =
                            ImportSummary { file, format: Some(format.to_owned()), ..ImportSummary::default() };
                        self.files.push(Progress { source, summary });
                    }
                    Some(Message::Rejected { rejected }) => {
                        self.control.reject(self.trail.name(), &rejected).await?;
                    }
                    Some(Message::Records { file_idx, records }) => {
                        let (source, format) = self.files.get(file_idx).map_or_else(Default::default, |file| {
                            (file.source.clone(), file.summary.format.clone().unwrap_or_default())
                        });
                        let received_at = self.options.read.received_at;
                        let batch = Batch { source, format, received_at, records };
                        let trail = self.trail.clone();
                        in_flight.push(async move { (file_idx, trail.append(batch, when_full).await) });
                    }
                },
            }
        }
        while let Some((file_idx, receipt)) = in_flight.next().await {
            self.add(file_idx, receipt?);
        }
        Ok(())
    }

    fn add(&mut self, file_idx: usize, receipt: Receipt) {
        if let Some(file) = self.files.get_mut(file_idx) {
            file.summary.add(receipt);
        }
    }

    /// Completes the summaries, and says in the trail what was read.
    async fn conclude(
        mut self,
        file_name: &str,
        read: Result<Vec<FileReport>, ReadError>,
        tallies: Vec<Tally>,
    ) -> Result<Vec<ImportSummary>, ImportError> {
        let (reports, error) = match read {
            Ok(reports) => (reports, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let rejected_total: u64 = tallies.iter().map(|tally| tally.rejected).sum();
        let files = self.files.len();
        let mut read_reports = reports.iter().filter(|report| report.format.is_some());
        let mut summaries = Vec::with_capacity(reports.len());
        for (idx, (mut file, tally)) in std::mem::take(&mut self.files).into_iter().zip(tallies).enumerate() {
            let report = read_reports.next();
            let is_complete = report.is_some() || idx + 1 < files;
            let summary = &mut file.summary;
            summary.read = report.map_or(tally.items, |report| report.summary.read);
            summary.rejected = tally.rejected;
            summary.reasons.clone_from(&tally.reasons);
            if let Some(report) = report {
                summary.warnings.extend(warnings(report, &tally));
            }
            if rejected_total > REJECTED_KEPT_MAX && tally.rejected > 0 {
                summary.warnings.push(format!(
                    "more than {REJECTED_KEPT_MAX} records were rejected; the first {REJECTED_KEPT_MAX} are kept, the others only counted"
                ));
            }
            let is_news = summary.recorded > 0 || summary.rejected > 0;
            if is_news && self.options.delivery == Delivery::File {
                let receipt = self.coverage(&file, &tally, is_complete).await?;
                file.summary.tree_size = receipt.tree_size;
            } else if file.summary.tree_size == 0 {
                file.summary.tree_size = self.trail.snapshot().size;
            }
            summaries.push(file.summary);
        }
        if let Some(error) = error {
            return Err(ImportError::Read { file: file_name.to_owned(), error, partial: summaries });
        }
        summaries.extend(reports.into_iter().filter(|report| report.format.is_none()).map(|report| {
            ImportSummary {
                file: report.name,
                tree_size: self.trail.snapshot().size,
                warnings: report.summary.warnings,
                ..ImportSummary::default()
            }
        }));
        Ok(summaries)
    }

    /// One pass over a source, as a record of the trail itself.
    async fn coverage(
        &self,
        file: &Progress,
        tally: &Tally,
        is_complete: bool,
    ) -> Result<Receipt, StoreError> {
        let summary = &file.summary;
        let received_at = self.options.read.received_at;
        let from = tally.first.unwrap_or(received_at);
        let to = tally.last.map_or(from, |last| last.saturating_add_ms(1));
        let format = summary.format.clone().unwrap_or_default();
        let pass = Pass {
            is_complete: is_complete && !is_cut_off(&format, summary.read),
            ids: tally.ids,
            digest: tally.digest,
            first_occurred_at: tally.first,
            last_occurred_at: tally.last,
            read: summary.read,
            recorded: summary.recorded,
            duplicate: summary.duplicate,
            revised: summary.revised,
            rejected: summary.rejected,
            format,
            ..Pass::new(&file.source, FILES, PassKind::File, (from, to), received_at)
        };
        record_pass(self.trail, self.control.as_ref(), &pass, json!({ "file": file_tail(&summary.file) }))
            .await
    }
}

/// Whether the product cuts its exports at so many rows: then the file probably lacks some.
fn is_cut_off(format: &str, read: u64) -> bool {
    whowas_format::registry::find(format).is_some_and(|format| format.info().row_caps.contains(&read))
}

/// The end of a file's name, which tells most: paths may be longer than what a record keeps.
pub fn file_tail(name: &str) -> &str {
    const BYTES_MAX: usize = 4096;
    let mut at = name.len().saturating_sub(BYTES_MAX);
    while !name.is_char_boundary(at) {
        at += 1;
    }
    name.get(at..).unwrap_or_default()
}

fn warnings(report: &FileReport, tally: &Tally) -> Vec<String> {
    let mut warnings = report.summary.warnings.clone();
    let n_without_zone = report.summary.times_without_zone;
    if n_without_zone > 0 {
        warnings.push(format!("{n_without_zone} times had no zone and were read in the source's time zone"));
    }
    if report.summary.read == 0 {
        warnings.push("there are no records in it".to_owned());
    }
    for (category, count) in &tally.set_aside {
        warnings.push(format!("{count} records of category {category} are no sign-ins and were set aside"));
    }
    warnings
}
