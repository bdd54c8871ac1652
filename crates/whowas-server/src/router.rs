//! The table of contents: every address the server answers.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    routing::{any, delete, get, post, put},
};

use crate::{api, app::App, assets, auth, console, headers, problem, receive, scim};

/// Bodies that are read whole: forms and small JSON. Records and files are streamed and have no limit here.
const SMALL_BODY_BYTES_MAX: usize = 64 * 1024;

/// Every route, with the layers around them.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .merge(api_routes())
        .merge(open_routes())
        .merge(receiver_routes())
        .merge(console_routes())
        .layer(DefaultBodyLimit::max(SMALL_BODY_BYTES_MAX))
        .layer(from_fn_with_state(app.clone(), auth::refuse_cross_site))
        .layer(from_fn_with_state(app.clone(), problem::render))
        .layer(from_fn_with_state(app.clone(), headers::add))
        .with_state(app)
}

fn api_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/openapi.json", get(api::openapi))
        .route("/api/v1/environments", get(api::environments::list).post(api::environments::create))
        .route("/api/v1/environments/{project}/{environment}/records", post(api::records::append))
        .route(
            "/api/v1/environments/{project}/{environment}/records/{position}/proof",
            get(api::proof::download),
        )
        .route("/api/v1/environments/{project}/{environment}/imports", post(api::imports::create))
        .route("/api/v1/environments/{project}/{environment}/logins", get(api::logins::list))
        .route("/api/v1/environments/{project}/{environment}/coverage", get(api::coverage::list))
        .route("/api/v1/environments/{project}/{environment}/schedules", get(api::schedules::list))
        .route("/api/v1/environments/{project}/{environment}/alarms", get(api::alarms::list))
        .route(
            "/api/v1/environments/{project}/{environment}/schedules/{schedule}/run",
            post(api::schedules::run),
        )
        .route("/api/v1/environments/{project}/{environment}/histogram", get(api::whole_range::histogram))
        .route("/api/v1/environments/{project}/{environment}/facets", get(api::whole_range::facets))
        .route("/api/v1/environments/{project}/{environment}/users", get(api::users::list))
        .route("/api/v1/environments/{project}/{environment}/users/{user}", get(api::users::show))
        .route("/api/v1/environments/{project}/{environment}/sessions", get(api::sessions::list))
        .route("/api/v1/environments/{project}/{environment}/sessions/{position}", get(api::sessions::one))
        .route("/api/v1/environments/{project}/{environment}/presence", get(api::sessions::presence))
        .route("/api/v1/environments/{project}/{environment}/at-once", get(api::sessions::at_once))
        .route("/api/v1/environments/{project}/{environment}/dormant", get(api::usage::dormant))
        .route("/api/v1/environments/{project}/{environment}/aging", get(api::usage::by_age))
        .route("/api/v1/environments/{project}/{environment}/distinct-users", get(api::usage::distinct))
        .route("/api/v1/environments/{project}/{environment}/after-leaving", get(api::usage::after_leaving))
        .route("/api/v1/environments/{project}/{environment}/export", get(api::export::stream))
        .route(
            "/api/v1/environments/{project}/{environment}/exports",
            get(api::exports::list).post(api::exports::create),
        )
        .route(
            "/api/v1/environments/{project}/{environment}/exports/{id}",
            get(api::exports::show).delete(api::exports::remove),
        )
        .route("/api/v1/environments/{project}/{environment}/exports/{id}/file", get(api::exports::file))
        .route(
            "/api/v1/environments/{project}/{environment}/queries",
            get(api::queries::list).post(api::queries::create),
        )
        .route(
            "/api/v1/environments/{project}/{environment}/queries/{id}",
            put(api::queries::change).delete(api::queries::remove),
        )
        .route("/api/v1/environments/{project}/{environment}/report", get(api::report::download))
        .route("/api/v1/environments/{project}/{environment}/evidence", get(api::evidence::bundle))
        .route(
            "/api/v1/environments/{project}/{environment}/erasures",
            get(api::privacy::list).post(api::privacy::erase),
        )
        .route("/api/v1/environments/{project}/{environment}/retention", post(api::privacy::retain))
        .route(
            "/api/v1/environments/{project}/{environment}/holds",
            get(api::holds::list).post(api::holds::create),
        )
        .route("/api/v1/environments/{project}/{environment}/holds/{id}/release", post(api::holds::release))
        .route("/api/v1/environments/{project}/{environment}/key/rotate", post(api::keys::rotate))
        .route("/api/v1/environments/{project}/{environment}/sources/{source}/test", post(api::sources::test))
        .route("/api/v1/tokens", get(api::tokens::list).post(api::tokens::create))
        .route("/api/v1/tokens/{id}", delete(api::tokens::revoke))
}

