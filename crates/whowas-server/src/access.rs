//! Who asked what: every search, export and change is itself a record of the trail.

use serde_json::{Map, Value, json};
use whowas_event::{Event, Kind, NativeId, SrcEndpoint, Status, Time, User};
use whowas_query::LoginRequest;
use whowas_store::{Receipt, StoreError, Trail};

use crate::{
    app::App,
    auth::{Caller, Permit},
    problem::Problem,
};

/// One thing somebody did.
pub(crate) struct Access {
    /// In clear in the leaf: nothing here may name people.
    body: Map<String, Value>,
    /// Only committed to.
    unmapped: Map<String, Value>,
}

impl Access {
    pub(crate) fn new(action: &str) -> Self {
        let mut body = Map::new();
        body.insert("action".to_owned(), action.into());
        Self { body, unmapped: Map::new() }
    }

    /// A search or export, with the range it turned out to have.
    pub(crate) fn of_request(
        action: &str,
        request: &LoginRequest,
        filter: &str,
        page: &whowas_query::LoginPage,
        rows: u64,
    ) -> Self {
        Self::of_range(action, request, filter, (page.from, page.to, page.tree_size)).with("rows", rows)
    }

    /// A question about a range: from, to, and the size of the tree that was asked.
    pub(crate) fn of_range(
        action: &str,
        request: &LoginRequest,
        filter: &str,
        (from, to, tree_size): (Time, Time, u64),
    ) -> Self {
        Self::new(action)
            .with("query", request.query.as_str())
            .with("from", from.to_string())
            .with("to", to.to_string())
            .with("tree_size", tree_size)
            .with_personal("filter", filter)
    }

    pub(crate) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.body.insert(member.to_owned(), value.into());
        self
    }

    /// Adds what may name people, if it says anything.
    pub(crate) fn with_personal(mut self, member: &str, text: &str) -> Self {
        if !text.is_empty() {
            self.unmapped.insert(member.to_owned(), text.into());
        }
        self
    }

    async fn append(self, app: &App, trail: &Trail, caller: &Caller) -> Result<Receipt, StoreError> {
        let ip = caller.peer.map(|ip| ip.to_string());
        self.append_of(app, trail, caller.name(), ip).await
    }

    async fn append_of(
        self,
        app: &App,
        trail: &Trail,
        name: String,
        ip: Option<String>,
    ) -> Result<Receipt, StoreError> {
        let now = app.now();
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|e| StoreError::Poisoned(format!("no randomness: {e}")))?;
        let event = Event {
            kind: Kind::Access,
            occurred_at: now,
            native_id: NativeId::Derived(hex::encode(id)),
            status: Status::Success,
            user: User { name: Some(name), ..User::default() },
            src_endpoint: SrcEndpoint { ip, ..SrcEndpoint::default() },
            ..Event::default()
        };
        whowas_collect::note(trail, event, (json!(self.body), json!(self.unmapped)), now).await
    }

    /// Writes down a look at the trail. When this returns it is durable. A trail that has stopped can still
    /// be read, or nobody could find out why: then the log has it.
    pub(crate) async fn seen(self, app: &App, permit: &Permit) -> Result<(), Problem> {
        if permit.trail.poisoned().is_some() {
            let action = self.body.get("action").and_then(Value::as_str).unwrap_or_default();
            tracing::warn!(environment = %permit.name, action, "read from a trail that accepts no access records");
            return Ok(());
        }
        Ok(self.append(app, &permit.trail, &permit.caller).await.map(drop)?)
    }

    /// Writes down a change. When this returns it is durable.
    pub(crate) async fn done(self, app: &App, trail: &Trail, caller: &Caller) -> Result<(), Problem> {
        Ok(self.append(app, trail, caller).await.map(drop)?)
    }

    /// Writes down what was done in the background for somebody who asked for it before.
    pub(crate) async fn of_job(self, app: &App, trail: &Trail, asked_by: &str) -> Result<(), StoreError> {
        self.append_of(app, trail, asked_by.to_owned(), None).await.map(drop)
    }
}
