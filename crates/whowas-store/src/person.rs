//! By which names one person is known: what the directory adds to the name that somebody gave.

use std::collections::BTreeSet;

use whowas_event::whose;

use crate::{Directory, Person};

impl Directory {
    /// The person whom `id` names, with every other name that the directory has for them. Ids, login names
    /// and addresses lead from one entry to the next; a full name does only where one person alone has it,
    /// because namesakes are not the same.
    pub fn person(&self, id: &str) -> whose::Person {
        let id = id.to_lowercase();
        let people: Vec<&Person> = self.entries().collect();
        let is_full_name = |person: &&&Person| is_name(&person.full_name, &id);
        let mut names = BTreeSet::from([id.clone()]);
        let has_id = people.iter().any(|person| ids(person).any(|known| known == id));
        if !has_id && people.iter().any(|person| is_full_name(&person)) {
            let named: Vec<_> = people.iter().filter(is_full_name).collect();
            let uids: BTreeSet<_> = named.iter().filter_map(|person| ids(person).next()).collect();
            names = uids.into_iter().collect();
        }
        loop {
            let known = people.iter().filter(|person| ids(person).any(|id| names.contains(&id)));
            let more: BTreeSet<String> = known.flat_map(|person| ids(person)).collect();
            if more.is_subset(&names) {
                break;
            }
            names.extend(more);
        }
        let (mine, others): (Vec<&Person>, Vec<&Person>) =
            people.iter().partition(|person| ids(person).any(|id| names.contains(&id)));
        let full = |people: &[&Person]| -> BTreeSet<String> {
            people.iter().filter_map(|person| person.full_name.as_deref()).map(str::to_lowercase).collect()
        };
        let full_names = full(&mine).difference(&full(&others)).cloned().collect();
        whose::Person { names, full_names, sessions: BTreeSet::new() }
    }
}

/// Ids, login names and addresses, in lower case.
fn ids(person: &Person) -> impl Iterator<Item = String> {
    [&person.uid, &person.name, &person.email_addr].into_iter().flatten().map(|text| text.to_lowercase())
}

fn is_name(slot: &Option<String>, lower: &str) -> bool {
    slot.as_ref().is_some_and(|text| text.to_lowercase() == lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, uid: &str, name: &str, full_name: &str) -> Person {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Person {
            id: id.into(),
            uid: some(uid),
            name: some(name),
            full_name: some(full_name),
            ..Person::default()
        }
    }

    #[test]
    fn names_lead_from_entry_to_entry_and_namesakes_stay_apart() {
        let directory = Directory::new([
            entry("1", "U1", "ada", "Ada Lovelace"),
            entry("2", "u1", "ada@contoso.example", "Ada King"),
            entry("3", "u3", "bob", "Ada Lovelace"),
            entry("4", "u4", "carl", "Carl"),
        ]);
        let list = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>();
        let ada = directory.person("ADA");
        assert_eq!(list(ada.names), ["ada", "ada@contoso.example", "u1"]);
        assert_eq!(list(ada.full_names), ["ada king"]);
        let carl = directory.person("carl");
        assert_eq!(
            (list(carl.names), list(carl.full_names)),
            (vec!["carl".into(), "u4".into()], vec!["carl".into()])
        );
        assert_eq!(list(directory.person("Ada King").names), ["ada", "ada@contoso.example", "u1"]);
        assert_eq!(list(directory.person("nobody").names), ["nobody"]);
    }
}
