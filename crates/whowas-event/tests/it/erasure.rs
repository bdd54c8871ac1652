//! Erased records: the leaf stays, nothing of the values does; and what erasure records say of it.

use std::collections::BTreeSet;

use proptest::prelude::*;
use whowas_event::{
    Erased, ErasedAt, Erasure, Event, Kind, LeafWriter, NativeId, Personal, Reach, Record, erasable, erase,
    whose::Person,
};

use crate::{any_record, full, record, some};

fn leaf(record: &Record) -> Vec<u8> {
    LeafWriter::new().leaf(record).to_vec()
}

fn ada() -> Person {
    Person {
        names: BTreeSet::from(["ada".to_owned(), "ada@contoso.example".to_owned()]),
        full_names: BTreeSet::from(["ada lovelace".to_owned()]),
        sessions: BTreeSet::from([("lcs".to_owned(), "s-77".to_owned())]),
    }
}

proptest! {
    #[test]
    fn a_leaf_survives_every_erasure_in_any_order(mut one in any_record(), first in 0_usize..3, second in 0_usize..3) {
        if one.event.native_id.as_str().is_empty() {
            one.event.native_id = NativeId::Derived("x".to_owned());
        }
        let before = leaf(&one);
        let all = LeafWriter::new().disclosures(&one);
        let mut gone = 0;
        for reach in [Reach::ALL[first], Reach::ALL[second], Reach::All] {
            let expected = erasable(&one, reach);
            prop_assert_eq!(erase(&mut one, reach), expected);
            gone += expected;
            prop_assert_eq!(&leaf(&one), &before);
            // What stays is disclosed with the same salts as before.
            let rest = LeafWriter::new().disclosures(&one);
            prop_assert_eq!(rest.len() + gone, all.len());
            prop_assert!(rest.iter().all(|one| all.contains(one) && !reach.takes(one.field)));
            let Some(erased) = one.erased.as_deref() else { continue };
            prop_assert_eq!(erased.count(), gone);
            let bytes = erased.to_bytes();
            prop_assert!(bytes.len() != 16);
            let read = Erased::from_bytes(&bytes);
            prop_assert_eq!(read.as_ref(), Some(erased));
        }
        prop_assert_eq!(gone, all.len());
    }

    #[test]
    fn hostile_bytes_for_a_salt_are_refused_or_come_out_the_same(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Some(erased) = Erased::from_bytes(&bytes) {
            prop_assert_eq!(erased.to_bytes(), bytes);
        }
    }

    #[test]
    fn what_an_erasure_says_is_read_back(mut places in prop::collection::vec((any::<u64>(), 1_u8..=19, 0_usize..3), 0..40), rejected in prop::collection::btree_set(any::<u64>(), 0..20)) {
        places.sort_unstable();
        places.dedup_by_key(|place| place.0);
        let records = places.into_iter().map(|(position, count, reach)| ErasedAt { position, count, reach: Reach::ALL[reach] });
        let mut said = Erasure { records: records.collect(), rejected: rejected.into_iter().collect(), minimum_index: 0 };
        said.records.sort_unstable_by_key(|one| (one.reach, one.position));
        let mut read = Erasure::default();
        for part in said.clone().into_parts() {
            let body = serde_json::Value::from(part.members()).to_string();
            let part = Erasure::of_body(Kind::Erasure, true, Some(&body)).unwrap().unwrap();
            read.records.extend(part.records);
            read.rejected.extend(part.rejected);
        }
        prop_assert_eq!(read, said);
    }

    #[test]
    fn hostile_bodies_do_no_harm(code in "[A-Za-z0-9_-]{0,40}") {
        let body = format!("{{\"all\":\"{code}\"}}");
        if let Ok(read) = Erasure::of_body(Kind::Retention, true, Some(&body)).unwrap() {
            prop_assert!(read.records.windows(2).all(|two| two[0].position < two[1].position));
        }
    }
}

#[test]
fn a_value_in_the_place_of_an_erased_one_changes_the_leaf() {
    let mut one = full();
    let before = leaf(&one);
    erase(&mut one, Reach::All);
    assert_eq!(leaf(&one), before);
    for change in [
        |r: &mut Record| r.event.user.name = some("mallory"),
        |r: &mut Record| r.event.src_endpoint.port = Some(1),
        |r: &mut Record| r.raw_data_hash = Some([1; 32]),
        |r: &mut Record| r.erased = None,
    ] {
        let mut changed = one.clone();
        change(&mut changed);
        assert_ne!(leaf(&changed), before);
    }
}

