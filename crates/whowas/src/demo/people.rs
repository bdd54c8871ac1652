//! Who works at the invented company, with which devices, and the few with a story.

use std::{collections::HashSet, ops::Range, sync::Arc};

use super::{
    names::{Culture, Name},
    places::{OFFICES, Office},
    random::Random,
};

/// How many days the demo has.
pub(crate) const DAYS: i64 = 90;
/// The day after which the leaver should not have signed in, counted from the first.
pub(crate) const LEAVING_DAY: i64 = 52;
/// The day on which the renamed user got the new name.
pub(crate) const RENAMING_DAY: i64 = 46;
/// The last day of the user who became dormant.
pub(crate) const LAST_DAY_OF_DORMANT: i64 = 11;

/// What a sign-in says about its user.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Object id in the directory.
    pub(crate) uid: String,
    /// User id in Finance and Operations.
    pub(crate) user_id: String,
    /// Login name.
    pub(crate) login: String,
    pub(crate) full_name: String,
    pub(crate) email: String,
    pub(crate) domain: &'static str,
}

/// What decides which services somebody uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Team {
    Finance,
    Sales,
    Warehouse,
    It,
    Machine,
}

/// When somebody works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shift {
    Day,
    /// The weekdays on which a part-timer works: bit 0 is Sunday.
    PartTime(u8),
    /// Five nights of seven, the number is the first free one.
    Night(i64),
}

/// What is remarkable about somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    None,
    /// Left on [`LEAVING_DAY`], still signs in.
    Leaver,
    /// Got another name on [`RENAMING_DAY`].
    Renamed,
    /// Not seen since [`LAST_DAY_OF_DORMANT`].
    Dormant,
    /// Has an account and never signed in.
    NeverSeen,
    /// One of the passwords tried in the second spray was right.
    Compromised,
    /// The administrator whose password was guessed at.
    Besieged,
    /// From another company.
    Guest,
}

/// A laptop, a telephone or a scanner.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) uid: String,
    pub(crate) name: String,
    pub(crate) os: &'static str,
    pub(crate) browser: &'static str,
    pub(crate) agent: &'static str,
}

/// One user account.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// As it is now.
    pub(crate) identity: Arc<Identity>,
    /// As it was before [`RENAMING_DAY`].
    pub(crate) former: Option<Arc<Identity>>,
    pub(crate) office: &'static Office,
    pub(crate) team: Team,
    pub(crate) shift: Shift,
    pub(crate) story: Story,
    /// Number of the home's network.
    pub(crate) home: u16,
    pub(crate) laptop: Arc<Device>,
    pub(crate) phone: Arc<Device>,
    pub(crate) vacation: Range<i64>,
    /// Enabled in Finance and Operations.
    pub(crate) enabled: bool,
}

impl Person {
    /// What a sign-in on that day says.
    pub(crate) fn identity_on(&self, day: i64) -> &Arc<Identity> {
        self.former.as_ref().filter(|_| day < RENAMING_DAY).unwrap_or(&self.identity)
    }
}

/// Everybody: employees office by office, then a guest, then the accounts of the system.
pub(crate) fn everybody(seed: u64) -> Vec<Person> {
    let mut random = Random::new(seed, 1);
    let mut taken = HashSet::new();
    let mut people = Vec::new();
    for office in &OFFICES {
        for number in 0..office.people {
            let identity = identity(office.culture, &mut taken, &mut random);
            people.push(employee(office, number, identity, &mut random));
        }
    }
    tell_stories(&mut people, &mut taken, &mut random);
    people.extend(guest(&mut random));
    people.extend(MACHINES.iter().map(|&(id, name)| machine(id, name, &mut random)));
    people
}

/// A new identity whose login name and user id nobody else has.
fn identity(culture: Culture, taken: &mut HashSet<String>, random: &mut Random) -> Arc<Identity> {
    let name = Name::random(culture, random);
    let login = unused(name.login(), taken);
    Arc::new(Identity {
        uid: random.guid(),
        user_id: unused(name.user_id(), taken),
        email: format!("{login}@contoso.example"),
        login,
        full_name: name.full(),
        domain: "contoso.example",
    })
}

/// `wanted`, with a number behind it if somebody has it.
fn unused(wanted: String, taken: &mut HashSet<String>) -> String {
    let mut found = wanted.clone();
    let mut number = 2;
    while !taken.insert(found.clone()) {
        found = format!("{wanted}{number}");
        number += 1;
    }
    found
}

fn employee(office: &'static Office, number: usize, identity: Arc<Identity>, random: &mut Random) -> Person {
    let team = match number % 12 {
        0 | 4 | 7 => Team::Sales,
        3 | 8 | 11 => Team::Warehouse,
        5 if number < 12 || random.chance(200) => Team::It,
        _ => Team::Finance,
    };
    let shift = match (team, random.below(10)) {
        (Team::Warehouse, 0..=4) => Shift::Night(random.between(0, 6)),
        (Team::Finance | Team::Sales, 0) => {
            Shift::PartTime(*random.pick(&[0b0000_1110, 0b0010_1010, 0b0011_1100]))
        }
        _ => Shift::Day,
    };
    let vacation = random.between(-10, DAYS);
    Person {
        laptop: Arc::new(if team == Team::Warehouse { scanner(random) } else { laptop(&identity, random) }),
        phone: Arc::new(phone(random)),
        identity,
        former: None,
        office,
        team,
        shift,
        story: Story::None,
        home: u16::try_from(random.below(0xffff)).expect("it is below 2^16"),
        vacation: vacation..vacation + random.between(4, 16),
        enabled: true,
    }
}

