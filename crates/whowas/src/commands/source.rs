//! `whowas source test`: can the sources of the settings be read? It needs no store, and no running server.

use whowas_collect::poll::{ProbeReport, Seen};
use whowas_event::EnvironmentName;
use whowas_store::Clock;

use crate::{
    cli::{Global, Source},
    config::{Settings, SystemClock},
    failure::{DONE, FAILED, Failure},
    output, sources, times,
};

pub(crate) async fn run(global: &Global, command: Source) -> Result<u8, Failure> {
    let Source::Test(args) = command;
    let mut probes = sources::probes(&sources::sources(&Settings::load(global)?.source)?)?;
    probes.retain(|(environment, probe)| {
        args.environment.as_ref().is_none_or(|name| name == environment)
            && args.source.as_ref().is_none_or(|name| *name == probe.source())
    });
    if probes.is_empty() {
        return Err(Failure::not_understood("there is no such [[source]] in the settings"));
    }
    let zone = times::zone(global.timezone.as_deref())?;
    let (mut code, mut rows) = (DONE, Vec::new());
    for (environment, probe) in &probes {
        let report = probe.test(SystemClock.now()).await;
        if !report.ok {
            code = FAILED;
        }
        if global.json {
            output::json_line(&line(environment, &report)?)?;
        }
        let seen = report.page.as_ref();
        let count = |count: fn(&Seen) -> u64| seen.map(|seen| count(seen).to_string()).unwrap_or_default();
        let reached: Vec<&str> = report.reached.iter().map(|one| one.what).collect();
        rows.push(vec![
            environment.to_string(),
            output::printable(&report.source).to_string(),
            if report.ok { "ok" } else { "failed" }.to_owned(),
            reached.join(", "),
            count(|seen| seen.records),
            count(|seen| seen.rejected),
            seen.and_then(|seen| seen.latest).map(|at| times::show(at, &zone)).unwrap_or_default(),
            report.problem.as_deref().map(|text| output::printable(text).to_string()).unwrap_or_default(),
        ]);
    }
    if !global.json {
        output::table(
            &["environment", "source", "result", "reached", "records", "rejected", "latest", "problem"],
            rows,
        )?;
    }
    Ok(code)
}

fn line(environment: &EnvironmentName, report: &ProbeReport) -> Result<serde_json::Value, Failure> {
    let mut line = serde_json::to_value(report).map_err(|e| Failure::failed(e.to_string()))?;
    if let Some(members) = line.as_object_mut() {
        members.insert("environment".to_owned(), environment.to_string().into());
    }
    Ok(line)
}
