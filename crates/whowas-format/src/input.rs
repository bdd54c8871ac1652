//! From a file to items: containers, encoding, recognition, reading. The one entry for all who have bytes.

use std::io::{Cursor, Read};

use crate::{
    chunk::Begun,
    container::{self, Input, Member},
    contract::{
        Format, Info, Options, RECORD_BYTES_MAX, ReadError, ReadSummary, SAMPLE_BYTES, Sample, Sink, Stop,
    },
    decode::Encoding,
    jsonstream, registry, xlsx,
};

/// How much of JSON is looked at if its first record does not end in a sample: the largest record, and
/// what may stand before it.
const JSON_SAMPLE_BYTES: usize = RECORD_BYTES_MAX + SAMPLE_BYTES;

/// What became of one file: the input itself, or one of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// The input's name, and behind `/` that in the archive.
    pub name: String,
    /// The name of the format it was read as; `None` for a file of an archive that none recognises.
    pub format: Option<&'static str>,
    /// What the reading saw.
    pub summary: ReadSummary,
}

/// A file whose records follow.
#[derive(Clone, Copy, Debug)]
pub struct FileStart<'a> {
    /// The input's name, and behind `/` that in the archive.
    pub name: &'a str,
    /// The format it is read as.
    pub format: &'static Info,
    /// Its beginning.
    pub sample: Sample<'a>,
}

/// Is told of each file before its records.
pub type Begin<'a> = dyn FnMut(FileStart<'_>) -> Result<(), Stop> + 'a;

/// Reads an input, whatever it is wrapped in, and hands every record to `sink`.
///
/// `format` is the name of a format if it is not to be recognised. A file of an archive that is not
/// recognised is reported with a warning, unless there is no other.
pub fn read_all(
    input: Input<'_>,
    name: &str,
    format: Option<&str>,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<Vec<FileReport>, ReadError> {
    read_each(input, name, format, options, &mut |_| Ok(()), sink)
}

/// The same, for those who must know which file a record is from: `begin` is called before its first.
pub fn read_each(
    input: Input<'_>,
    name: &str,
    format: Option<&str>,
    options: &Options,
    begin: &mut Begin<'_>,
    sink: &mut Sink<'_>,
) -> Result<Vec<FileReport>, ReadError> {
    let format = match format {
        Some(format) => Some(registry::find(format).ok_or_else(|| {
            ReadError::Unrecognized(format!("there is no format `{format}`; `whowas formats` lists them"))
        })?),
        None => None,
    };
    let mut reports = Vec::new();
    container::open(input, name, &mut |member| {
        reports.push(read_member(member, format, options, begin, sink)?);
        Ok(())
    })?;
    let unread = reports.iter().find(|report| report.format.is_none());
    if let (Some(unread), true) = (unread, reports.iter().all(|report| report.format.is_none())) {
        let why =
            unread.summary.warnings.first().map_or("", |why| why.trim_start_matches("not recognised: "));
        return Err(ReadError::Unrecognized(format!("no file of the archive; {} is {why}", unread.name)));
    }
    if reports.is_empty() {
        return Err(ReadError::Unrecognized("the archive has no files".to_owned()));
    }
    Ok(reports)
}

fn read_member(
    member: Member<'_>,
    format: Option<&'static dyn Format>,
    options: &Options,
    begin: &mut Begin<'_>,
    sink: &mut Sink<'_>,
) -> Result<FileReport, ReadError> {
    let encoding = Encoding::of(&member.sample);
    let mut is_whole = member.sample.len() < SAMPLE_BYTES;
    let mut head = Vec::new();
    encoding.decode(Box::new(Cursor::new(&member.sample)))?.read_to_end(&mut head)?;
    let mut reader = encoding.decode(member.reader)?;
    let is_begun = |sample| jsonstream::is_json_like(sample) && jsonstream::first_object(sample).is_none();
    if !is_whole && is_begun(Sample { bytes: &head, is_whole }) {
        let (longer, whole) = Begun::new(reader, JSON_SAMPLE_BYTES)?;
        is_whole = longer.len() < JSON_SAMPLE_BYTES;
        (head, reader) = (longer, Box::new(whole));
    }
    let sample = Sample { bytes: &head, is_whole };
    let Some(format) = format.or_else(|| registry::detect(sample)) else {
        // If the input breaks off, that is why nothing was recognized.
        (&mut reader).take(JSON_SAMPLE_BYTES as u64).read_to_end(&mut Vec::new())?;
        let seen = registry::describe(sample);
        if !member.is_in_archive {
            return Err(ReadError::Unrecognized(seen));
        }
        let summary = ReadSummary { warnings: vec![format!("not recognised: {seen}")], ..Default::default() };
        return Ok(FileReport { name: member.name, format: None, summary });
    };
    let mut format = format;
    if format.info().name == xlsx::WORKBOOK {
        let mut workbook = Vec::new();
        reader.take(xlsx::WORKBOOK_BYTES_MAX + 1).read_to_end(&mut workbook)?;
        format = xlsx::table_format(&workbook).unwrap_or(format);
        reader = Box::new(Cursor::new(workbook));
    }
    begin(FileStart { name: &member.name, format: format.info(), sample })?;
    let mut summary = format.read(&mut reader, options, sink)?;
    summary.warnings.extend(encoding.warning());
    summary.warnings.extend(cap_warning(format.info(), summary.read));
    Ok(FileReport { name: member.name, format: Some(format.info().name), summary })
}

/// A count that is exactly one at which the product cuts its exports is hardly chance.
pub(crate) fn cap_warning(info: &Info, read: u64) -> Option<String> {
    info.row_caps.contains(&read).then(|| {
        let rows = grouped(read);
        format!(
            "exactly {rows} rows: that is where {} cuts its exports, so this one is probably truncated",
            info.product
        )
    })
}

/// A number with commas between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
