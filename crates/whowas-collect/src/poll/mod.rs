//! Collectors: sources that are asked.
//!
//! [`Api`] says what one kind of source is (pure: addresses and answers), [`Http`] sends, [`Collector`] does one
//! step at a time: at most one request, and the commit of what it brought together with where to go on. All
//! waiting is told to the caller as a time, so that a simulated clock drives it as well as a real one. Which
//! pass is next is decided in [`crate::coverage::plan`].

mod api;
mod bucket;
mod collector;
mod cursor;
mod dynamics;
mod folder;
mod graph;
mod http;
mod keycloak;
mod objects;
mod okta;
mod outcome;
mod page;
mod probe;
mod run;
mod token;
mod web;

pub use api::{Api, Auth, Mode, Next, StreamSpec, Unreadable};
pub use bucket::Bucket;
pub use collector::{Collector, Setup, Step};
pub use dynamics::DynamicsUsers;
pub use folder::{Folder, Watching, watch};
pub use graph::{GraphSignIns, GraphUsers};
pub use http::{Allowed, Http, HttpError, Request, Response, Secret};
pub use keycloak::KeycloakEvents;
pub use objects::{Objects, WatchingObjects, watch_objects};
pub use okta::OktaLog;
pub use probe::{Probe, ProbeReport, Reached, Seen};
pub use run::run;
pub use web::Web;
