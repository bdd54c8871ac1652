//! The engine agrees with the reference evaluator of the filter language, whatever is asked.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use whowas_query::{Filter, LoginRequest, NamedQuery, subject_of};

use crate::world::{NOW_MS, at, event, record, search, trail};

const COUNT: u64 = 120;

/// Terms that a person might write, and some that nobody would.
fn term() -> impl Strategy<Value = String> {
    let values = prop_oneof![
        Just("user:user1".to_owned()),
        Just("user:USER6".to_owned()),
        Just("user:person*".to_owned()),
        Just("user:\"zo\u{eb} number 2\"".to_owned()),
        Just("user:user*@contoso.example".to_owned()),
        Just("user:person.7".to_owned()),
        (0_u64..11).prop_map(|n| format!("user:00000000-0000-0000-0000-{n:012}")),
        Just("status:failure".to_owned()),
        Just("activity:logoff".to_owned()),
        Just("app:dynamics".to_owned()),
        Just("app:vpn_".to_owned()),
        Just("app:\"365 fin\"".to_owned()),
        Just("reason:100%_".to_owned()),
        Just("client:windows*v1".to_owned()),
        Just("country:ch".to_owned()),
        Just("mfa:yes".to_owned()),
        Just("mfa:no".to_owned()),
        Just("ip:10.1.0.0/16".to_owned()),
        Just("ip:10.1.2.0/23".to_owned()),
        Just("ip:2001:db8::/32".to_owned()),
        Just("2001:db8::2".to_owned()),
        (0_u64..COUNT).prop_map(|n| format!("id:native-{n}")),
        (0_u64..COUNT / 2).prop_map(|n| format!("session:session-{n}")),
        (0_i64..200).prop_map(|h| format!("after:{}", at(NOW_MS - h * 3_600_000))),
        (0_i64..200).prop_map(|h| format!("before:{}", at(NOW_MS - h * 3_600_000))),
        Just("mail".to_owned()),
        Just("number".to_owned()),
        Just("person".to_owned()),
        Just("v*1".to_owned()),
        "[a-z0-9_%]{1,2}",
    ];
    (any::<bool>(), values)
        .prop_map(|(is_excluded, value)| format!("{}{value}", if is_excluded { "-" } else { "" }))
}

#[test]
fn the_engine_means_what_the_filter_language_says() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (store, trail) = runtime.block_on(trail(folder.path(), COUNT));
    let snapshot = trail.snapshot();
    let mut runner = TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
    let asked = runner.run(&prop::collection::vec(term(), 1..4), |terms| {
        let text = terms.join(" ");
        let filter = Filter::parse(&text).map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?;
        let mut want: Vec<String> = (0..COUNT)
            .map(event)
            .map(record)
            .filter(|record| filter.matches(&subject_of(record, &snapshot.directory)))
            .map(|record| record.event.native_id.as_str().to_owned())
            .collect();
        want.sort();
        let request = LoginRequest {
            query: NamedQuery::AllEvents,
            from: Some(at(0)),
            filter,
            limit: 1000,
            ..LoginRequest::default()
        };
        let page = runtime.block_on(search(&trail, &request));
        prop_assert_eq!(page.total, want.len() as u64, "{}", text);
        let mut got: Vec<String> = page.rows.into_iter().map(|row| row.native_id).collect();
        got.sort();
        prop_assert_eq!(got, want, "{}", text);
        Ok(())
    });
    asked.unwrap();
    runtime.block_on(store.close()).unwrap();
}
