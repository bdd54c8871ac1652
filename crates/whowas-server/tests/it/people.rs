//! Pages of people, sessions and coverage.

use crate::{
    client::Response,
    world::{World, api},
};
use whowas_store::control::Scope;

const P_E: &str = "/p/contoso/production";

fn event(id: &str, user: &str, activity: &str, session: &str, at: &str) -> serde_json::Value {
    serde_json::json!({
        "id": id, "occurred_at": at, "activity": activity, "status": "success",
        "user": { "uid": user }, "session": { "uid": session },
        "src_endpoint": { "ip": "192.0.2.7" }, "service": { "name": "Dynamics <365>" },
    })
}

async fn open(world: &World, cookie: &str, path: &str) -> Response {
    let response = world.get(path).header("Cookie", cookie).send().await;
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    let text = response.text();
    assert!(!text.contains("style=") && !text.contains("<style") && !text.contains("onclick"), "{path}");
    response
}

async fn world() -> (World, String) {
    let world = World::new().await;
    let mut failure = event("f1", "a11ce*", "logon", "x", "2026-11-23T06:00:00Z");
    failure["status"] = "failure".into();
    failure["status_detail"] = "Wrong <password>".into();
    let lines = [
        serde_json::json!({
            "kind": "identity", "native_id": "alice", "occurred_at": "2026-11-01T00:00:00Z",
            "user": { "uid": "a11ce*", "full_name": "Alice <Adams>", "email_addr": "alice@contoso.example" },
        }),
        event("e1", "a11ce*", "logon", "s1", "2026-11-23T07:00:00Z"),
        event("e2", "a11ce*", "logoff", "s1", "2026-11-23T10:00:00Z"),
        event("e3", "a11ce*", "logon", "s2", "2026-11-22T22:00:00Z"),
        event("e4", "a11ce-other", "logon", "s3", "2026-11-23T08:00:00Z"),
        failure,
    ];
    let recorded = world.append(&lines.map(|line| line.to_string()).join("\n")).await.json();
    assert_eq!(recorded["recorded"], 6, "{recorded}");
    let cookie = world.sign_in().await;
    (world, cookie)
}

#[tokio::test]
async fn everything_about_one_person() {
    let (world, cookie) = world().await;
    let size = world.trail().await.snapshot().size;
    let page = open(&world, &cookie, &format!("{P_E}/users/a11ce%2A")).await;
    assert_eq!(world.trail().await.snapshot().size, size + 1, "the look is written down");
    let text = page.text();
    for part in [
        "Alice &#60;Adams&#62;",
        "alice@contoso.example",
        "<strong id=\"total\">2</strong> sessions began",
        "Wrong &#60;password&#62;",
        "Dynamics &#60;365&#62;",
        "192.0.2.7",
        "--user 'a11ce*' --dry-run",
        "class=\"explicit\"",
        "class=\"open\"",
        "/p/contoso/production/sessions/1",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("sessions/4"), "a star in an id stands for itself: {text}");
    // By another of the names, and of a person whom nobody knows.
    let by_mail = open(&world, &cookie, &format!("{P_E}/users/alice@contoso.example")).await;
    assert!(by_mail.text().contains("<strong id=\"total\">2</strong>"));
    let nobody = open(&world, &cookie, &format!("{P_E}/users/no%2Fbody%22")).await;
    assert!(nobody.text().contains("No directory names this user") && nobody.text().contains("no/body&#34;"));
    let wrong = open(&world, &cookie, &format!("{P_E}/users/x?start=2026-11-24&end=2026-11-01")).await;
    assert!(wrong.text().contains("role=\"alert\""));
    world.end().await;
}