#[test]
fn the_text_of_a_part_erasure_shows_no_salt_of_what_is_gone() {
    let mut one = full();
    let gone =
        LeafWriter::new().disclosures(&one).into_iter().find(|d| d.field == Personal::UserAgent).unwrap();
    erase(&mut one, Reach::NotUser);
    assert_eq!((one.salt, one.event.user.name.as_deref()), ([0; 16], Some("ada")));
    assert_eq!((one.event.user_agent.as_deref(), one.event.unmapped.as_deref()), (None, None));
    let field_salt = whowas_event::leaf::field_salt(&full().salt, Personal::UserAgent);
    let bytes = one.erased.as_ref().unwrap().to_bytes();
    assert!(!bytes.windows(16).any(|window| window == field_salt));
    assert!(!LeafWriter::new().disclosures(&one).iter().any(|d| d.text == gone.text));
}

/// What it is, a record, and what of it is Ada's.
type Case = (&'static str, fn(&mut Event), Option<Reach>);

#[test]
fn records_are_somebodys_as_user_session_actor_or_by_mention() {
    let person = ada();
    let event = |change: fn(&mut Event)| {
        let mut one = record(Event { native_id: NativeId::Given("n".into()), ..Event::default() });
        change(&mut one.event);
        person.reach(&one, b"")
    };
    let table: [Case; 12] = [
        ("login name", |e| e.user.name = some("ADA"), Some(Reach::All)),
        ("address", |e| e.user.email_addr = some("Ada@Contoso.example"), Some(Reach::All)),
        ("name alone", |e| e.user.full_name = some("Ada Lovelace"), Some(Reach::All)),
        (
            "somebody else of the same name",
            |e| {
                e.user.uid = some("7");
                e.user.full_name = some("Ada Lovelace");
            },
            None,
        ),
        ("session alone", |e| e.session_uid = some("s-77"), Some(Reach::All)),
        (
            "somebody else's session",
            |e| {
                e.session_uid = some("s-77");
                e.user.name = some("bob");
            },
            None,
        ),
        (
            "actor",
            |e| {
                e.user.name = some("bob");
                e.actor.name = some("ada");
            },
            Some(Reach::NotUser),
        ),
        (
            "mention",
            |e| {
                e.user.name = some("bob");
                e.status_detail = some("locked by Ada.");
            },
            Some(Reach::Texts),
        ),
        ("mention in an object", |e| e.unmapped = some("{\"filter\":\"user:ada\"}"), Some(Reach::Texts)),
        ("part of a word", |e| e.status_detail = some("adapter"), None),
        ("another domain", |e| e.user.name = some("ada@fabrikam.example"), None),
        ("nobody", |_| (), None),
    ];
    for (what, change, want) in table {
        assert_eq!(event(change), want, "{what}");
    }
    let other = record(Event::default());
    assert_eq!(person.reach(&other, br#"{"by":"ada@contoso.example"}"#), Some(Reach::Texts));
    assert_eq!(person.reach(&other, b"nothing"), None);
}

#[test]
fn only_our_own_records_erase() {
    let is_read = |kind, is_ours, body: &str| Erasure::of_body(kind, is_ours, Some(body));
    let body = r#"{"all":"Iw"}"#;
    assert_eq!(is_read(Kind::Erasure, false, body), None);
    assert_eq!(is_read(Kind::Access, true, body), None);
    assert_eq!(is_read(Kind::Retention, true, r#"{"action":"hold"}"#), None);
    // `Iw` is 0x23: three fields (0x03) of position 1 (0x20).
    let one = ErasedAt { position: 1, reach: Reach::All, count: 3 };
    assert_eq!(is_read(Kind::Erasure, true, body).unwrap().unwrap().records, [one]);
    // More fields than there are, none, and a position twice.
    for body in [r#"{"all":"Pw"}"#, r#"{"all":"IA"}"#, r#"{"all":"IwM"}"#, r#"{"all":7}"#, "x"] {
        assert!(is_read(Kind::Erasure, true, body).unwrap().is_err(), "{body}");
    }
}
