//! `whowas alarms`: what is raised, and what was.

use whowas_server::alarm::alarms;

use crate::{
    cli::{Alarms, Global},
    config,
    failure::{DONE, FAILED, Failure},
    output, times,
};

pub(crate) async fn run(global: &Global, args: Alarms) -> Result<u8, Failure> {
    let zone = times::zone(global.timezone.as_deref())?;
    let store = config::open(global, false).await?;
    let names = match args.environment {
        Some(name) => vec![name],
        None => store.environments().await?,
    };
    let (mut rows, mut code) = (Vec::new(), DONE);
    for name in names {
        for one in alarms(store.control().as_ref(), &name).await? {
            if one.ended_at.is_none() {
                code = FAILED;
            }
            if global.json {
                let mut line = serde_json::to_value(&one).map_err(|e| Failure::failed(e.to_string()))?;
                if let Some(members) = line.as_object_mut() {
                    members.insert("environment".to_owned(), name.to_string().into());
                }
                output::json_line(&line)?;
            }
            let time = |at: Option<_>| at.map(|at| times::show(at, &zone)).unwrap_or_default();
            rows.push(vec![
                name.to_string(),
                one.alarm,
                one.kind.as_str().to_owned(),
                one.state.to_owned(),
                output::printable(&one.subject).to_string(),
                times::show(one.from, &zone),
                times::show(one.to, &zone),
                time(one.lost_at),
                times::show(one.raised_at, &zone),
                time(one.ended_at),
                time(one.told_at),
            ]);
        }
    }
    store.close().await?;
    if !global.json {
        let head = [
            "environment",
            "alarm",
            "kind",
            "state",
            "subject",
            "from",
            "to",
            "forgotten",
            "raised",
            "ended",
            "told",
        ];
        output::table(&head, rows)?;
    }
    Ok(code)
}
