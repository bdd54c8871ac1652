//! `whowas export`: the whole answer into a file.

mod evidence;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use futures::StreamExt;
use serde_json::json;
use sha2::{Digest, Sha256};
use whowas_export::{Encoder, FileFormat};
use whowas_query::{Engine, WINDOW_DAYS_DEFAULT};
use whowas_store::Clock;

use super::search::{filter_text, record_access, request};
use crate::{
    cli::{Export, Global},
    config,
    failure::{DONE, Failure},
    output, times,
};

pub(crate) async fn run(global: &Global, args: Export) -> Result<u8, Failure> {
    let format = FileFormat::from_word(&args.format)
        .map_err(|reason| Failure::not_understood(format!("--as {}: {reason}", args.format)))?;
    let now = config::SystemClock.now();
    let zone = times::zone(global.timezone.as_deref())?;
    let mut request = request(&args.question, now, &zone)?;
    // Fixed here, so that the trail records the range that was exported.
    let to = *request.to.get_or_insert_with(|| now.saturating_add_ms(1));
    let from = *request.from.get_or_insert_with(|| to.saturating_add_ms(-WINDOW_DAYS_DEFAULT * 86_400_000));
    let store = config::open(global, false).await?;
    let trail = store.trail(&args.question.environment).await?;
    if args.evidence {
        if args.out == Path::new("-") {
            return Err(Failure::not_understood("--evidence makes a zip file: name one with --out"));
        }
        let FileFormat::Rows(format) = format else {
            return Err(Failure::not_understood("--evidence proves csv and jsonl; use one of them"));
        };
        let filter = filter_text(&args.question);
        let asked = (&request, filter.as_str());
        let code = evidence::write(global, &args, &trail, asked, (from, to, now), format).await?;
        store.close().await?;
        return Ok(code);
    }
    let tree_size = trail.snapshot().size;
    let rows = Engine::new()?.stream_logins(&trail, &request, now).await?;
    let mut rows = std::pin::pin!(rows);
    let is_stdout = args.out == Path::new("-");
    let file: Box<dyn Write> = if is_stdout {
        Box::new(io::stdout())
    } else {
        Box::new(File::create(&args.out).map_err(|e| Failure::file(&args.out, &e))?)
    };
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let (mut digest, mut count) = (Sha256::new(), 0_u64);
    let mut bytes = Vec::new();
    let encoding = |error: whowas_export::EncodeError| Failure::failed(error.to_string());
    let mut encoder = Encoder::new(format, &mut bytes).map_err(encoding)?;
    let mut put = |bytes: &mut Vec<u8>| {
        digest.update(&bytes);
        out.write_all(bytes).map(|()| bytes.clear())
    };
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        count += batch.len() as u64;
        encoder.rows(&batch, &mut bytes).map_err(encoding)?;
        put(&mut bytes)?;
    }
    encoder.finish(&mut bytes).map_err(encoding)?;
    put(&mut bytes)?;
    out.flush()?;
    record_access(&trail, "export", &args.question, (from, to, count), now).await?;
    store.close().await?;
    let sha256 = hex::encode(digest.finalize());
    let summary = json!({
        "file": args.out.display().to_string(), "as": format.as_str(), "rows": count, "from": from, "to": to,
        "tree_size": tree_size, "sha256": sha256,
    });
    match (global.json, is_stdout) {
        (true, false) => output::json_line(&summary)?,
        (true, true) => eprintln!("{summary}"),
        (false, _) => eprintln!("{count} rows from {from} to {to}, SHA-256 {sha256}"),
    }
    Ok(DONE)
}
