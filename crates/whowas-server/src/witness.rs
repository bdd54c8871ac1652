//! A witness over HTTP, after `c2sp.org/tlog-witness`: the decision is `whowas_tlog::witness`'s, the memory
//! `whowas_store::witness`'s; this is the transport. It shares nothing with the console and its API.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use hyper::{
    StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use whowas_store::{Clock, StoreError, witness::WitnessStore};
use whowas_tlog::{
    note::VerifyingKey,
    witness::{ADD_CHECKPOINT_BYTES_MAX, Refusal, TLOG_SIZE_MEDIA_TYPE},
};

use crate::{Options, ServeError, serve::Door};

/// A witness that listens and does not answer yet.
pub struct WitnessServer {
    door: Door,
    witness: Arc<Witness>,
}

struct Witness {
    store: WitnessStore,
    /// The keys of the logs that are watched; a key's name is its log's origin.
    logs: Vec<VerifyingKey>,
    clock: Arc<dyn Clock>,
}

impl WitnessServer {
    /// Takes the address.
    ///
    /// # Errors
    /// The address cannot be taken, or needs TLS.
    pub async fn bind(
        store: WitnessStore,
        logs: Vec<VerifyingKey>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Self, ServeError> {
        let door = Door::bind(&options).await?;
        Ok(Self { door, witness: Arc::new(Witness { store, logs, clock }) })
    }

    /// The address that was taken.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// Both prefixes, for submission and for monitoring.
    pub fn url(&self) -> String {
        self.door.url()
    }

    /// Answers until `shutdown`.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let router = Router::new()
            .route("/add-checkpoint", post(add_checkpoint))
            .route("/{log}/checkpoint", get(checkpoint))
            .route("/vkey", get(vkey))
            .layer(DefaultBodyLimit::max(ADD_CHECKPOINT_BYTES_MAX))
            .with_state(self.witness);
        self.door.run(router, || {}, shutdown).await;
    }
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    let decided = tokio::task::spawn_blocking(move || {
        let Ok(body) = std::str::from_utf8(&body) else {
            return Ok(Err(Refusal::Malformed("it is not UTF-8")));
        };
        witness.store.add_checkpoint(body, &witness.logs, witness.clock.now())
    })
    .await;
    match decided {
        Ok(Ok(Ok(lines))) => text(StatusCode::OK, lines),
        Ok(Ok(Err(Refusal::OtherSize(size)))) => {
            (StatusCode::CONFLICT, [(CONTENT_TYPE, TLOG_SIZE_MEDIA_TYPE)], format!("{size}\n"))
                .into_response()
        }
        Ok(Ok(Err(refusal))) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            text(status, format!("{refusal}\n"))
        }
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&StoreError::Poisoned(error.to_string())),
    }
}

/// What was cosigned last, for monitors.
async fn checkpoint(State(witness): State<Arc<Witness>>, Path(log): Path<String>) -> Response {
    match witness.store.checkpoint(&log) {
        Ok(Some(note)) => text(StatusCode::OK, note),
        Ok(None) => text(StatusCode::NOT_FOUND, "no checkpoint of this log was cosigned\n".to_owned()),
        Err(error) => failed(&error),
    }
}

async fn vkey(State(witness): State<Arc<Witness>>) -> Response {
    text(StatusCode::OK, format!("{}\n", witness.store.verifying_key()))
}

fn text(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")], body).into_response()
}

/// Our fault: nothing was cosigned, and the client may try again.
fn failed(error: &StoreError) -> Response {
    tracing::error!(%error, "the witness cannot cosign");
    text(StatusCode::SERVICE_UNAVAILABLE, "the witness cannot cosign now\n".to_owned())
}
