//! `whowas proof`: the file that convinces somebody of one record.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use serde_json::json;
use whowas_export::evidence::{Disclose, record};
use whowas_store::Clock;

use super::access;
use crate::{
    cli::{Global, Proof},
    config,
    failure::{DONE, Failure},
    output,
};

pub(crate) async fn run(global: &Global, args: Proof) -> Result<u8, Failure> {
    let disclose =
        Disclose::parse(&args.disclose).map_err(|e| Failure::not_understood(format!("--disclose: {e}")))?;
    let store = config::open(global, false).await?;
    let trail = store.trail(&args.environment).await?;
    let proven = trail.prove(args.position).await?;
    let file = record::write(proven.proof, &proven.leaf, &proven.record, &disclose);
    let now = config::SystemClock.now();
    // Before the file is written: what was seen is recorded, whatever becomes of the file.
    access::record(&trail, "proof", json!({ "position": args.position }), json!({}), now).await?;
    store.close().await?;
    match args.out.as_deref().filter(|out| *out != Path::new("-")) {
        None => io::stdout().lock().write_all(file.as_bytes())?,
        Some(out) => {
            fs::write(out, &file).map_err(|e| Failure::file(out, &e))?;
            let shown = out.display().to_string();
            if global.json {
                output::json_line(&json!({ "file": shown, "position": args.position }))?;
            } else {
                eprintln!(
                    "{shown} proves position {}; check it with `whowas verify {shown} --vkey …`",
                    args.position
                );
            }
        }
    }
    Ok(DONE)
}
