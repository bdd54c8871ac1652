//! The leaf format from outside: golden vectors, an independent checker, and what must hold of any record.
//!
//! The golden file is written only by `WHOWAS_BLESS=1 cargo test -p whowas-event`, and only together
//! with a new `FORMAT_VERSION`: leaves that were hashed once must come out the same for ever.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may panic")]

use std::{collections::HashSet, env, fs, path::PathBuf, process::Command};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
#[path = "it/erasure.rs"]
mod erasure;

use whowas_event::{
    Activity, Actor, Device, Event, Kind, LeafWriter, Location, NativeId, Personal, Record, Service,
    SrcEndpoint, Status, Time, User, jcs,
};

fn time(text: &str) -> Time {
    Time::parse_rfc3339(text).unwrap()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn record(event: Event) -> Record {
    Record {
        event,
        source: "lcs".to_owned(),
        format: "whowas".to_owned(),
        revision: 0,
        received_at: time("2026-03-02T08:00:01.5Z"),
        recorded_at: time("2026-03-02T08:00:01.75Z"),
        salt: *b"0123456789abcdef",
        raw_data_hash: None,
        erased: None,
    }
}

/// A record that has every field there is.
fn full() -> Record {
    let event = Event {
        kind: Kind::Login,
        occurred_at: time("2026-03-02T07:59:58.123Z"),
        raw_time: some("2026-03-02T08:59:58.1234567+01:00"),
        native_id: NativeId::Given("8f0c2f6e-1".to_owned()),
        activity: Activity::Logon,
        status: Status::Success,
        status_code: some("0"),
        status_detail: some("signed in by Ada Lovelace"),
        user: User {
            uid: some("5c7a3c1e-0000-4000-8000-000000000001"),
            name: some("ada"),
            full_name: some("Ada Lovelace"),
            email_addr: some("ada@contoso.example"),
            domain: some("CONTOSO"),
            roles: vec!["Accountant".to_owned(), "Budget clerk".to_owned()],
        },
        actor: Actor { uid: some("admin-1"), name: some("Admin") },
        src_endpoint: SrcEndpoint {
            ip: some("2001:db8::17"),
            port: Some(50_123),
            hostname: some("WS-0042"),
            location: Location { country: some("GB"), region: some("England"), city: some("London") },
        },
        user_agent: some("Mozilla/5.0 (Windows NT 10.0; Win64; x64)"),
        device: Device {
            uid: some("dev-1"),
            name: some("Ada's laptop"),
            os: some("Windows 11"),
            browser: some("Edge 134"),
        },
        dst_hostname: some("AOS-01"),
        service: Service { name: some("Finance & Operations"), uid: some("00000015-0000-0000-c000") },
        auth_protocol: some("oidc"),
        logon_type: some("interactive"),
        is_mfa: Some(true),
        session_uid: some("s-77"),
        correlation_uid: some("c-9"),
        tenant_uid: some("tenant-1"),
        unmapped: some("{\"riskLevel\":\"none\"}"),
        body: some("{\"note\":1}"),
    };
    Record { revision: 2, raw_data_hash: Some([0xab; 32]), ..record(event) }
}

fn golden_records() -> Vec<(&'static str, Record)> {
    let base = |native: NativeId| Event {
        occurred_at: time("2026-03-02T07:00:00Z"),
        native_id: native,
        ..Event::default()
    };
    let given = |id: &str| NativeId::Given(id.to_owned());
    let mut failure = base(given("f-1"));
    failure.activity = Activity::Logon;
    failure.status = Status::Failure;
    failure.status_code = some("50126");
    failure.status_detail = some("Invalid username or password");
    failure.user.name = some("ada");
    failure.src_endpoint.ip = some("203.0.113.9");
    failure.is_mfa = Some(false);
    let mut escapes = base(given("quote\" back\\slash tab\t nul\u{0} del\u{7f}"));
    escapes.user.full_name = some("Жанна \u{1f600} d'Arc \u{2028}\n\u{8}\u{c}\r\u{1f}\u{7f}</script>");
    escapes.user.domain = some("\u{fb33}\u{e9}e\u{301}");
    escapes.unmapped =
        some("{\"\\r\":1,\"\u{20ac}\":[],\"\u{1f600}\":{\"a\":null},\"\u{fb33}\":[true,\"\u{f6}\"]}");
    escapes.service.name = some("Größe \"A\"");
    let mut derived = base(NativeId::Derived("3b1f:0".to_owned()));
    derived.activity = Activity::Logoff;
    derived.status = Status::Success;
    derived.occurred_at = time("1969-12-31T23:59:59.999Z");
    derived.session_uid = some("0x3e7");
    let mut identity = base(given("u-1@4"));
    identity.kind = Kind::Identity;
    identity.user.uid = some("u-1");
    identity.user.full_name = some("Ada King");
    identity.body = some("{\"change\":\"renamed\",\"fields\":[\"full_name\"],\"version\":4}");
    let mut access = base(given("a-1"));
    access.kind = Kind::Access;
    access.status = Status::Success;
    access.actor.name = some("auditor");
    access.body = some("{\"action\":\"export\",\"rows\":9007199254740991}");
    let mut numbers = base(given("n-1"));
    numbers.occurred_at = time("9999-12-31T23:59:59.999Z");
    numbers.activity = Activity::Other;
    numbers.status = Status::Other;
    numbers.src_endpoint.port = Some(0);
    numbers.device.os = some("");
    let numbers = Record { revision: u32::MAX, salt: [0xff; 16], ..record(numbers) };
    vec![
        ("full login", full()),
        ("minimal", Record { salt: [0; 16], ..record(base(given("m-1"))) }),
        ("failure", record(failure)),
        ("unicode and escapes", record(escapes)),
        ("derived id, sign-out before 1970", record(derived)),
        ("identity with body", record(identity)),
        ("access with body", record(access)),
        ("largest and emptiest values", numbers),
    ]
}

fn golden(name: &str, record: &Record) -> Value {
    let mut writer = LeafWriter::new();
    let mut personal = Map::new();
    let mut disclosures = Map::new();
    for disclosure in writer.disclosures(record) {
        let mut value = Vec::new();
        assert!(disclosure.field.write_value(record, &mut value));
        let field = disclosure.field.name();
        personal.insert(field.to_owned(), serde_json::from_slice(&value).unwrap());
        let shown = json!({"text": disclosure.text, "digest": disclosure.digest});
        disclosures.insert(field.to_owned(), shown);
    }
    let leaf = writer.leaf(record);
    let mut clear: Map<String, Value> = serde_json::from_slice(leaf).unwrap();
    clear.retain(|name, _| !name.starts_with("_sd"));
    let hash = Sha256::new().chain_update([0]).chain_update(leaf).finalize();
    json!({
        "name": name,
        "salt_hex": record.salt.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "personal": personal,
        "clear": clear,
        "disclosures": disclosures,
        "leaf": std::str::from_utf8(leaf).unwrap(),
        "leaf_hash_base64": STANDARD.encode(hash),
    })
}

fn crate_path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
}

