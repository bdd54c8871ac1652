//! Tests of trust policies.

use proptest::prelude::*;

use super::*;
use crate::cosignature::CosigningKey;
use crate::golden;
use crate::note::SigningKey;

fn witness(n: u8) -> CosigningKey {
    CosigningKey::from_seed(&format!("witness{n}.example"), [n; 32]).unwrap()
}

fn vkey(n: u8) -> String {
    witness(n).verifying_key().to_string()
}

/// The example of the specification: two of X, and one of Y.
fn two_levels() -> String {
    let mut text = format!("# two organizations\nlog {}\n\n", golden::VKEY);
    for (name, n) in [("X1", 1), ("X2", 2), ("X3", 3), ("Y1", 4), ("Y2", 5)] {
        text += &format!("witness {name} {} https://{name}.example/\n", vkey(n));
    }
    text + "group X-witnesses 2 X1 X2 X3\n\tgroup Y-witnesses any Y1  Y2\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
}

/// The golden checkpoint, cosigned by these.
fn note(witnesses: &[u8]) -> Note {
    let mut note = Note::parse(golden::NOTE_1235).unwrap();
    for n in witnesses {
        let signature = witness(*n).cosign(&note, 1_700_000_000 + u64::from(*n)).unwrap();
        note.push_signature(signature).unwrap();
    }
    note
}

#[test]
fn the_quorum_is_what_the_groups_say() {
    let policy = Policy::parse(two_levels().as_bytes()).unwrap();
    for (witnesses, is_accepted) in [
        (&[1, 2, 4][..], true),
        (&[5, 3, 1], true),
        (&[1, 2, 3, 4, 5], true),
        (&[1, 2, 3], false),
        (&[1, 4, 5], false),
        (&[4, 5], false),
        (&[], false),
        // Unknown witnesses do not count, and a second line of a known one does not either.
        (&[1, 9, 4], false),
        (&[1, 1, 4], false),
    ] {
        let accepted = policy.accept(&note(witnesses));
        assert_eq!(accepted.is_ok(), is_accepted, "{witnesses:?}: {accepted:?}");
    }
    let accepted = policy.accept(&note(&[5, 3, 1])).unwrap();
    assert_eq!(accepted.checkpoint.size, 1235);
    let names: Vec<_> =
        accepted.cosignatures.iter().map(|one| (one.name.as_str(), one.unix_seconds)).collect();
    assert_eq!(names, [("X1", 1_700_000_001), ("X3", 1_700_000_003), ("Y2", 1_700_000_005)]);
    let refused = policy.accept(&note(&[1])).unwrap_err().to_string();
    assert_eq!(refused, "too few witnesses have cosigned for the quorum \"X-and-Y\": 1 of the policy's 5");
}

#[test]
fn a_policy_of_one_log_needs_no_witness_and_no_other_log_passes() {
    let policy = Policy::of_log(VerifyingKey::parse(golden::VKEY).unwrap());
    assert_eq!(policy.to_bytes(), format!("log {}\nquorum none\n", golden::VKEY).as_bytes());
    assert!(policy.is_unwitnessed() && policy.accept(&note(&[])).is_ok());
    let other = SigningKey::from_seed("other.example/log", [7; 32]).unwrap();
    let signed = Checkpoint {
        origin: "other.example/log".into(),
        ..Checkpoint::parse_text(note(&[]).text()).unwrap()
    };
    let signed = Note::parse(&signed.sign(&other)).unwrap();
    assert_eq!(policy.accept(&signed), Err(PolicyViolation::UnknownLog("other.example/log".into())));
    // A trusted log that signs in another log's name is not that log.
    let both = Policy::parse(
        format!("log {}\nlog {}\nquorum none\n", golden::VKEY, other.verifying_key()).as_bytes(),
    );
    let mut forged = Note::new(note(&[]).text()).unwrap();
    forged.push_signature(other.sign(forged.text())).unwrap();
    assert_eq!(both.unwrap().accept(&forged), Err(NoteError::NoKnownSigner.into()));
}

#[test]
fn a_cosignature_that_fails_rejects_the_note() {
    let policy = Policy::parse(two_levels().as_bytes()).unwrap();
    let mut bad = note(&[1, 2, 4]);
    let other = Note::parse(golden::NOTE_70000).unwrap();
    bad.push_signature(witness(5).cosign(&other, 1).unwrap()).unwrap();
    assert!(matches!(policy.accept(&bad), Err(PolicyViolation::Checkpoint(CheckpointError::Note(_)))));
}