/// The public log of every trail, and what probes ask.
fn open_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/trails/{project}/{environment}/checkpoint", get(api::log::checkpoint))
        .route("/trails/{project}/{environment}/vkey", get(api::log::vkey))
        .route("/trails/{project}/{environment}/tile/{*tile}", get(api::log::tile))
        .route("/trails/{project}/{environment}/tile/entries/{*bundle}", get(api::log::entries))
        .route("/health", get(api::health))
        .route("/metrics", get(api::metrics))
}

/// What the protocols of others ask for. They bound their bodies themselves.
fn receiver_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/logs", post(receive::otlp::logs))
        .route("/opentelemetry.proto.collector.logs.v1.LogsService/Export", post(receive::grpc::export))
        .route("/v2/track", post(receive::track::track))
        .route("/v2.1/track", post(receive::track::track))
        .route("/appinsights/{token}/v2/track", post(receive::track::track_by_path))
        .route("/appinsights/{token}/v2.1/track", post(receive::track::track_by_path))
        .route("/cloudevents", post(receive::cloudevents::receive))
        // One table of its own: its errors have a form of their own, also for addresses that there are not.
        .route("/scim/v2", any(scim::handle))
        .route("/scim/v2/{*resource}", any(scim::handle))
}

fn console_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(console::projects))
        .route("/sign-in", get(console::sign_in::page).post(console::sign_in::sign_in))
        .route("/sign-out", post(console::sign_in::sign_out))
        .route("/p/{project}/{environment}", get(console::environment::details))
        .route("/p/{project}/{environment}/monitoring", get(console::overview::page))
        .route("/p/{project}/{environment}/monitoring/activity", get(console::environment::activity))
        .route("/p/{project}/{environment}/monitoring/raw-logs", get(console::raw_logs::page))
        .route("/p/{project}/{environment}/monitoring/health", get(console::health::page))
        .route("/p/{project}/{environment}/monitoring/coverage", get(console::coverage::page))
        .route(
            "/p/{project}/{environment}/monitoring/raw-logs/summary",
            get(console::raw_logs::summary::page),
        )
        .route(
            "/p/{project}/{environment}/monitoring/raw-logs/{position}",
            get(console::raw_logs::record::page),
        )
        .route("/p/{project}/{environment}/users", get(console::users::page))
        .route("/p/{project}/{environment}/users/{id}", get(console::user_page::page))
        .route("/p/{project}/{environment}/sessions/{key}", get(console::user_page::session::page))
        .route("/p/{project}/{environment}/findings", get(console::findings::page))
        .route("/p/{project}/{environment}/findings/review", post(console::findings::submit))
        .route("/p/{project}/{environment}/presence", get(console::presence::page))
        .route("/p/{project}/{environment}/online", get(console::presence::online))
        .route("/p/{project}/{environment}/user-log", get(console::user_log::page))
        .route("/p/{project}/{environment}/dormant", get(console::people::dormant))
        .route("/p/{project}/{environment}/aging", get(console::people::aging))
        .route("/p/{project}/{environment}/distinct-users", get(console::people::distinct))
        .route("/p/{project}/{environment}/after-leaving", get(console::people::after_leaving))
        .route(
            "/p/{project}/{environment}/monitoring/queries",
            get(console::queries::page).post(console::queries::create),
        )
        .route("/p/{project}/{environment}/monitoring/queries/{id}", post(console::queries::change))
        .route(
            "/p/{project}/{environment}/exports",
            get(console::exports::page).post(console::exports::create),
        )
        .route("/p/{project}/{environment}/settings", get(console::settings::page))
        .route("/p/{project}/{environment}/settings/sources/test", post(console::settings::test_source))
        .route("/p/{project}/{environment}/settings/tokens", post(console::settings::create_token))
        .route(
            "/p/{project}/{environment}/settings/tokens/{id}/revoke",
            post(console::settings::revoke_token),
        )
        .route("/p/{project}/{environment}/report", get(console::report::page))
        .route("/p/{project}/{environment}/schedules/{schedule}/run", post(console::schedules::run))
        .route("/p/{project}/{environment}/exports/{id}/remove", post(console::exports::remove))
        .route("/assets/{fingerprint}/{name}", get(assets::serve))
}
