//! Microsoft Graph: `auditLogs/signIns` by windows, `users` by delta.
//!
//! Sign-ins: a page has at most 1,000, newest first; only interactive ones are returned unless the filter names
//! the type, so each of the four types is a stream. Five requests in ten seconds are allowed per app and
//! tenant. Records come late, by minutes as a rule and by days at times, and change afterwards.

use url::Url;
use whowas_event::Time;

use super::{
    api::{Api, Auth, Mode, Next, ODataPage, StreamSpec, Unreadable},
    http::Response,
};
use crate::coverage::{DAY_MS, HOUR_MS, MINUTE_MS, Terms, plan::Rhythm};

/// Rows of a page: the documented maximum.
const PAGE_ROWS: &str = "1000";
/// Requests in ten seconds, per app and tenant.
const RATE: (usize, i64) = (5, 10_000);
/// The four types of sign-ins.
const SIGN_IN_TYPES: [&str; 4] =
    ["interactiveUser", "nonInteractiveUser", "servicePrincipal", "managedIdentity"];

/// `GET /auditLogs/signIns`
#[derive(Clone, Debug)]
pub struct GraphSignIns {
    base: Url,
    auth: Auth,
    rhythm: Rhythm,
    types: Vec<String>,
}

impl GraphSignIns {
    /// Below `base` (`https://graph.microsoft.com/beta/`), in a tenant that keeps sign-ins for so long.
    pub fn new(base: Url, auth: Auth, retention_ms: i64) -> Self {
        // Three days is the longest delay that is documented; half a day lies between passes that confirm.
        let terms = Terms { retention_ms: Some(retention_ms), late_ms: 3 * DAY_MS, settle_ms: 12 * HOUR_MS };
        let rhythm = Rhythm::new(HOUR_MS, 2 * MINUTE_MS, 5 * MINUTE_MS, terms);
        Self { base, auth, rhythm, types: SIGN_IN_TYPES.map(str::to_owned).into() }
    }

    /// What is known of the source.
    pub fn terms(&self) -> Terms {
        self.rhythm.terms
    }

    /// With other windows and delays.
    #[must_use]
    pub fn with_rhythm(mut self, rhythm: Rhythm) -> Self {
        self.rhythm = rhythm;
        self
    }

    /// With these types of sign-ins only.
    #[must_use]
    pub fn with_types(mut self, types: &[&str]) -> Self {
        self.types = types.iter().map(|&one| one.to_owned()).collect();
        self
    }
}

impl Api for GraphSignIns {
    fn format(&self) -> &'static str {
        "entra-graph"
    }

    fn streams(&self) -> Vec<StreamSpec> {
        let mode = || Mode::Windows(self.rhythm.clone());
        self.types.iter().map(|name| StreamSpec { name: name.clone(), mode: mode() }).collect()
    }

    fn auth(&self) -> &Auth {
        &self.auth
    }

    fn rate(&self) -> (usize, i64) {
        RATE
    }

    fn first(&self, stream: &str, from: Time, to: Time) -> Url {
        // `lt` is not documented for this property: the end is included, and what is beyond is not counted.
        let filter = format!(
            "createdDateTime ge {from} and createdDateTime le {to} and signInEventTypes/any(t: t eq '{stream}')"
        );
        below(&self.base, "auditLogs/signIns", &[("$top", PAGE_ROWS), ("$filter", &filter)])
    }

    fn next(&self, _: &Url, response: &Response) -> Result<Next, Unreadable> {
        match ODataPage::next(&response.body)? {
            Next::End(_) => Ok(Next::End(None)),
            page => Ok(page),
        }
    }

    fn hosts(&self) -> Vec<Url> {
        vec![self.base.clone()]
    }
}

/// `GET /users/delta`
#[derive(Clone, Debug)]
pub struct GraphUsers {
    base: Url,
    auth: Auth,
    every_ms: i64,
}

impl GraphUsers {
    /// Below `base` (`https://graph.microsoft.com/v1.0/`).
    pub fn new(base: Url, auth: Auth) -> Self {
        Self { base, auth, every_ms: 15 * MINUTE_MS }
    }
}

/// What is asked of a user.
const USER_PROPERTIES: &str = "id,userPrincipalName,displayName,mail,accountEnabled,userType,companyName,department,jobTitle,employeeId,onPremisesSecurityIdentifier,onPremisesSamAccountName,createdDateTime";

impl Api for GraphUsers {
    fn format(&self) -> &'static str {
        "graph-users"
    }

    fn streams(&self) -> Vec<StreamSpec> {
        let mode = Mode::Marks { every_ms: self.every_ms, terms: Terms::default(), overlap_ms: 0 };
        vec![StreamSpec { name: String::new(), mode }]
    }

    fn auth(&self) -> &Auth {
        &self.auth
    }

    fn rate(&self) -> (usize, i64) {
        RATE
    }

    fn first(&self, _: &str, _: Time, _: Time) -> Url {
        below(&self.base, "users/delta", &[("$select", USER_PROPERTIES)])
    }

    fn next(&self, _: &Url, response: &Response) -> Result<Next, Unreadable> {
        match ODataPage::next(&response.body)? {
            Next::End(None) => Err(Unreadable("the last page has no delta link".to_owned())),
            other => Ok(other),
        }
    }

    fn hosts(&self) -> Vec<Url> {
        vec![self.base.clone()]
    }
}

/// An address below a base, with these parameters.
pub(crate) fn below(base: &Url, path: &str, params: &[(&str, &str)]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
    url.query_pairs_mut().clear().extend_pairs(params);
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::Secret;

    #[test]
    fn windows_are_asked_for_by_type_with_both_ends() {
        let base = Url::parse("https://graph.example/beta").unwrap();
        let api = GraphSignIns::new(base, Auth::Header(Secret::new("x")), 7 * DAY_MS);
        let (from, to) = (Time::from_ms(0).unwrap(), Time::from_ms(HOUR_MS).unwrap());
        let url = api.first("nonInteractiveUser", from, to);
        assert_eq!(url.path(), "/beta/auditLogs/signIns");
        let params: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        assert_eq!(
            params[1].1,
            "createdDateTime ge 1970-01-01T00:00:00.000Z and createdDateTime le 1970-01-01T01:00:00.000Z and signInEventTypes/any(t: t eq 'nonInteractiveUser')"
        );
        assert_eq!(api.streams().len(), 4);
    }
}
