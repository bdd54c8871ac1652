//! The report over HTTP: a file, a page, and a record of both.

use sha2::{Digest, Sha256};
use whowas_store::control::Scope;

use crate::world::{World, api, login, logins};

#[tokio::test]
async fn a_report_is_a_file_and_a_page_and_leaves_a_trace() {
    let world = World::new().await;
    world.append(&logins(50)).await;
    let hostile = login(900, "<b>eve</b>", "2026-11-23T09:00:00Z").replace("success", "failure");
    world.append(&hostile).await;
    let read = world.token(Scope::Read, None).await;
    let mut digests = Vec::new();
    for (format, kind) in [("pdf", "application/pdf"), ("html", "text/html; charset=utf-8")] {
        let file = world.get(&api(&format!("report?as={format}&from=2026-11-01"))).bearer(&read).send().await;
        assert_eq!((file.status, file.header("content-type")), (200, Some(kind)), "{format}");
        let name = format!("attachment; filename=\"contoso-production_report.{format}\"");
        assert_eq!(file.header("content-disposition"), Some(name.as_str()));
        digests.push(hex::encode(Sha256::digest(&file.body)));
    }
    let cookie = world.sign_in().await;
    let page = |path: &'static str| world.get(path).header("Cookie", &cookie).send();
    let text = page("/p/contoso/production/report?from=2026-11-01&filter=status:failure").await.text();
    for part in [
        "<td>Sign-in failures</td><td>1</td>",
        "&lt;b&gt;eve&lt;/b&gt;",
        "No source of this environment",
        "status:failure",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("<b>eve"));
    let wrong = page("/p/contoso/production/report?from=never").await;
    assert!(wrong.status == 200 && wrong.text().contains("role=\"alert\""));
    for (path, status) in [("report?as=doc", 400), ("report?as_of=7", 400), ("report?filter=colour:red", 400)]
    {
        assert_eq!(world.get(&api(path)).bearer(&read).send().await.status, status, "{path}");
    }
    let ingest = world.token(Scope::Ingest, None).await;
    assert_eq!(world.get(&api("report")).bearer(&ingest).send().await.status, 403);
    let trail = world.trail().await;
    let records = trail.records(0..trail.snapshot().size).await.unwrap();
    let bodies: Vec<_> = records.iter().filter_map(|record| record.event.body.as_deref()).collect();
    for digest in digests {
        assert!(bodies.iter().any(|body| body.contains("\"report\"") && body.contains(&digest)));
    }
    world.end().await;
}