#[test]
fn golden_leaves_stay_as_they_are() {
    let path = crate_path("tests/golden/leaves.json");
    let made: Vec<Value> = golden_records().iter().map(|(name, record)| golden(name, record)).collect();
    if env::var_os("WHOWAS_BLESS").is_some() {
        fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let kept: Vec<Value> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(kept.len(), made.len());
    for (kept, made) in kept.iter().zip(&made) {
        assert_eq!(kept, made, "{}", made["name"]);
    }
}

/// Runs the independent checker; `None` where there is no `python3`.
fn check_in_python(golden: &std::path::Path) -> Option<(bool, String)> {
    let script = crate_path("../../scripts/check_leaf.py");
    let output = match Command::new("python3").arg(script).arg(golden).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("python3 does not start: {error}"),
    };
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Some((output.status.success(), said))
}

#[test]
fn an_independent_implementation_agrees() {
    let path = crate_path("tests/golden/leaves.json");
    let Some((agrees, said)) = check_in_python(&path) else {
        eprintln!("skipped: python3 is not installed");
        return;
    };
    assert!(agrees, "{said}");
}

#[test]
fn the_independent_implementation_can_disagree() {
    let golden: Value =
        serde_json::from_slice(&fs::read(crate_path("tests/golden/leaves.json")).unwrap()).unwrap();
    let falsified = |at: &str, value: Value| {
        let mut copy = golden.clone();
        *copy.pointer_mut(at).unwrap() = value;
        copy
    };
    for (name, changed) in [
        ("value", falsified("/0/personal/user.name", json!("eve"))),
        ("salt", falsified("/0/salt_hex", json!("00".repeat(16)))),
        ("clear", falsified("/2/clear/status_id", json!(1))),
        ("hash", falsified("/1/leaf_hash_base64", json!("AAAA"))),
    ] {
        let path = env::temp_dir().join(format!("whowas-golden-{}-{name}.json", std::process::id()));
        fs::write(&path, changed.to_string()).unwrap();
        let outcome = check_in_python(&path);
        fs::remove_file(&path).unwrap();
        let Some((agrees, said)) = outcome else {
            eprintln!("skipped: python3 is not installed");
            return;
        };
        assert!(!agrees && said.contains("differs"), "{name}: {said}");
    }
}

