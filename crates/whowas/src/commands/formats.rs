//! `whowas formats`

use serde_json::json;
use whowas_format::registry::FORMATS;

use crate::{
    cli::Global,
    failure::{DONE, Failure},
    output,
};

pub(crate) fn run(global: &Global) -> Result<u8, Failure> {
    let infos = FORMATS.iter().map(|format| format.info());
    if global.json {
        for info in infos {
            let yields = info.yields;
            output::json_line(&json!({
                "format": info.name, "product": info.product, "marker": info.marker,
                "start": yields.start, "end": yields.end, "failure": yields.failure, "identity": yields.identity,
            }))?;
        }
        return Ok(DONE);
    }
    let rows = infos.map(|info| {
        let yields = info.yields;
        let words = [
            (yields.start, "start"),
            (yields.end, "end"),
            (yields.failure, "failure"),
            (yields.identity, "identity"),
        ];
        let yields: Vec<_> =
            words.into_iter().filter(|(is_told, _)| *is_told).map(|(_, word)| word).collect();
        vec![info.name.to_owned(), info.product.to_owned(), info.marker.to_owned(), yields.join(", ")]
    });
    output::table(&["format", "product", "recognised by", "yields"], rows)?;
    Ok(DONE)
}
