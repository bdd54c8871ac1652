//! What the server hands out as evidence: the public log, proofs, cosignatures.

use std::io::Cursor;

use whowas_export::evidence::{bundle, record};
use whowas_store::control::Scope;
use whowas_tlog::{
    hash::leaf_hash,
    note::VerifyingKey,
    policy::Policy,
    tile::{TileId, decode_entries, tiles_of_size},
};

use crate::world::{NOW, World, api, logins};

const LOG: &str = "/trails/contoso/production";

#[tokio::test]
async fn the_whole_log_can_be_read_and_checked_from_outside() {
    let world = World::new().await;
    world.append(&logins(300)).await;
    let read = world.token(Scope::Read, None).await;
    let vkey = world.get(&format!("{LOG}/vkey")).send().await;
    assert_eq!(vkey.header("content-type"), Some("text/plain; charset=utf-8"));
    let key = VerifyingKey::parse(vkey.text().trim_end()).unwrap();
    let checkpoint = world.get(&format!("{LOG}/checkpoint")).send().await;
    let note = checkpoint.text().parse().unwrap();
    let checkpoint = Policy::of_log(key).accept(&note).unwrap().checkpoint;
    assert_eq!(checkpoint.size, 300);
    for id in tiles_of_size(300) {
        let tile = world.get(&format!("{LOG}/{id}")).send().await;
        assert_eq!((tile.status, tile.body.len()), (200, id.byte_len()), "{id}");
        if id.level == 0 {
            let bundle = world.get(&format!("{LOG}/{}", id.entries_path())).bearer(&read).send().await;
            assert_eq!(bundle.header("content-type"), Some("application/octet-stream"));
            assert_eq!(bundle.header("cache-control"), Some("private, max-age=31536000, immutable"));
            let entries = decode_entries(&bundle.body).unwrap();
            let hashes: Vec<u8> = entries.iter().flat_map(|entry| leaf_hash(entry).0).collect();
            assert_eq!(hashes, tile.body, "{id}");
        }
    }
    // A partial tile of an earlier size, and bundles that no tree has.
    let early = TileId { level: 0, index: 0, width: 7 };
    assert_eq!(world.get(&format!("{LOG}/{early}")).send().await.body.len(), 7 * 32);
    for bad in ["001", "001.p/45", "002.p/1", "1", "../../checkpoint", "000.p/0"] {
        let response = world.get(&format!("{LOG}/tile/entries/{bad}")).bearer(&read).send().await;
        assert_eq!(response.status, 404, "{bad}");
    }
    // Reading the log does not make it grow.
    assert_eq!(world.trail().await.snapshot().size, 300);
    world.end().await;
}

#[tokio::test]
async fn a_proof_convinces_without_the_server_and_leaves_a_trace() {
    let world = World::new().await;
    world.append(&logins(20)).await;
    let read = world.token(Scope::Read, None).await;
    let policy = Policy::of_log(world.trail().await.verifying_key().clone());
    let proof = |rest: &str| world.get(&api(&format!("records/{rest}"))).bearer(&read).send();
    let file = proof("11/proof").await;
    assert_eq!(file.status, 200, "{}", file.text());
    let disposition = "attachment; filename=\"contoso-production-11.tlog-proof\"";
    assert_eq!(file.header("content-disposition"), Some(disposition));
    let proven = record::verify(&file.body, &policy).unwrap();
    assert_eq!((proven.position, proven.disclosed["user.name"].as_str()), (11, Some("user4")));
    let bare = proof("11/proof?disclose=none").await;
    let proven = record::verify(&bare.body, &policy).unwrap();
    assert!(proven.disclosed.is_empty() && proven.undisclosed >= 3);
    for (path, status) in
        [("11/proof?disclose=shoe", 400), ("99/proof", 404), ("x/proof", 404), ("-1/proof", 404)]
    {
        let response = proof(path).await;
        assert_eq!(response.status, status, "{path}: {}", response.text());
    }
    // The two that were handed out are records of the trail themselves.
    let trail = world.trail().await;
    assert_eq!(trail.snapshot().size, 22);
    let looks = trail.records(20..22).await.unwrap();
    let bodies: Vec<_> = looks.iter().map(|look| look.event.body.clone().unwrap()).collect();
    assert!(
        bodies.iter().all(|body| body.contains("\"proof\"") && body.contains("\"position\":11")),
        "{bodies:?}"
    );
    world.end().await;
}

/// A bundle verifies without the server, whatever is appended while it is made.
#[tokio::test]
async fn a_bundle_is_of_one_state_of_a_trail_that_grows() {
    let world = World::new().await;
    world.append(&logins(200)).await;
    let (read, ingest) = (world.token(Scope::Read, None).await, world.token(Scope::Ingest, None).await);
    let policy = Policy::of_log(world.trail().await.verifying_key().clone());
    for (format, filter) in [("csv", ""), ("jsonl", "user:user4"), ("", "status:success")] {
        let path = api(&format!("evidence?as={format}&from=2026-01-01&filter={filter}"));
        let growing = async {
            for n in 0..5 {
                let line = crate::world::login(1000 + n, "late", NOW);
                world.post(&api("records")).bearer(&ingest).body(line).send().await;
            }
        };
        let (bundle, ()) = tokio::join!(world.get(&path).bearer(&read).send(), growing);
        assert_eq!(
            (bundle.status, bundle.header("content-type")),
            (200, Some("application/zip")),
            "{format}"
        );
        let report = bundle::verify(Cursor::new(&bundle.body), &policy, None);
        assert_eq!(report.findings, [], "{format} {filter}");
        assert!(report.rows > 0 && report.tree_size >= 200);
    }
    for (path, status) in [("evidence?as=xlsx", 400), ("evidence?filter=colour:red", 400)] {
        assert_eq!(world.get(&api(path)).bearer(&read).send().await.status, status, "{path}");
    }
    assert_eq!(world.get(&api("evidence")).bearer(&ingest).send().await.status, 403);
    let trail = world.trail().await;
    let size = trail.snapshot().size;
    let last = trail.records(0..size).await.unwrap();
    let said =
        last.iter().filter_map(|one| one.event.body.as_deref()).filter(|body| body.contains("\"evidence\":"));
    assert_eq!(said.count(), 3, "every bundle is named by the digest of its manifest");
    world.end().await;
}
