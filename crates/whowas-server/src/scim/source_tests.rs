//! The state of a source, from its entries.

use super::*;

fn id(n: u8) -> Id {
    Id::new(Time::from_ms(1_764_000_000_000).unwrap(), [n; 10])
}

#[test]
fn ids_are_uuids_in_the_order_of_time() {
    let text = id(0xff).to_string();
    assert_eq!(text, "019ab697-e800-7fff-bfff-ffffffffffff");
    assert_eq!(Id::parse(&text), Some(id(0xff)));
    for wrong in
        ["", "019ab697-e800-7fff-bfff-fffffffffff", "019AB697-E800-7fff-bfff-ffffffffffff", &"0".repeat(36)]
    {
        assert_eq!(Id::parse(wrong), None, "{wrong}");
    }
    let later = Id::new(Time::from_ms(1_764_000_000_001).unwrap(), [0; 10]);
    assert!(later > id(0xff));
    assert!(later.to_string() > id(0xff).to_string());
}

#[test]
fn records_of_other_sources_are_not_ours() {
    let native = Place::Resource(Kind::User, id(1)).native_id("a");
    assert_eq!(Place::parse("a", &native), Some(Place::Resource(Kind::User, id(1))));
    for other in ["", "b", "a:user", "aa"] {
        assert_eq!(Place::parse(other, &native), None, "{other}");
    }
    let odd = Place::Resource(Kind::User, id(1)).native_id("a:user");
    assert_eq!(Place::parse("a", &odd), None);
    let members = Place::Members(id(2), 7);
    assert_eq!(Place::parse("a", &members.native_id("a")), Some(members));
}

#[test]
fn a_change_of_members_touches_few_records() {
    let mut index = Index::default();
    for n in 0..=u8::MAX {
        index.users.insert(id(n));
    }
    let more: Vec<Id> = (0..200).map(|n| Id::new(Time::from_ms(n).unwrap(), [1; 10])).collect();
    index.users.extend(&more);
    let group = id(0);
    index.put(Kind::Group, group, None, &Map::new());
    let all: BTreeSet<Id> = index.users.clone();
    let put = |index: &mut Index, wanted: &BTreeSet<Id>| {
        let changed = index.shards_for(group, wanted);
        let touched: Vec<usize> = changed.iter().map(|(shard, _)| *shard).collect();
        changed.into_iter().for_each(|(shard, members)| index.put_members(group, shard, members));
        assert_eq!(&index.members(group).collect::<BTreeSet<_>>(), wanted);
        touched
    };
    let n_users = all.len();
    assert!(n_users > SHARD_MEMBERS_MAX && n_users < 2 * SHARD_MEMBERS_MAX);
    assert_eq!(put(&mut index, &all), [0, 1]);
    assert_eq!(put(&mut index, &all), Vec::<usize>::new());
    let gone = *index.groups[&group][0].first().unwrap();
    let mut fewer = all.clone();
    fewer.remove(&gone);
    assert_eq!(put(&mut index, &fewer), [0]);
    assert_eq!((index.groups_of(gone).count(), index.groups_of(id(9)).count()), (0, 1));
    // Who comes back takes the room that was left.
    assert_eq!(put(&mut index, &all), [0]);
    assert!(index.groups[&group].iter().all(|shard| shard.len() <= SHARD_MEMBERS_MAX));
    assert_eq!(put(&mut index, &BTreeSet::new()), [0, 1]);
    assert_eq!(index.groups_of(gone).count(), 0);
}
