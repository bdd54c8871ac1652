//! `whowas normalize`: what a file says, without a store.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use serde_json::{Value, json};
use whowas_event::{Draft, admit, admit::RawData};
use whowas_format::{
    Input, Item, Place, Problem, Stop,
    dialect::{self, Sourced},
    read_each,
};
use whowas_store::Clock;

use crate::{
    cli::{Dialect, Normalize},
    config::SystemClock,
    failure::{DONE, Failure, REJECTED},
};

pub(crate) fn run(args: Normalize) -> Result<u8, Failure> {
    let options = super::import::read_options(&args.reading, SystemClock.now())?;
    let format = super::import::format_name(&args.reading);
    let name = args.file.display().to_string();
    let mut printer = Printer {
        dialect: args.dialect,
        format: "",
        rejected: 0,
        out: BufWriter::new(io::stdout().lock()),
        failed: None,
    };
    let printer_cell = std::cell::RefCell::new(&mut printer);
    let mut begin = |start: whowas_format::FileStart<'_>| {
        printer_cell.borrow_mut().format = start.format.name;
        Ok(())
    };
    let mut sink = |item| printer_cell.borrow_mut().print(item);
    let read = if args.file == Path::new("-") {
        read_each(
            Input::Stream(&mut io::stdin().lock()),
            &name,
            format.as_deref(),
            &options,
            &mut begin,
            &mut sink,
        )
    } else {
        let mut file = File::open(&args.file).map_err(|e| Failure::not_understood(format!("{name}: {e}")))?;
        let options = super::import::dated(options, &file);
        read_each(Input::File(&mut file), &name, format.as_deref(), &options, &mut begin, &mut sink)
    };
    if let Some(error) = printer.failed {
        return Err(error.into());
    }
    printer.out.flush()?;
    let rejected = printer.rejected;
    let reports = read.map_err(|error| Failure::not_understood(format!("{name}: {error}")))?;
    for warning in reports.iter().flat_map(|report| &report.summary.warnings) {
        tracing::info!("{warning}");
    }
    Ok(if rejected > 0 { REJECTED } else { DONE })
}

struct Printer<W: Write> {
    dialect: Dialect,
    format: &'static str,
    rejected: u64,
    out: W,
    failed: Option<io::Error>,
}

impl<W: Write> Printer<W> {
    fn print(&mut self, item: Item) -> Result<(), Stop> {
        let written = match item {
            Item::Draft(draft, place) => self.draft(draft, place),
            Item::Problem(problem) => self.reject(&problem),
            Item::SetAside { .. } => Ok(()),
        };
        written.map_err(|error| {
            self.failed = Some(error);
            Stop
        })
    }

    fn draft(&mut self, draft: Draft, place: Place) -> io::Result<()> {
        let raw = draft.raw.clone();
        match admit(draft, RawData::Kept) {
            Ok(admitted) => {
                let event = &admitted.event;
                let sourced = Sourced { event, source: self.format, format: self.format, raw: Some(&raw) };
                let value = match self.dialect {
                    Dialect::Ecs => dialect::ecs(sourced),
                    Dialect::Ocsf => dialect::ocsf(sourced),
                    Dialect::Event => dialect::native(sourced),
                };
                self.line(&value)
            }
            Err(rejection) => {
                self.rejected += 1;
                tell(place, &rejection.to_string());
                Ok(())
            }
        }
    }

    fn reject(&mut self, problem: &Problem) -> io::Result<()> {
        self.rejected += 1;
        tell(problem.place, &problem.reason);
        Ok(())
    }

    fn line(&mut self, value: &Value) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value)?;
        self.out.write_all(b"\n")
    }
}

/// One line on standard error for a record that is not understood.
pub(crate) fn tell(place: Place, reason: &str) {
    let mut value = json!({"record": place.record, "reason": reason});
    if let (Value::Object(members), Some(line)) = (&mut value, place.line) {
        members.insert("line".to_owned(), line.into());
        if let Some(column) = place.column {
            members.insert("column".to_owned(), column.into());
        }
    }
    eprintln!("{value}");
}
