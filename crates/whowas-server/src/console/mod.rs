//! The console: pages that work without a script, with all their state in the address.
//!
//! A page is a struct and a template. It asks the same rooms as the API, and shows the API address of what
//! it shows. The path is the original's: project, environment details, Monitoring, Activity, View raw logs.

pub(crate) mod alarms;
pub(crate) mod coverage;
pub(crate) mod environment;
pub(crate) mod exports;
pub(crate) mod findings;
pub(crate) mod health;
pub(crate) mod overview;
pub(crate) mod people;
pub(crate) mod presence;
pub(crate) mod queries;
pub(crate) mod raw_logs;
pub(crate) mod report;
pub(crate) mod settings;
pub(crate) mod sign_in;
pub(crate) mod user_log;
pub(crate) mod user_page;
pub(crate) mod users;

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Html};
use whowas_event::{EnvironmentName, Time};

use crate::{app::App, assets::Assets, auth::Visitor, problem::Problem};

/// What every page has around it.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) is_signed_in: bool,
}

impl Frame {
    /// The address of an asset.
    pub(crate) fn asset(&self, name: &str) -> String {
        Assets::get().url(name)
    }
}

const SIGNED_IN: Frame = Frame { is_signed_in: true };

/// A page as an answer.
fn html(page: &impl Template) -> Result<Html<String>, Problem> {
    page.render().map(Html).map_err(Problem::internal)
}

/// A time as people read it; the page says that times are UTC.
fn show(time: Time) -> String {
    time.to_string().chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// A number with spaces between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A path with these parameters, those without a value left out.
fn address(path: &str, params: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in params.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// Says which tabs of an environment a page stands under.
macro_rules! stands_under {
    ($page:ident, $($name:ident = $tab:literal),+) => {
        impl $page<'_> {
            $(const fn $name(&self) -> &'static str {
                $tab
            })+
        }
    };
}
pub(crate) use stands_under;

struct EnvironmentCard {
    environment: String,
    records: String,
    created_at: String,
    is_stopped: bool,
}

struct Project {
    name: String,
    environments: Vec<EnvironmentCard>,
}

#[derive(Template)]
#[template(path = "projects.html")]
struct ProjectsPage {
    frame: Frame,
    projects: Vec<Project>,
}

/// Every project with its environments.
pub(crate) async fn projects(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
) -> Result<Html<String>, Problem> {
    let mut projects: Vec<Project> = Vec::new();
    for environment in app.control().environments().await? {
        let name: &EnvironmentName = &environment.name;
        if !caller.sees(name) {
            continue;
        }
        let trail = app.store.trail(name).await?;
        let card = EnvironmentCard {
            environment: name.environment().to_owned(),
            records: grouped(trail.snapshot().size),
            created_at: show(environment.created_at),
            is_stopped: trail.poisoned().is_some(),
        };
        match projects.last_mut().filter(|project| project.name == name.project()) {
            Some(project) => project.environments.push(card),
            None => projects.push(Project { name: name.project().to_owned(), environments: vec![card] }),
        }
    }
    html(&ProjectsPage { frame: SIGNED_IN, projects })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_times_and_numbers() {
        let time = Time::parse_rfc3339("2026-11-24T07:22:01.5Z").unwrap();
        assert_eq!(show(time), "2026-11-24 07:22:01");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(999), "999");
        assert_eq!(address("/p", &[("a", "x y&z"), ("b", "")]), "/p?a=x+y%26z");
        assert_eq!(address("/p", &[]), "/p");
    }
}
