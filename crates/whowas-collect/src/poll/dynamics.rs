//! Dynamics 365 Finance and Operations: the users, by OData (`/data/SystemUsers`).
//!
//! The service tells no changes, so everybody is read each time; who is in the directory as they are is not
//! recorded again.

use url::Url;
use whowas_event::Time;

use super::{
    api::{Api, Auth, Mode, Next, ODataPage, StreamSpec, Unreadable},
    graph::below,
    http::Response,
};
use crate::coverage::{HOUR_MS, Terms};

/// Far below what the service allows; it is shared with people's work.
const RATE: (usize, i64) = (5, 10_000);

/// `GET /data/SystemUsers`
#[derive(Clone, Debug)]
pub struct DynamicsUsers {
    base: Url,
    auth: Auth,
}

impl DynamicsUsers {
    /// Of the environment at `base` (`https://contoso.operations.dynamics.com/`).
    pub fn new(base: Url, auth: Auth) -> Self {
        Self { base, auth }
    }
}

impl Api for DynamicsUsers {
    fn format(&self) -> &'static str {
        "dynamics-users"
    }

    fn streams(&self) -> Vec<StreamSpec> {
        let mode = Mode::Marks { every_ms: HOUR_MS, terms: Terms::default(), overlap_ms: 0 };
        vec![StreamSpec { name: String::new(), mode }]
    }

    fn auth(&self) -> &Auth {
        &self.auth
    }

    fn rate(&self) -> (usize, i64) {
        RATE
    }

    fn first(&self, _: &str, _: Time, _: Time) -> Url {
        // Users belong to companies; without this only those of the caller's are returned.
        below(&self.base, "data/SystemUsers", &[("cross-company", "true")])
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
