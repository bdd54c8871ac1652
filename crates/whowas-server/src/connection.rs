//! One connection: HTTP/1.1 or HTTP/2, whichever the client speaks, with limits on what it may use.
//!
//! Over TLS the handshake says which; without, HTTP/2 begins with a preface that no request of HTTP/1.1 can be. Who
//! needs HTTP/2 is gRPC.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request};
use bytes::BytesMut;
use hyper::{
    body::Incoming,
    header::{HOST, HeaderValue},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower::Service;
use whowas_collect::connections::Open;

use crate::{
    Limits,
    auth::Peer,
    body::{Held, IdleTimeout},
    io::{Begun, WriteTimeout},
};

/// The largest head of a request. Filters have 4 KiB and page tokens little; cookies are ours alone.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// With these HTTP/2 begins (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Requests at once on one connection of HTTP/2.
const STREAMS_MAX: u32 = 64;
/// How much of bodies a client may send ahead on one connection: streams share it. On 1,024 connections, 256 MB.
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// The same for one request.
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
/// How often a client of HTTP/2 is asked whether it is still there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// The protocol that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

/// A connection that was accepted.
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) stopped: watch::Receiver<bool>,
    pub(crate) open: Arc<Open>,
}

impl Connection {
    /// Answers until the client or the server ends it, or somebody else needs the room.
    pub(crate) async fn run(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        let open = self.open.clone();
        tokio::select! {
            () = self.begin(stream, tls) => {}
            () = open.evicted() => {}
        }
    }

    /// What comes before the first request, if it comes in time and the server goes on.
    async fn before_request<T>(&self, limit: Duration, coming: impl Future<Output = T>) -> Option<T> {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            came = timeout(limit, coming) => came.ok(),
            _ = stopped.changed() => None,
        }
    }

    async fn begin(self, mut stream: TcpStream, tls: Option<TlsAcceptor>) {
        let Some(tls) = tls else {
            let begun = self.before_request(self.limits.header_timeout, version(&mut stream)).await;
            if let Some(Some((version, begun))) = begun {
                self.serve(Begun::new(begun, stream), version).await;
            }
            return;
        };
        if let Some(Ok(stream)) = self.before_request(self.limits.tls_timeout, tls.accept(stream)).await {
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let version = if is_http2 { Version::Http2 } else { Version::Http1 };
            self.serve(stream, version).await;
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, version: Version) {
        let Self { peer, router, limits, mut stopped, open } = self;
        let service = service_fn(move |request: Request<Incoming>| {
            let in_hand = open.request();
            let mut request = request.map(|body| Body::new(IdleTimeout::new(body, limits.body_idle_timeout)));
            request.extensions_mut().insert(Peer(peer.ip()));
            name_host(&mut request);
            let answer = router.clone().call(request);
            async move {
                // The body may go on for long: an export.
                answer.await.map(|answer| answer.map(|body| Body::new(Held::new(body, in_hand))))
            }
        });
        let io = TokioIo::new(WriteTimeout::new(stream, limits.write_timeout));
        // How a connection ends is the client's affair: it is not logged.
        match version {
            Version::Http1 => {
                let mut connection = pin!(
                    http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(limits.header_timeout)
                        .max_buf_size(HEAD_BYTES_MAX)
                        .serve_connection(io, service)
                );
                tokio::select! {
                    _ = connection.as_mut() => {}
                    _ = stopped.changed() => {
                        connection.as_mut().graceful_shutdown();
                        let _ = connection.await;
                    }
                }
            }
            Version::Http2 => {
                let mut connection = pin!(
                    http2::Builder::new(TokioExecutor::new())
                        .timer(TokioTimer::new())
                        .max_concurrent_streams(STREAMS_MAX)
                        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
                        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
                        .initial_stream_window_size(STREAM_WINDOW_BYTES)
                        .keep_alive_interval(PING_INTERVAL)
                        .keep_alive_timeout(PING_INTERVAL)
                        .serve_connection(io, service)
                );
                tokio::select! {
                    _ = connection.as_mut() => {}
                    _ = stopped.changed() => {
                        connection.as_mut().graceful_shutdown();
                        let _ = connection.await;
                    }
                }
            }
        }
    }
}

/// Reads until it is clear what the client speaks; `None` if it goes away before.
async fn version(stream: &mut TcpStream) -> Option<(Version, BytesMut)> {
    let mut begun = BytesMut::with_capacity(PREFACE.len());
    loop {
        if begun.starts_with(PREFACE) {
            return Some((Version::Http2, begun));
        }
        if !PREFACE.starts_with(&begun) {
            return Some((Version::Http1, begun));
        }
        let left = PREFACE.len() - begun.len();
        match (&mut *stream).take(left as u64).read_buf(&mut begun).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// HTTP/2 says in the address what HTTP/1.1 says in the header `Host`.
fn name_host(request: &mut Request) {
    if let Some(host) = request.uri().authority().and_then(|host| HeaderValue::try_from(host.as_str()).ok()) {
        request.headers_mut().entry(HOST).or_insert(host);
    }
}