type Change = (&'static str, fn(&mut Record));

/// The patterns have no `..`: a new field does not compile until it is named here and changed below.
fn name_every_field(record: &Record) {
    let Record {
        event,
        source: _,
        format: _,
        revision: _,
        received_at: _,
        recorded_at: _,
        salt: _,
        raw_data_hash: _,
        erased: _,
    } = record;
    let Event {
        kind: _,
        occurred_at: _,
        raw_time: _,
        native_id: _,
        activity: _,
        status: _,
        status_code: _,
        status_detail: _,
        user: User { uid: _, name: _, full_name: _, email_addr: _, domain: _, roles: _ },
        actor: Actor { uid: _, name: _ },
        src_endpoint:
            SrcEndpoint { ip: _, port: _, hostname: _, location: Location { country: _, region: _, city: _ } },
        user_agent: _,
        device: Device { uid: _, name: _, os: _, browser: _ },
        dst_hostname: _,
        service: Service { name: _, uid: _ },
        auth_protocol: _,
        logon_type: _,
        is_mfa: _,
        session_uid: _,
        correlation_uid: _,
        tenant_uid: _,
        unmapped: _,
        body: _,
    } = event;
}

/// One change of every field there is, see [`name_every_field`].
fn changes() -> Vec<Change> {
    vec![
        ("source", |r| r.source.push('x')),
        ("format", |r| r.format.push('x')),
        ("revision", |r| r.revision += 1),
        ("received_at", |r| r.received_at = r.received_at.saturating_add_ms(1)),
        ("recorded_at", |r| r.recorded_at = r.recorded_at.saturating_add_ms(1)),
        ("salt", |r| r.salt[0] ^= 1),
        ("raw_data_hash", |r| r.raw_data_hash = Some([1; 32])),
        ("raw_data_hash, gone", |r| r.raw_data_hash = None),
        ("kind", |r| r.event.kind = Kind::Access),
        ("occurred_at", |r| r.event.occurred_at = r.event.occurred_at.saturating_add_ms(-1)),
        ("raw_time", |r| r.event.raw_time = None),
        ("native_id", |r| r.event.native_id = NativeId::Given("other".to_owned())),
        ("native_id, derived", |r| r.event.native_id = NativeId::Derived("8f0c2f6e-1".to_owned())),
        ("activity", |r| r.event.activity = Activity::Logoff),
        ("status", |r| r.event.status = Status::Failure),
        ("status_code", |r| r.event.status_code = some("1")),
        ("status_detail", |r| r.event.status_detail = None),
        ("user.uid", |r| r.event.user.uid = some("x")),
        ("user.name", |r| r.event.user.name = some("x")),
        ("user.full_name", |r| r.event.user.full_name = some("x")),
        ("user.email_addr", |r| r.event.user.email_addr = some("x")),
        ("user.domain", |r| r.event.user.domain = some("x")),
        ("user.roles", |r| r.event.user.roles.reverse()),
        ("user.roles, gone", |r| r.event.user.roles.clear()),
        ("actor.uid", |r| r.event.actor.uid = None),
        ("actor.name", |r| r.event.actor.name = None),
        ("ip", |r| r.event.src_endpoint.ip = some("192.0.2.1")),
        ("port", |r| r.event.src_endpoint.port = Some(1)),
        ("src hostname", |r| r.event.src_endpoint.hostname = None),
        ("country", |r| r.event.src_endpoint.location.country = some("FR")),
        ("region", |r| r.event.src_endpoint.location.region = None),
        ("city", |r| r.event.src_endpoint.location.city = some("")),
        ("user_agent", |r| r.event.user_agent = some("")),
        ("device.uid", |r| r.event.device.uid = None),
        ("device.name", |r| r.event.device.name = None),
        ("device.os", |r| r.event.device.os = None),
        ("device.browser", |r| r.event.device.browser = None),
        ("dst_hostname", |r| r.event.dst_hostname = None),
        ("service.name", |r| r.event.service.name = None),
        ("service.uid", |r| r.event.service.uid = None),
        ("auth_protocol", |r| r.event.auth_protocol = None),
        ("logon_type", |r| r.event.logon_type = None),
        ("is_mfa", |r| r.event.is_mfa = Some(false)),
        ("is_mfa, gone", |r| r.event.is_mfa = None),
        ("session_uid", |r| r.event.session_uid = None),
        ("correlation_uid", |r| r.event.correlation_uid = None),
        ("tenant_uid", |r| r.event.tenant_uid = None),
        ("unmapped", |r| r.event.unmapped = some("{}")),
        ("body", |r| r.event.body = some("{}")),
    ]
}

#[test]
fn any_change_of_any_field_changes_the_leaf() {
    for kind in Kind::ALL {
        let mut base = full();
        base.event.kind = *kind;
        let mut writer = LeafWriter::new();
        let mut seen = HashSet::from([writer.leaf(&base).to_vec()]);
        name_every_field(&base);
        for (name, change) in changes() {
            if name == "kind" && *kind == Kind::Access {
                continue;
            }
            let mut changed = base.clone();
            change(&mut changed);
            assert_ne!(base, changed, "{name}: the change does nothing");
            assert!(seen.insert(writer.leaf(&changed).to_vec()), "{name} of a {} record", kind.as_str());
        }
    }
}

#[test]
fn a_leaf_shows_no_personal_value_and_survives_erasure() {
    let record = full();
    let mut writer = LeafWriter::new();
    let leaf = String::from_utf8(writer.leaf(&record).to_vec()).unwrap();
    for text in ["Ada", "2001:db8", "WS-0042", "London", "Mozilla", "s-77", "admin-1", "abab", "risk"] {
        assert!(!leaf.contains(text), "{text} stands in clear");
    }
    assert_eq!(writer.disclosures(&record).len(), Personal::ALL.len() - 1, "all but the derived id");
    let mut erased = record;
    assert_eq!(whowas_event::erase(&mut erased, whowas_event::Reach::All), Personal::ALL.len() - 1);
    assert_eq!(writer.leaf(&erased), leaf.as_bytes());
}

#[test]
fn salts_of_fields_differ_and_names_are_unique() {
    let salts: HashSet<_> =
        Personal::ALL.map(|field| whowas_event::leaf::field_salt(&[7; 16], field)).into_iter().collect();
    let names: HashSet<_> = Personal::ALL.map(Personal::name).into_iter().collect();
    assert_eq!((salts.len(), names.len()), (Personal::ALL.len(), Personal::ALL.len()));
}

/// RFC 9901 §4.2.1 and §4.2.3: the digest covers the disclosure's text as it was issued.
#[test]
fn the_digest_is_that_of_sd_jwt() {
    let text = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0";
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(text));
    assert_eq!(digest, "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0");
    for disclosure in LeafWriter::new().disclosures(&full()) {
        assert_eq!(disclosure.digest, URL_SAFE_NO_PAD.encode(Sha256::digest(&disclosure.text)));
    }
}

