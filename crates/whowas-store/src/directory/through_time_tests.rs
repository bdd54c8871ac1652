//! Names of then and now, and directories of earlier sizes against what was answered then. In memory; the trail is not here.

use proptest::prelude::*;

use super::*;

/// An entry: id, uid, login name, name, true from then on, position.
fn entry(id: &str, (uid, name): (&str, &str), full_name: &str, since: i64, position: u64) -> Person {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Person {
        id: id.into(),
        uid: some(uid),
        name: some(name),
        full_name: some(full_name),
        position,
        since: Some(Time::from_ms(since).unwrap()),
        ..Person::default()
    }
}

fn removed(mut person: Person) -> Person {
    person.attributes = Some(r#"{"removed":true}"#.to_owned());
    person
}

/// Name at sign-in, name now, and what became of it.
fn told(directory: &Directory, stated: Stated<'_>, at: i64) -> [String; 3] {
    let naming = directory.naming(stated, Time::from_ms(at).unwrap());
    let change = naming.change.map_or("", NameChange::as_str);
    [
        naming.name_at_sign_in(stated).unwrap_or_default(),
        naming.name_now().unwrap_or_default(),
        change.to_owned(),
    ]
}

fn uid(uid: &str) -> Stated<'_> {
    Stated { uid: Some(uid), ..Stated::default() }
}

fn login(name: &str) -> Stated<'_> {
    Stated { name: Some(name), ..Stated::default() }
}

#[test]
fn a_rename_shows_both_names_whatever_the_record_states() {
    let mut directory = Directory::new([entry("a", ("u1", "anna.berg"), "Anna Berg", 100, 1)]);
    directory.extend([entry("a", ("u1", "anna.holm"), "Anna Holm", 200, 5)]);
    let renamed = ["Anna Berg", "Anna Holm", "renamed"];
    assert_eq!(told(&directory, uid("U1"), 150), renamed);
    // The login name of then leads to the person of now.
    assert_eq!(told(&directory, login("ANNA.BERG"), 199), renamed);
    assert_eq!(told(&directory, uid("u1"), 200), ["Anna Holm", "Anna Holm", ""]);
    // Before the directory knew her it said nothing, and the record's word stands.
    assert_eq!(told(&directory, uid("u1"), 99), ["", "Anna Holm", ""]);
    let stated = Stated { full_name: Some("Anna Lind"), ..uid("u1") };
    assert_eq!(told(&directory, stated, 99), ["Anna Lind", "Anna Holm", "renamed"]);
    let spelled = Stated { full_name: Some("HOLM, Anna"), ..uid("u1") };
    assert_eq!(told(&directory, spelled, 99), ["HOLM, Anna", "Anna Holm", ""]);
    assert_eq!(told(&directory, login("nobody"), 150), ["nobody", "", ""]);
}

#[test]
fn a_login_name_that_was_given_to_somebody_else_is_another_person() {
    let directory = Directory::with_before(
        [
            removed(entry("a", ("u1", "abe"), "Abe Lund", 300, 3)),
            entry("b", ("u2", "abe"), "Abelone Krag", 400, 4),
        ],
        [entry("a", ("u1", "abe"), "Abe Lund", 100, 1)],
    );
    assert_eq!(told(&directory, login("abe"), 200), ["Abe Lund", "Abelone Krag", "another_person"]);
    let naming = directory.naming(login("abe"), Time::from_ms(200).unwrap());
    assert_eq!(naming.known.unwrap().full_name.as_deref(), Some("Abe Lund"));
    assert_eq!(told(&directory, login("abe"), 500), ["Abelone Krag", "Abelone Krag", ""]);
    // By their id they are still who they were.
    assert_eq!(told(&directory, uid("u1"), 200), ["Abe Lund", "Abe Lund", ""]);
}

#[test]
fn who_was_deleted_by_mistake_and_made_again_is_the_same_person() {
    let mut directory = Directory::new([entry("a", ("u1", "ida"), "Ida Moe", 100, 1)]);
    directory.extend([removed(entry("a", ("u1", "ida"), "Ida Moe", 200, 2))]);
    directory.extend([entry("b", ("u1", "ida"), "Moe, Ida", 300, 3)]);
    assert_eq!(told(&directory, uid("u1"), 150), ["Ida Moe", "Moe, Ida", ""]);
}

#[test]
fn two_directories_that_know_one_person_are_no_change() {
    let directory = Directory::new([
        entry("csv:1", ("u1", "ida"), "Ida Moe", 100, 1),
        entry("scim:1", ("u1", "ida@x.example"), "Ida M. Moe", 300, 3),
    ]);
    assert_eq!(told(&directory, uid("u1"), 200), ["Ida Moe", "Ida Moe", ""]);
}

#[test]
fn what_only_sign_ins_tell_is_no_name_of_now() {
    let seen = Person { is_observed: true, ..entry("seen:1", ("u1", "ida"), "Ida Moe", 100, 1) };
    let directory = Directory::new([seen]);
    assert_eq!(told(&directory, Stated { full_name: Some("I. Moe"), ..uid("u1") }, 200), ["I. Moe", "", ""]);
    assert!(directory.naming(uid("u1"), Time::from_ms(200).unwrap()).known.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever came later, in whatever commits: the directory of an earlier size answers as it did then, also after
    /// the trail was opened again.
    #[test]
    fn the_directory_of_then_answers_as_it_did_then(
        said in prop::collection::vec((0_u8..6, 0_u8..5, 0_u8..5, 0_i64..50, any::<bool>()), 1..60),
        commit in 1_usize..7,
    ) {
        let people: Vec<Person> = said
            .iter()
            .enumerate()
            .map(|(at, (id, uid, name, since, is_gone))| {
                let person = entry(
                    &format!("id{id}"), (&format!("u{uid}"), &format!("n{name}")), &format!("Name {name}"), *since,
                    at as u64,
                );
                if *is_gone { removed(person) } else { person }
            })
            .collect();
        let answers = |directory: &Directory| -> Vec<[String; 3]> {
            let keys = (0..5).flat_map(|n| [(Some(format!("u{n}")), None), (None, Some(format!("n{n}")))]);
            keys.flat_map(|(uid, name)| {
                let stated = Stated { uid: uid.as_deref(), name: name.as_deref(), ..Stated::default() };
                [0, 10, 25, 60].map(|at| told(directory, stated, at))
            })
            .collect()
        };
        let mut directory = Directory::default();
        let mut then = Vec::new();
        for few in people.chunks(commit) {
            directory.extend(few.iter().cloned());
            let size = few.last().map_or(0, |last| last.position + 1);
            then.push((size, answers(&directory), directory.len()));
        }
        let before = directory.before.iter().flat_map(|layer| &layer.people).map(|one| Person::clone(one));
        let opened = Directory::with_before(directory.entries().cloned(), before);
        for (size, answered, len) in then {
            for now in [&directory, &opened] {
                let past = now.at_size(size);
                prop_assert_eq!(&answers(&past), &answered, "size {}", size);
                prop_assert_eq!(past.len(), len);
            }
        }
    }
}
