//! Which crate may depend on which.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::Problem;

/// Each crate with those of ours it may depend on. What is not here is not allowed.
///
/// Test code may use any crate: dev-dependencies are not shipped.
const ARROWS: &[(&str, &[&str])] = &[
    ("whowas-event", &[]),
    ("whowas-tlog", &[]),
    ("whowas-format", &["whowas-event"]),
    ("whowas-store", &["whowas-event", "whowas-tlog"]),
    ("whowas-query", &["whowas-event", "whowas-store"]),
    ("whowas-collect", &["whowas-event", "whowas-format", "whowas-store"]),
    ("whowas-export", &["whowas-event", "whowas-tlog", "whowas-format", "whowas-query"]),
    (
        "whowas-server",
        &[
            "whowas-event",
            "whowas-tlog",
            "whowas-format",
            "whowas-store",
            "whowas-query",
            "whowas-collect",
            "whowas-export",
        ],
    ),
    (
        "whowas",
        &[
            "whowas-event",
            "whowas-tlog",
            "whowas-format",
            "whowas-store",
            "whowas-query",
            "whowas-collect",
            "whowas-export",
            "whowas-server",
        ],
    ),
    ("xtask", &[]),
];

/// May depend on any crate, and only tests may depend on it.
const TESTKIT: &str = "whowas-testkit";

/// Crates without clock, randomness, files, sockets and async.
const PURE: &[&str] = &["whowas-event", "whowas-tlog", "whowas-format"];

/// What no pure crate may reach, not even through others.
const IMPURE: &[&str] = &["tokio", "object_store", "sqlx", "datafusion", "deltalake-core", "axum", "hyper"];

/// What the whole tree does without, whoever would bring it.
const NOWHERE: &[(&str, &str)] =
    &[("openssl-sys", "one TLS stack: rustls"), ("native-tls", "one TLS stack: rustls")];

/// The normal and build dependencies of every workspace crate.
type Dependencies = BTreeMap<String, BTreeSet<String>>;

/// Checks `cargo metadata --no-deps` and the lock file.
pub(crate) fn check(metadata: &str, lock: &str) -> Result<Vec<Problem>, String> {
    let crates = dependencies(metadata)?;
    let mut problems = arrows(&crates);
    let locked = locked(lock);
    problems.extend(purity(&crates, &locked));
    let unwanted = NOWHERE.iter().filter(|(name, _)| locked.contains_key(*name));
    problems
        .extend(unwanted.map(|(name, instead)| Problem::new("Cargo.lock", 0, format!("{name}: {instead}"))));
    Ok(problems)
}

fn dependencies(metadata: &str) -> Result<Dependencies, String> {
    let metadata: Value =
        serde_json::from_str(metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages =
        metadata.get("packages").and_then(Value::as_array).ok_or("cargo metadata has no packages")?;
    let name = |value: &Value| value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let shipped = |package: &Value| {
        let all = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
        all.filter(|one| one.get("kind").and_then(Value::as_str) != Some("dev")).map(name).collect()
    };
    Ok(packages.iter().map(|package| (name(package), shipped(package))).collect())
}

fn arrows(crates: &Dependencies) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (from, dependencies) in crates.iter().filter(|(from, _)| *from != TESTKIT) {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| name == from) else {
            problems.push(manifest(from, "the crate has no row in the table of xtask/src/arrows.rs"));
            continue;
        };
        for to in dependencies.iter().filter(|to| crates.contains_key(*to) && !allowed.contains(&to.as_str()))
        {
            problems.push(manifest(
                from,
                &format!("may not depend on {to}: see the table in xtask/src/arrows.rs"),
            ));
        }
    }
    problems
}

fn purity(crates: &Dependencies, locked: &Dependencies) -> Vec<Problem> {
    let mut problems = Vec::new();
    for &from in PURE {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = crates.get(from).into_iter().flatten().map(String::as_str).collect();
        while let Some(name) = open.pop() {
            if reached.insert(name) {
                // Our own crates by their manifests: the lock file also has what their tests need.
                let next = crates.get(name).or_else(|| locked.get(name));
                open.extend(next.into_iter().flatten().map(String::as_str));
            }
        }
        for name in IMPURE.iter().filter(|name| reached.contains(*name)) {
            problems.push(manifest(
                from,
                &format!("is pure and may not reach {name}; do that in an outer crate"),
            ));
        }
    }
    problems
}

/// The dependencies that `Cargo.lock` states; versions of one crate are taken together.
fn locked(lock: &str) -> Dependencies {
    let mut all = Dependencies::new();
    for package in lock.split("[[package]]") {
        let mut quoted = package.split('"').skip(1).step_by(2);
        let name = quoted.next().unwrap_or_default().to_owned();
        let list = package.split_once("dependencies = [").map_or("", |(_, list)| list);
        let names = list.split('"').skip(1).step_by(2).filter_map(|entry| entry.split(' ').next());
        all.entry(name).or_default().extend(names.map(str::to_owned));
    }
    all
}

fn manifest(name: &str, text: &str) -> Problem {
    let folder = if name == "xtask" { String::new() } else { "crates/".to_owned() };
    Problem::new(&format!("{folder}{name}/Cargo.toml"), 0, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(packages: &[(&str, &[(&str, &str)])]) -> String {
        let one = |(name, list): &(&str, &[(&str, &str)])| {
            let list: Vec<_> =
                list.iter().map(|(name, kind)| serde_json::json!({"name": name, "kind": kind})).collect();
            serde_json::json!({"name": name, "dependencies": list})
        };
        serde_json::json!({"packages": packages.iter().map(one).collect::<Vec<_>>()}).to_string()
    }

    #[test]
    fn an_arrow_that_is_not_in_the_table_is_found() {
        let tree = metadata(&[
            ("whowas-event", &[("whowas-store", "normal"), ("serde", "normal")]),
            ("whowas-store", &[("whowas-event", "normal"), ("whowas-testkit", "dev")]),
            ("whowas-query", &[("whowas-testkit", "normal")]),
            ("whowas-testkit", &[("whowas-store", "normal")]),
            ("whowas-new", &[]),
        ]);
        let problems = check(&tree, "").unwrap();
        let found: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(
            found,
            [
                "crates/whowas-event/Cargo.toml",
                "crates/whowas-new/Cargo.toml",
                "crates/whowas-query/Cargo.toml"
            ]
        );
        assert!(check("{}", "").is_err());
    }

    #[test]
    fn a_pure_crate_may_not_reach_a_runtime_through_others() {
        let lock =
            "[[package]]\nname = \"innocent\"\nversion = \"1.0.0\"\ndependencies = [\n \"tokio 1.2.3\",\n]\n";
        let tree = metadata(&[
            ("whowas-format", &[("innocent", "normal")]),
            ("whowas-tlog", &[("innocent", "dev")]),
        ]);
        let problems = check(&tree, lock).unwrap();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].text.contains("may not reach tokio"), "{}", problems[0]);
        assert_eq!(check(&tree, "").unwrap(), []);
    }

    #[test]
    fn a_second_tls_stack_is_found() {
        let problems =
            check(&metadata(&[]), "[[package]]\nname = \"native-tls\"\nversion = \"0.2.0\"\n").unwrap();
        assert_eq!(problems, [Problem::new("Cargo.lock", 0, "native-tls: one TLS stack: rustls")]);
    }
}