fn word() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        Just(some("")),
        Just(some("a")),
        "\\PC{0,12}".prop_map(Some),
        any::<String>().prop_map(Some)
    ]
}

prop_compose! {
    fn any_record()(
        kind in prop::sample::select(Kind::ALL),
        activity in prop::sample::select(Activity::ALL),
        status in prop::sample::select(Status::ALL),
        words in prop::collection::vec(word(), 12),
        roles in prop::collection::vec(any::<String>(), 0..3),
        is_derived: bool,
        port: Option<u16>,
        is_mfa: Option<bool>,
        ms in -1_000_000_000_000_i64..1_000_000_000_000_000,
        raw_data_hash: Option<[u8; 32]>,
        salt: [u8; 16],
    ) -> Record {
        let mut event = Event { kind, activity, status, is_mfa, ..Event::default() };
        event.occurred_at = Time::from_ms(ms % 1_000_000_000_000).unwrap();
        let mut words = words.into_iter();
        let mut next = || words.next().flatten();
        let id = next().unwrap_or_default();
        event.native_id = if is_derived { NativeId::Derived(id) } else { NativeId::Given(id) };
        event.user = User { uid: next(), name: next(), domain: next(), roles, ..User::default() };
        event.actor.name = next();
        event.device.os = next();
        event.src_endpoint = SrcEndpoint { ip: next(), port, ..SrcEndpoint::default() };
        event.service = Service { name: next(), uid: next() };
        event.status_code = next();
        event.session_uid = next();
        event.raw_time = next();
        Record { salt, raw_data_hash, ..record(event) }
    }
}

