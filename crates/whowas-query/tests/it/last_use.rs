//! Last sign-ins, asked again and again of one engine, are those that a fresh one reads.

use whowas_event::{Activity, Event};
use whowas_query::{AsOf, Engine, LastSignIn};
use whowas_store::Trail;

use crate::world::{NOW_MS, append, at, event, trail};

async fn ask(engine: &Engine, trail: &Trail, as_of: Option<AsOf>) -> Vec<LastSignIn> {
    engine.last_sign_ins(trail, as_of, at(NOW_MS)).await.unwrap()
}

/// A sign-in of a user of that world, so many hours ago.
fn sign_in(user: u64, hours: u64) -> Event {
    let mut event = Event { activity: Activity::Logon, ..event(hours) };
    event.native_id = whowas_event::NativeId::Given(format!("more-{user}-{hours}"));
    event.status = whowas_event::Status::Success;
    event.user.uid = Some(format!("00000000-0000-0000-0000-{user:012}"));
    (event.user.name, event.user.full_name) = (None, None);
    event
}

#[tokio::test]
async fn what_is_kept_between_questions_is_what_the_records_say() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = trail(folder.path(), 300).await;
    let asking = Engine::new().unwrap();
    let first = ask(&asking, &trail, None).await;
    assert!(first.iter().filter(|one| one.last_login.is_some()).count() > 8);
    assert_eq!(first, ask(&Engine::new().unwrap(), &trail, None).await);
    let size = trail.snapshot().size;
    // A later sign-in, one that is late and changes nothing, somebody new; in the tail and then in the archive.
    for (user, hours) in [(7, 0), (7, 290), (77, 40)] {
        append(&trail, vec![sign_in(user, hours)]).await;
        assert_eq!(ask(&asking, &trail, None).await, ask(&Engine::new().unwrap(), &trail, None).await);
        trail.settle().await;
        assert_eq!(ask(&asking, &trail, None).await, ask(&Engine::new().unwrap(), &trail, None).await);
    }
    assert_ne!(ask(&asking, &trail, None).await, first);
    // An earlier state, of which too much is known, and then the present again.
    let then = ask(&asking, &trail, Some(AsOf::Size(size))).await;
    assert_eq!(then, ask(&Engine::new().unwrap(), &trail, Some(AsOf::Size(size))).await);
    assert!(then.iter().all(|one| !one.user_id.ends_with("77")));
    assert_eq!(ask(&asking, &trail, None).await, ask(&Engine::new().unwrap(), &trail, None).await);
    asking.forget(&trail).unwrap();
    assert_eq!(ask(&asking, &trail, None).await, ask(&Engine::new().unwrap(), &trail, None).await);
    store.close().await.unwrap();
}
