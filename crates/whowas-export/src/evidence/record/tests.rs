//! Tests of proofs of one record.

use whowas_tlog::tlog_proof::TlogProof;

use super::*;
use crate::evidence::testlog::{ORIGIN, TestLog, policy, record};

fn log() -> TestLog {
    TestLog::of((0..20).map(record).collect())
}

fn file(disclose: &str) -> String {
    let mut log = log();
    let proof = log.prove(11);
    write(proof, &log.leaves[11], &log.records[11], &Disclose::parse(disclose).unwrap())
}

#[test]
fn the_file_alone_convinces() {
    let proven = verify(file("all").as_bytes(), &policy()).unwrap();
    assert_eq!((proven.origin.as_str(), proven.position, proven.tree_size), (ORIGIN, 11, 20));
    assert_eq!(proven.leaf["metadata"]["original_event_uid"], "e11");
    let disclosed = serde_json::to_string(&proven.disclosed).unwrap();
    assert_eq!(
        disclosed,
        r#"{"session.uid":"session-11","src_endpoint.ip":"192.0.2.11","user.name":"user4@contoso.example"}"#
    );
    assert_eq!(proven.undisclosed, 0);
}

#[test]
fn what_is_kept_back_is_not_in_the_file_and_is_counted() {
    for (disclose, shown, kept) in [("none", 0, 3), ("user.name", 1, 2), ("user.name, src_endpoint.ip", 2, 1)]
    {
        let file = file(disclose);
        let proven = verify(file.as_bytes(), &policy()).unwrap();
        assert_eq!((proven.disclosed.len(), proven.undisclosed), (shown, kept), "{disclose}");
        let extra = TlogProof::parse(&file).unwrap().extra.unwrap();
        assert!(!String::from_utf8(extra).unwrap().contains("192.0.2."));
    }
    let unknown = Disclose::parse("user.name,shoe.size").unwrap_err().to_string();
    assert!(unknown.starts_with("there is no personal field \"shoe.size\""), "{unknown}");
}

/// Rewrites the extra line by `change`.
fn altered(change: impl Fn(&mut Value)) -> String {
    let mut proof = TlogProof::parse(&file("all")).unwrap();
    let mut extra: Value = serde_json::from_slice(proof.extra.as_deref().unwrap()).unwrap();
    change(&mut extra);
    proof.extra = Some(extra.to_string().into_bytes());
    proof.to_string()
}

#[test]
fn every_alteration_is_named() {
    let reason = |file: String| verify(file.as_bytes(), &policy()).unwrap_err().to_string();
    let other = log().leaves[12].clone();
    let other = String::from_utf8(other).unwrap();
    let not_in_log = "entry is not in the log: proof does not lead to the root of the tree";
    assert_eq!(reason(altered(|extra| extra["leaf"] = other.clone().into())), not_in_log);
    let with_space = |extra: &mut Value| {
        extra["leaf"] = extra["leaf"].as_str().unwrap().replace(",\"kind", ", \"kind").into()
    };
    assert_eq!(reason(altered(with_space)), not_in_log);
    assert_eq!(reason(altered(|extra| extra["more"] = 1.into())), "the extra line does not hold the record");
    assert_eq!(
        reason(altered(|extra| extra["disclosures"] = 1.into())),
        "the extra line does not hold the record"
    );
    let name = Disclose::parse("user.name").unwrap();
    let foreign = name.of(&record(12)).remove(0);
    assert_eq!(
        reason(altered(|extra| extra["disclosures"][0] = foreign.clone().into())),
        "the disclosure of user.name is not one that the leaf commits to"
    );
    let twice = |extra: &mut Value| extra["disclosures"][0] = extra["disclosures"][1].clone();
    assert_eq!(reason(altered(twice)), "src_endpoint.ip is disclosed twice");
    assert_eq!(
        reason(altered(|extra| extra["disclosures"][0] = "!".into())),
        "a disclosure is not base64url of [salt, name, value]"
    );
    let wrong_index = file("all").replace("index 11\n", "index 10\n");
    assert_eq!(reason(wrong_index), not_in_log);
    assert_eq!(reason("c2sp.org/tlog-proof@v1\n".into()), "proof has no canonical index");
    let stranger = whowas_tlog::note::SigningKey::from_seed("other.example", [1; 32]).unwrap();
    let other_policy = Policy::of_log(stranger.verifying_key().clone());
    let refused = verify(file("all").as_bytes(), &other_policy).unwrap_err().to_string();
    assert_eq!(
        refused,
        format!("checkpoint of the proof is not accepted: the policy trusts no log {ORIGIN:?}")
    );
}

/// Any single bit: found, or without effect on what is believed.
#[test]
fn every_flipped_bit_is_found_or_harmless() {
    let good = file("all");
    let proven = verify(good.as_bytes(), &policy()).unwrap();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            if let Ok(changed) = verify(&bytes, &policy()) {
                assert_eq!(changed, proven, "bit {bit} of byte {at}");
            }
        }
    }
}