/// Gives the stories to fixed places of the list, so that every seed has all of them.
fn tell_stories(people: &mut [Person], taken: &mut HashSet<String>, random: &mut Random) {
    let is_office_worker = |person: &&mut Person| person.team == Team::Finance && person.shift == Shift::Day;
    let mut heroes = people.iter_mut().filter(is_office_worker).step_by(9);
    for story in [Story::Leaver, Story::Renamed, Story::Dormant, Story::NeverSeen, Story::Compromised] {
        let hero = heroes.next().expect("more than a third of the people work in finance");
        hero.story = story;
        hero.vacation = 0..0;
        hero.enabled = story != Story::Leaver;
        if story == Story::Renamed {
            let culture = hero.office.culture;
            let former = identity(culture, taken, random);
            let given = hero.identity.full_name.split(' ').next().unwrap_or_default();
            let family = former.full_name.rsplit(' ').next().unwrap_or_default();
            hero.former = Some(Arc::new(Identity {
                uid: hero.identity.uid.clone(),
                user_id: former.user_id.clone(),
                login: former.login.clone(),
                full_name: format!("{given} {family}"),
                email: former.email.clone(),
                domain: former.domain,
            }));
        }
    }
    let admin = people.iter_mut().find(|person| person.team == Team::It);
    admin.expect("every office has somebody in IT").story = Story::Besieged;
}

/// An auditor of another company, invited into the directory.
fn guest(random: &mut Random) -> Option<Person> {
    let office = OFFICES.first()?;
    let identity = Arc::new(Identity {
        uid: random.guid(),
        user_id: "HNGUYEN".to_owned(),
        login: "hanh.nguyen_fabrikam.example#EXT#".to_owned(),
        full_name: "Nguyễn Thị Hạnh".to_owned(),
        email: "hanh.nguyen@fabrikam.example".to_owned(),
        domain: "fabrikam.example",
    });
    let mut person = employee(office, 1, identity, random);
    person.shift = Shift::PartTime(0b0001_0100);
    person.story = Story::Guest;
    Some(person)
}

/// The accounts that Finance and Operations itself signs in with.
const MACHINES: [(&str, &str); 4] = [
    ("Axrunner", "Batch service"),
    ("FRServiceUser", "Financial reporting service"),
    ("RetailServiceAccount", "Commerce data exchange"),
    ("SysHealthServiceUser", "Environment health probe"),
];

fn machine(user_id: &str, name: &str, random: &mut Random) -> Person {
    let [london, ..] = &OFFICES;
    let login = user_id.to_lowercase();
    let identity = Arc::new(Identity {
        uid: random.guid(),
        user_id: user_id.to_owned(),
        email: format!("{login}@contoso.example"),
        login,
        full_name: name.to_owned(),
        domain: "contoso.example",
    });
    let mut person = employee(london, 1, identity, random);
    (person.team, person.shift, person.vacation) = (Team::Machine, Shift::Day, 0..0);
    person
}

fn device(
    kind: &str,
    (os, browser, agent): (&'static str, &'static str, &'static str),
    random: &mut Random,
) -> Device {
    Device {
        uid: random.guid(),
        name: format!("{kind}-{}", random.hex(6).to_uppercase()),
        os,
        browser,
        agent,
    }
}

fn laptop(identity: &Identity, random: &mut Random) -> Device {
    const KINDS: [(&str, &str, &str); 5] = [
        (
            "Windows 11",
            "Edge 134",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36 Edg/134.0.0.0",
        ),
        (
            "Windows 11",
            "Chrome 134",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36",
        ),
        (
            "Windows 10",
            "Edge 131",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
        ),
        (
            "macOS 15",
            "Safari 18",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
        ),
        (
            "Ubuntu 24.04",
            "Firefox 136",
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:136.0) Gecko/20100101 Firefox/136.0",
        ),
    ];
    let [edge, chrome, old, mac, linux] = KINDS;
    let kind = *random.pick(&[edge, edge, edge, edge, chrome, chrome, old, mac, linux]);
    let mut made = device("LT", kind, random);
    if random.chance(120) {
        made.name = format!("{} laptop", identity.full_name);
    }
    made
}

fn phone(random: &mut Random) -> Device {
    const KINDS: [(&str, &str, &str); 2] = [
        (
            "iOS 18",
            "Mobile Safari 18",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1",
        ),
        (
            "Android 15",
            "Chrome Mobile 134",
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Mobile Safari/537.36",
        ),
    ];
    let kind = *random.pick(&KINDS);
    device("PH", kind, random)
}

fn scanner(random: &mut Random) -> Device {
    device(
        "HND",
        ("Android 13", "Warehouse app 2.1", "WarehouseManagement/2.1.25 (Android 13; handheld)"),
        random,
    )
}
