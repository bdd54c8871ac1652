//! `whowas mirror`: the public log as files, in the layout of C2SP tlog-tiles. Any web server can serve the
//! folder, and any verifier of that format can read it.

use std::{fs, io::Write, path::Path};

use serde_json::json;
use whowas_store::{StoreError, Trail};
use whowas_tlog::{
    checkpoint::Checkpoint,
    tile::{TileId, tiles_of_size},
};

use crate::{
    cli::{Global, Mirror},
    config,
    failure::{DONE, Failure},
    output,
};

pub(crate) async fn run(global: &Global, args: Mirror) -> Result<u8, Failure> {
    let store = config::open(global, false).await?;
    let trail = store.trail(&args.environment).await?;
    let snapshot = trail.snapshot();
    refuse_rollback(&args.out, snapshot.size)?;
    let mut written = 0_u64;
    for id in tiles_of_size(snapshot.size) {
        written += u64::from(tile(&trail, id, &args.out).await?);
    }
    let vkey = format!("{}\n", trail.verifying_key());
    replace(&args.out, "vkey", vkey.as_bytes())?;
    // Last: whoever reads the folder meanwhile finds every tile of the checkpoint that stands there.
    replace(&args.out, "checkpoint", trail.checkpoint().as_bytes())?;
    store.close().await?;
    let shown = args.out.display().to_string();
    if global.json {
        output::json_line(&json!({ "folder": shown, "size": snapshot.size, "written": written }))?;
    } else {
        eprintln!("{shown} has the log of {} records; {written} files are new", snapshot.size);
    }
    Ok(DONE)
}

/// A copy that knows more than the trail is worth more than a new one.
fn refuse_rollback(folder: &Path, size: u64) -> Result<(), Failure> {
    let Ok(note) = fs::read_to_string(folder.join("checkpoint")) else { return Ok(()) };
    let text = note.split("\n\n").next().map(|text| format!("{text}\n")).unwrap_or_default();
    match Checkpoint::parse_text(&text) {
        Ok(copied) if copied.size > size => Err(StoreError::Corrupt(format!(
            "the copy has a checkpoint of {} records, the trail has {size}: was the trail restored from a backup?",
            copied.size
        ))
        .into()),
        _ => Ok(()),
    }
}

/// Writes a tile and, at level 0, the entries under it. Tiles never change, so what is there stays.
async fn tile(trail: &Trail, id: TileId, folder: &Path) -> Result<u8, Failure> {
    let missing = || StoreError::Corrupt(format!("{id} is missing"));
    let mut written = 0;
    if !folder.join(id.path()).exists() {
        replace(folder, &id.path(), &trail.tile(id).await?.ok_or_else(missing)?)?;
        written += 1;
    }
    if id.level == 0 && !folder.join(id.entries_path()).exists() {
        let end = id.index.saturating_mul(256).saturating_add(u64::from(id.width));
        let is_pruned = end <= trail.snapshot().erased.minimum_index();
        match trail.entry_bundle(id).await? {
            None if is_pruned => {}
            bundle => {
                replace(folder, &id.entries_path(), &bundle.ok_or_else(missing)?)?;
                written += 1;
            }
        }
    }
    Ok(written)
}

/// Writes a file outside of the log's paths and moves it to its place, so that none is ever half written.
fn replace(folder: &Path, below: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path = folder.join(below);
    let failed = |e: std::io::Error| Failure::file(&path, &e);
    fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
    let temporary = folder.join(format!(".tmp-{}", std::process::id()));
    let mut file = fs::File::create(&temporary).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&temporary, &path).map_err(failed)
}