#[test]
fn every_rule_is_kept_and_names_its_line() {
    let (log, one, two) = (golden::VKEY, vkey(1), vkey(2));
    let same_key =
        VerifyingKey::new("other", Algorithm::CosignatureV1, witness(1).verifying_key().public_key());
    let same_key = same_key.unwrap();
    let check =
        |text: &str, error: PolicyError| assert_eq!(Policy::parse(text.as_bytes()), Err(error), "{text}");
    check("", PolicyError::Quorum);
    check("quorum none\nquorum none\n", PolicyError::Quorum);
    check("quorum none\nlog\n", PolicyError::Line(2));
    check("quorum none\nlog a b c\n", PolicyError::Line(2));
    check("Quorum none\n", PolicyError::Line(1));
    check("group g any\nquorum none\n", PolicyError::Line(1));
    check("quorum \x01\n", PolicyError::ControlCharacter(1));
    check("quorum none\r\n", PolicyError::ControlCharacter(1));
    check("\nlog nonsense\n", PolicyError::Key(2, KeyError::Parts));
    check(&format!("log {one}\n"), PolicyError::KeyKind(1));
    check(&format!("witness w {log}\n"), PolicyError::KeyKind(1));
    check(&format!("log {log}\nlog {log} url\n"), PolicyError::DuplicateKey(2));
    check(&format!("witness a {one}\nwitness b {same_key}\n"), PolicyError::DuplicateKey(2));
    check(&format!("witness a {one}\nwitness a {two}\n"), PolicyError::NameTaken(2));
    check(&format!("witness none {one}\n"), PolicyError::NameTaken(1));
    check(&format!("witness a {one}\ngroup a any a\n"), PolicyError::NameTaken(2));
    check("quorum a\n", PolicyError::NameUnknown(1));
    check(&format!("group g any a\nwitness a {one}\n"), PolicyError::NameUnknown(1));
    check(&format!("witness a {one}\ngroup g any none\n"), PolicyError::NameUnknown(2));
    check(&format!("witness a {one}\ngroup g any a a\n"), PolicyError::MemberTwice(2));
    check(&format!("witness a {one}\ngroup g any a\ngroup h any a\n"), PolicyError::MemberTwice(3));
    for threshold in ["0", "2", "01", "-1", "one", "+1"] {
        check(&format!("witness a {one}\ngroup g {threshold} a\n"), PolicyError::Threshold(2));
    }
    let long = vec![b'#'; POLICY_BYTES_MAX + 1];
    assert_eq!(Policy::parse(&long), Err(PolicyError::TooLong(long.len())));
}

#[test]
fn names_are_bytes_and_32_of_each_are_few() {
    let mut text = b"# comment \xff\n".to_vec();
    let mut names = String::new();
    for n in 0..32 {
        let log = SigningKey::from_seed(&format!("log{n}.example"), [n; 32]).unwrap();
        text.extend(
            format!("log {}\nwitness w{n} {}\ngroup g{n} any w{n}\n", log.verifying_key(), vkey(n)).bytes(),
        );
        names += &format!(" g{n}");
    }
    text.extend_from_slice(b"group \xe2\x84\xaa\xff all");
    text.extend(format!("{names}\n").bytes());
    // A Kelvin sign is not a K, and bytes need not be UTF-8.
    text.extend_from_slice(b"quorum \xe2\x84\xaa\xff");
    let policy = Policy::parse(&text).unwrap();
    assert_eq!((policy.logs().len(), policy.witnesses().count()), (32, 32));
    assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
}

proptest! {
    /// The quorum as a naive reading of the text has it.
    #[test]
    fn accepts_exactly_what_the_definition_says(k_x in 1usize..=3, k_y in 1usize..=2, k in 1usize..=2, cosigned in prop::collection::btree_set(1u8..=5, 0..=5)) {
        let mut text = format!("log {}\n", golden::VKEY);
        for n in 1..=5 {
            text += &format!("witness w{n} {}\n", vkey(n));
        }
        text += &format!("group x {k_x} w1 w2 w3\ngroup y {k_y} w4 w5\ngroup all {k} x y\nquorum all\n");
        let policy = Policy::parse(text.as_bytes()).unwrap();
        let has = |from: u8, to: u8| cosigned.range(from..=to).count();
        let expected = usize::from(has(1, 3) >= k_x) + usize::from(has(4, 5) >= k_y) >= k;
        let witnesses: Vec<u8> = cosigned.iter().copied().collect();
        prop_assert_eq!(policy.accept(&note(&witnesses)).is_ok(), expected);
        prop_assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
    }

    #[test]
    fn any_bytes_are_a_policy_that_reads_back_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(policy) = Policy::parse(&bytes) {
            prop_assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
        }
    }

    /// Near misses: the words of a policy in any order.
    #[test]
    fn words_in_any_order_never_panic(words in prop::collection::vec(0usize..12, 0..40)) {
        let (one, two) = (vkey(1), vkey(2));
        let lexicon = ["log", "witness", "group", "quorum", "none", "a", "b", "any", "1", "\n", &one, &two];
        let text: String = words.iter().map(|at| format!("{} ", lexicon[*at])).collect();
        if let Ok(policy) = Policy::parse(text.as_bytes()) {
            prop_assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
        }
    }
}