#[tokio::test]
async fn a_session_has_its_records_and_any_of_them_leads_to_it() {
    let (world, cookie) = world().await;
    let page = open(&world, &cookie, &format!("{P_E}/sessions/1?tz=Europe/Vienna")).await;
    let text = page.text();
    for part in
        ["2026-11-23 08:00:00", "2026-11-23 11:00:00", "+3:00", "records/2/proof", "logout", "explicit"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let later = world.get(&format!("{P_E}/sessions/2")).header("Cookie", &cookie).send().await;
    assert_eq!((later.status, later.header("location")), (307, Some("/p/contoso/production/sessions/1")));
    let open_one = open(&world, &cookie, &format!("{P_E}/sessions/3")).await;
    assert!(open_one.text().contains("told none of it yet"), "{}", open_one.text());
    let read = world.token(Scope::Read, None).await;
    let found = world.get(&api("sessions/2")).bearer(&read).send().await.json();
    assert_eq!((found["session"]["position"].as_u64(), found["record_count"].as_u64()), (Some(1), Some(2)));
    assert_eq!(found["records"][1]["activity"], "logoff");
    assert_eq!(world.get(&api("sessions/5")).bearer(&read).send().await.status, 404);
    for (key, why) in [("0", "no session"), ("5", "failed sign-in"), ("999", "no session"), ("x", "position")]
    {
        let response = world.get(&format!("{P_E}/sessions/{key}")).header("Cookie", &cookie).send().await;
        assert_eq!(response.status, 404, "{key}");
        assert!(response.text().contains(why), "{}", response.text());
    }
    world.end().await;
}

#[tokio::test]
async fn who_was_there_and_the_evidence_of_it() {
    let (world, cookie) = world().await;
    let page = open(&world, &cookie, &format!("{P_E}/presence?at=2026-11-23T09:00")).await;
    let text = page.text();
    // The page's own quarter of an hour, the way an hour back, the session's page.
    for part in [
        "<strong id=\"total\">3</strong>",
        "aria-label=\"2026-11-23 09:00: 1 at once, and 2 whose end is not known\" aria-current=\"true\"",
        "at=2026-11-23T08%3A00",
        "/p/contoso/production/sessions/1",
        "value=\"540\"",
        "No source says what it has read",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let proof = text.split("id=\"evidence\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let proof = proof.replace("&#38;", "&").replace("&amp;", "&");
    assert!(proof.contains("from=2026-11-22T22%3A00%3A00.000Z"), "from the oldest of them: {proof}");
    let bundle = world.get(&proof).header("Cookie", &cookie).send().await;
    assert_eq!((bundle.status, bundle.header("content-type")), (200, Some("application/zip")));
    let future = open(&world, &cookie, &format!("{P_E}/presence?at=2027-11-23T09:00")).await;
    assert!(future.text().contains("role=\"alert\"") && !future.text().contains("id=\"slider\""));
    world.end().await;
}

#[tokio::test]
async fn the_overview_counts_and_leads_on() {
    let (world, cookie) = world().await;
    let size = world.trail().await.snapshot().size;
    let page = open(&world, &cookie, &format!("{P_E}/monitoring")).await;
    assert_eq!(world.trail().await.snapshot().size, size + 1, "the look is written down");
    let text = page.text();
    for part in [
        "<strong id=\"online\">2</strong>",
        "<strong id=\"sign-ins\">4</strong>",
        "<strong id=\"users\">2</strong>",
        "<strong id=\"failures\">1</strong>",
        "25.0 % of the sign-ins",
        "/p/contoso/production/users/a11ce%2A",
        "Dynamics &#60;365&#62;",
        "<polyline class=\"of-all\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let chart = text.split("aria-label=\"Failures over time\"").nth(1).unwrap();
    let bar = chart.split("<a href=\"").skip(1).find(|bar| bar.contains(": 1\"")).unwrap();
    let bar = bar.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let rows = open(&world, &cookie, &bar).await;
    assert!(rows.text().contains("<strong id=\"total\">1</strong>"), "{bar}");
    let day = open(&world, &cookie, &format!("{P_E}/monitoring?range=-24h")).await;
    assert!(day.text().contains("<strong id=\"sign-ins\">0</strong>"));
    let wrong = world.get(&format!("{P_E}/monitoring?range=-1y")).header("Cookie", &cookie).send().await;
    assert_eq!(wrong.status, 400);
    world.end().await;
}

/// What a page's forms for findings hold.
fn keys(page: &Response) -> Vec<String> {
    let text = page.text();
    let keys = text.split("name=\"key\" value=\"").skip(1);
    keys.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// Somebody fails five times, and somebody who has left comes again.
async fn suspects() -> (World, String) {
    let (world, cookie) = world().await;
    let fail = |n: usize| {
        let mut one = event(&format!("b{n}"), "mallory", "logon", "x", &format!("2026-11-24T09:0{n}:00Z"));
        one["status"] = "failure".into();
        one.to_string()
    };
    let leaver = serde_json::json!({
        "kind": "identity", "native_id": "carol", "occurred_at": "2026-11-20T00:00:00Z",
        "user": { "uid": "carol" }, "unmapped": { "enabled": false },
    });
    let mut lines: Vec<String> = (0..5).map(fail).collect();
    lines.push(leaver.to_string());
    lines.push(event("c1", "carol", "logon", "cs", "2026-11-22T10:00:00Z").to_string());
    assert_eq!(world.append(&lines.join("\n")).await.json()["recorded"], 7);
    (world, cookie)
}

#[tokio::test]
async fn findings_lead_to_their_rows() {
    let (world, cookie) = suspects().await;
    let path = format!("{P_E}/findings");
    let page = open(&world, &cookie, &path).await;
    let text = page.text();
    for part in [
        "id=\"after-leaving\"",
        "id=\"failure-burst\"",
        "id=\"logon-without-logoff\"",
        "Failed 5 times within 5 min, from one address",
        "/p/contoso/production/users/mallory",
        "Signed in once after the directory said",
        "Looked for, and not found",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let rows = text.split("id=\"failure-burst\"").nth(1).unwrap().split("href=\"").nth(2).unwrap();
    let rows = rows.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    assert!(open(&world, &cookie, &rows).await.text().contains("<strong id=\"total\">5</strong>"), "{rows}");
    world.end().await;
}

#[tokio::test]
async fn what_is_reviewed_is_not_asked_for_until_something_new_is_seen() {
    let (world, cookie) = suspects().await;
    let path = format!("{P_E}/findings");
    let before = keys(&open(&world, &cookie, &path).await);
    let post = |form: String, cookie: Option<&str>| {
        let request = world.post(&format!("{path}/review")).header("Sec-Fetch-Site", "same-origin");
        let request = match cookie {
            Some(cookie) => request.header("Cookie", cookie),
            None => request,
        };
        async move { request.form(&form).send().await }
    };
    let first = &before[0];
    let size = world.trail().await.snapshot().size;
    for (form, status) in [
        (format!("key={first}&note={}", "x".repeat(1001)), 400),
        ("key=0000&note=x".to_owned(), 404),
        ("note=".to_owned(), 400),
        ("key=&note=x&range=-1y".to_owned(), 400),
    ] {
        assert_eq!(post(form.clone(), Some(&cookie)).await.status, status, "{form}");
    }
    let nobody = post(format!("key={first}"), None).await;
    assert_eq!((nobody.status, nobody.header("location")), (303, Some("/sign-in")));
    assert_eq!(world.trail().await.snapshot().size, size, "nothing was written down");
    let read = world.token(Scope::Read, None).await;
    let denied =
        world.post(&format!("{path}/review")).bearer(&read).form(&format!("key={first}")).send().await;
    assert_eq!(denied.status, 403);

    let done = post(format!("key={first}&note=Spoke+to+%3CCarol%3E"), Some(&cookie)).await;
    assert_eq!(
        (done.status, done.header("location")),
        (303, Some("/p/contoso/production/findings?range=-30d"))
    );
    assert_eq!(world.trail().await.snapshot().size, size + 1, "the review is a record");
    let after = open(&world, &cookie, &path).await;
    assert_eq!(keys(&after), before[1..], "it is not asked for again");
    assert!(after.text().contains("Spoke to &#60;Carol&#62;") && after.text().contains("administrator"));
    let all = open(&world, &cookie, &format!("{path}?show=all")).await;
    assert!(all.text().contains("Reviewed by administrator"));
    // Something new of the same person is to be looked at again.
    world.append(&event("c2", "carol", "logon", "cs2", "2026-11-23T10:00:00Z").to_string()).await;
    let again = open(&world, &cookie, &path).await;
    assert!(again.text().contains("Signed in 2 times after the directory said"));
    assert_eq!(post("note=Quarterly+review".to_owned(), Some(&cookie)).await.status, 303);
    let period = open(&world, &cookie, &path).await;
    assert!(period.text().contains("The period from 2026-10-25 to 2026-11-24"), "{}", period.text());
    world.end().await;
}

#[tokio::test]
async fn coverage_is_under_the_chart_and_a_year() {
    let (world, cookie) = world().await;
    let none = open(&world, &cookie, &format!("{P_E}/monitoring/coverage")).await;
    assert!(none.text().contains("No source says what it has read"));
    let ingest = world.token(Scope::Ingest, None).await;
    let two = [
        event("i1", "bob", "logon", "b1", "2026-11-20T08:00:00Z"),
        event("i2", "bob", "logoff", "b1", "2026-11-22T08:00:00Z"),
    ];
    let body = two.map(|line| line.to_string()).join("\n").into_bytes();
    let imported = world.post(&api("imports?file=week.ndjson")).bearer(&ingest).body(body).send().await;
    assert_eq!(imported.status, 200, "{}", imported.text());
    let year = open(&world, &cookie, &format!("{P_E}/monitoring/coverage?year=2026")).await;
    let text = year.text();
    assert!(text.contains("aria-label=\"Sat 2026-11-21: closed\""), "{text}");
    assert!(text.contains("aria-label=\"Thu 2026-11-19: not collected\""), "{text}");
    assert_eq!(text.matches("tabindex=\"0\" aria-label").count(), 1, "one stop of the Tab key");
    let summary =
        open(&world, &cookie, &format!("{P_E}/monitoring/raw-logs/summary?start=2026-11-17&end=2026-11-24"))
            .await;
    let text = summary.text();
    assert!(text.contains("<rect class=\"closed\"") && text.contains("<rect class=\"outside\""), "{text}");
    assert!(text.contains("it is closed for a part of it"), "{text}");
    for wrong in ["year=0", "year=99999", "year=x", "tz=Mars"] {
        let path = format!("{P_E}/monitoring/coverage?{wrong}");
        assert_eq!(world.get(&path).header("Cookie", &cookie).send().await.status, 400, "{wrong}");
    }
    world.end().await;
}
