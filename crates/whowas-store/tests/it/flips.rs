//! Random single-bit flips in every kind of file of a trail: found, or shown to be without effect.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use whowas_store::audit::audit_copy;
use whowas_tlog::cosignature::CosigningKey;

use crate::world::{append, login, open};

/// Flips of a run before a merge; `scripts/nightly.sh` makes 10,000.
const FLIPS: usize = 150;

/// What a file is for, by its path below the trail.
fn class(path: &str) -> Option<&'static str> {
    match path {
        "checkpoint" => Some("checkpoint"),
        "cosigned" => Some("cosigned"),
        _ if path.starts_with("tile/0/") => Some("tile, level 0"),
        _ if path.starts_with("tile/1/") => Some("tile, level 1"),
        _ if path.starts_with("staging/") => Some("staging"),
        _ if path.ends_with(".parquet") => Some("archive"),
        _ if path.contains("_delta_log/") => Some("Delta log"),
        _ => None,
    }
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A small generator of numbers: a run can be repeated.
pub(crate) fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 16).unwrap()
}

#[tokio::test]
async fn any_flipped_bit_is_found_or_harmless() {
    let flips = std::env::var("WHOWAS_FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(FLIPS);
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    append(&trail, (0..300).map(login).collect()).await;
    trail.settle().await;
    append(&trail, (300..340).map(login).collect()).await;
    let (note, _) = trail.signed_checkpoint().unwrap();
    let witness = CosigningKey::from_seed("witness.example", [9; 32]).unwrap();
    trail.add_cosignatures(&note, vec![witness.cosign(&note, 1).unwrap()]).await.unwrap();
    let key = trail.verifying_key().clone();
    store.close().await.unwrap();
    let root = folder.path().join("trails/contoso/production");
    let good = audit_copy(&root, &key).await.unwrap();
    assert_eq!((good.size, good.findings.as_slice()), (340, &[][..]));

    let mut classes: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    for path in files(&root) {
        if let Some(class) = class(path.strip_prefix(&root).unwrap().to_str().unwrap()) {
            classes.entry(class).or_default().push(path);
        }
    }
    assert_eq!(classes.len(), 7, "{:?}", classes.keys());
    let mut state = 0x5eed_u64;
    let mut found: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let names: Vec<&str> = classes.keys().copied().collect();
    for round in 0..flips {
        let class = names[round % names.len()];
        let path = &classes[class][next(&mut state) % classes[class].len()];
        let bytes = fs::read(path).unwrap();
        let (at, bit) = (next(&mut state) % bytes.len(), next(&mut state) % 8);
        let mut bad = bytes.clone();
        bad[at] ^= 1 << bit;
        fs::write(path, &bad).unwrap();
        let report = audit_copy(&root, &key).await.unwrap();
        fs::write(path, &bytes).unwrap();
        let counts = found.entry(class).or_default();
        if report.findings.is_empty() {
            // Every leaf was derived again and has the signed root: the bit meant nothing.
            assert_eq!(report, good, "bit {bit} of byte {at} of {}", path.display());
            // Only a line of a witness whom the auditor does not know, and the Delta log's own notes.
            assert!(
                ["cosigned", "Delta log"].contains(&class),
                "bit {bit} of byte {at} of {}",
                path.display()
            );
            counts.1 += 1;
        } else {
            counts.0 += 1;
        }
    }
    println!("flipped bits by kind of file, (found, harmless): {found:?}");
    assert_eq!(audit_copy(&root, &key).await.unwrap(), good);
}
