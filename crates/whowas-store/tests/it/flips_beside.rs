//! Random single-bit flips in the files beside a trail's records: keys, control database, notes.
//!
//! They are not covered by the root. A flip there is found when the folder is opened or checked, or it changes nothing that
//! the trail states: every leaf is derived again and has the signed root. Reasons are in [`reason`].

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use whowas_store::{Batch, Store, WhenFull, audit::Audit};

use crate::{
    flips::{files, next},
    world::{append, audit, clock, login, name, open},
};

/// Flips of a run before a merge; each opens a whole folder. `scripts/nightly.sh` makes a tenth of `WHOWAS_FLIPS`.
const FLIPS: usize = 60;

/// Why a flip in such a file may go unnoticed by `verify`; `None` if it must not.
fn reason(class: &str) -> Option<&'static str> {
    match class {
        "control database" => Some("a free page, or what is no evidence: names, cursors, tokens, the secret"),
        "note of an outage" => Some("a hint that does not parse is none"),
        "vkey" => Some("a copy for others; the key file decides"),
        _ => None,
    }
}

fn class(path: &str) -> Option<&'static str> {
    match path {
        "control.db" => Some("control database"),
        "trails/contoso/production/vkey" => Some("vkey"),
        "trails/contoso/production/outage" => Some("note of an outage"),
        _ if path.ends_with(".key") => Some("key"),
        _ => None,
    }
}

fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&path, target).unwrap();
    }
}

/// Checks the folder, then opens the trail and delivers everything again. An error is what somebody would see.
async fn look(folder: &Path) -> Result<(Audit, u64), String> {
    let store = Store::open(folder, false, clock()).await.map_err(|e| e.to_string())?;
    let environment = store.control().environment(&name()).await.map_err(|e| e.to_string())?;
    let environment = environment.ok_or("the environment is gone")?;
    let audit = store.audit(&environment).await.map_err(|e| e.to_string())?;
    let trail = store.trail(&name()).await.map_err(|e| e.to_string())?;
    store.tell_outages(&name()).await.map_err(|e| e.to_string())?;
    let received_at = whowas_event::Time::default();
    let records = (0..340).map(login).collect();
    let batch = Batch { source: "test".into(), format: "test".into(), received_at, records };
    let again = trail.append(batch, WhenFull::Wait).await.map_err(|e| e.to_string())?;
    store.close().await.map_err(|e| e.to_string())?;
    Ok((audit, again.duplicate))
}

#[tokio::test]
async fn a_flip_beside_the_records_is_found_or_changes_nothing_that_is_stated() {
    let flips = std::env::var("WHOWAS_FLIPS")
        .ok()
        .and_then(|text| text.parse().ok())
        .map_or(FLIPS, |n: usize| n / 10);
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    store.tell_outages(&name()).await.unwrap();
    append(&trail, (0..300).map(login).collect()).await;
    trail.settle().await;
    append(&trail, (300..340).map(login).collect()).await;
    store.close().await.unwrap();
    let good = audit(&store).await;
    drop((store, trail));
    assert_eq!((good.size, good.findings.as_slice()), (340, &[][..]));

    let mut classes: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    for path in files(folder.path()) {
        let below = path.strip_prefix(folder.path()).unwrap().to_owned();
        if let Some(class) = class(below.to_str().unwrap()) {
            classes.entry(class).or_default().push(below);
        }
    }
    assert_eq!(classes.len(), 4, "{:?}", classes.keys());
    let names: Vec<&str> = classes.keys().copied().collect();
    let mut state = 0x5eed_u64;
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for round in 0..flips {
        let class = names[round % names.len()];
        let below = &classes[class][next(&mut state) % classes[class].len()];
        let flipped = tempfile::tempdir().unwrap();
        copy(folder.path(), flipped.path());
        let path = flipped.path().join(below);
        let mut bytes = fs::read(&path).unwrap();
        let (at, bit) = (next(&mut state) % bytes.len(), next(&mut state) % 8);
        bytes[at] ^= 1 << bit;
        fs::write(&path, &bytes).unwrap();
        let place = format!("bit {bit} of byte {at} of {}", below.display());
        let seen = look(flipped.path()).await;
        let (is_found, duplicates) = match &seen {
            Err(_) => (true, None),
            Ok((audit, duplicates)) => (*audit != good, Some(*duplicates)),
        };
        let count = counts.entry(class).or_default();
        if is_found {
            count.0 += 1;
            continue;
        }
        // The line feed at the end of a key's line, of which another kind of white space is made.
        let is_end = class == "key" && at + 1 == bytes.len();
        assert!(is_end || reason(class).is_some(), "{place}: nothing tells of it");
        // The secret aims at the index of deliveries and lies in the control database: another one knows none of them.
        if class != "control database" {
            assert_eq!(duplicates, Some(340), "{place}");
        }
        count.1 += 1;
    }
    println!("flipped bits by kind of file, (found, harmless): {counts:?}");
}