proptest! {
    #[test]
    fn leaves_are_canonical_and_commit_to_exactly_the_disclosures(record in any_record()) {
        let mut writer = LeafWriter::new();
        let disclosures = writer.disclosures(&record);
        let leaf = writer.leaf(&record).to_vec();
        let value: Value = serde_json::from_slice(&leaf).unwrap();
        prop_assert_eq!(jcs::canonical(&value).unwrap().into_bytes(), leaf);
        let mut digests: Vec<_> = disclosures.iter().map(|disclosure| disclosure.digest.clone()).collect();
        digests.sort();
        prop_assert_eq!(&value["_sd"], &json!(digests));
        for disclosure in disclosures {
            let json = URL_SAFE_NO_PAD.decode(&disclosure.text).unwrap();
            let parts: Value = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(jcs::canonical(&parts).unwrap().into_bytes(), json);
            prop_assert_eq!(&parts[1], disclosure.field.name());
            prop_assert_eq!(URL_SAFE_NO_PAD.decode(parts[0].as_str().unwrap()).unwrap().len(), 16);
        }
    }

    #[test]
    fn a_reused_writer_keeps_nothing(a in any_record(), b in any_record()) {
        let mut reused = LeafWriter::new();
        reused.leaf(&a);
        let fresh = LeafWriter::new().leaf(&b).to_vec();
        prop_assert_eq!(reused.leaf(&b), fresh);
    }
}
