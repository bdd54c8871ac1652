//! `whowas schedule`: the windows of scheduled exports, and doing what is due.

use std::sync::Arc;

use whowas_event::EnvironmentName;
use whowas_export::windows::State;
use whowas_server::archive::{Archiver, ScheduleReport, Scheduled, Step, WindowReport, windows};
use whowas_store::Store;

use crate::{
    cli::{Global, Schedule},
    config::{self, Settings},
    failure::{DONE, FAILED, Failure},
    output,
    schedules::{schedules, webhooks},
    times,
};

pub(crate) async fn run(global: &Global, command: Schedule) -> Result<u8, Failure> {
    let (args, is_run) = match command {
        Schedule::List(args) => (args, false),
        Schedule::Run(args) => (args, true),
    };
    let settings = Settings::load(global)?;
    let store = Arc::new(config::open(global, is_run).await?);
    let mut scheduled = schedules(&settings.schedule, store.clock().now())?;
    scheduled.retain(|one| args.environment.as_ref().is_none_or(|name| one.environment == *name));
    if is_run {
        if scheduled.is_empty() {
            return Err(Failure::not_understood("there is no [[schedule]] in the settings"));
        }
        let archiver = Archiver::new(store.clone(), config::engine(global)?, scheduled.clone());
        let archiver = archiver.telling(webhooks(&settings.webhook)?);
        while archiver.step().await? == Step::Done {}
    }
    let code = show(global, &store, &scheduled, args.environment.as_ref()).await?;
    store.close().await?;
    Ok(if is_run { code } else { DONE })
}

async fn show(
    global: &Global,
    store: &Store,
    scheduled: &[Scheduled],
    only: Option<&EnvironmentName>,
) -> Result<u8, Failure> {
    let zone = times::zone(global.timezone.as_deref())?;
    let names = match only {
        Some(name) => vec![name.clone()],
        None => store.environments().await?,
    };
    let (mut rows, mut code) = (Vec::new(), DONE);
    for name in names {
        let now = store.clock().now();
        for report in windows(store.control().as_ref(), &name, scheduled, now).await? {
            for window in &report.windows {
                if window.state == State::Failed {
                    code = FAILED;
                }
                if global.json {
                    output::json_line(&line(&name, &report, window)?)?;
                }
                rows.push(vec![
                    name.to_string(),
                    report.schedule.clone(),
                    times::show(window.from, &zone),
                    times::show(window.to, &zone),
                    window.state.as_str().to_owned(),
                    window.rows.map(|rows| rows.to_string()).unwrap_or_default(),
                    window.late_rows.map(|rows| rows.to_string()).unwrap_or_default(),
                    window
                        .failure
                        .as_deref()
                        .map(output::printable)
                        .map(|text| text.to_string())
                        .unwrap_or_default(),
                ]);
            }
        }
    }
    if !global.json {
        output::table(
            &["environment", "schedule", "from", "to", "state", "rows", "late rows", "reason"],
            rows,
        )?;
    }
    Ok(code)
}

fn line(
    name: &EnvironmentName,
    report: &ScheduleReport,
    window: &WindowReport,
) -> Result<serde_json::Value, Failure> {
    let mut line = serde_json::to_value(window).map_err(|e| Failure::failed(e.to_string()))?;
    if let Some(members) = line.as_object_mut() {
        members.insert("environment".to_owned(), name.to_string().into());
        members.insert("schedule".to_owned(), report.schedule.clone().into());
    }
    Ok(line)
}
