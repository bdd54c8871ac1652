//! Connections of syslog over TCP and TLS, each within bounds.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

use super::{Queue, SyslogLimits, SyslogOptions, Transport, frame::Frames, is_allowed};
use crate::connections::{Connections, Open};

/// How long to wait when no connection can be accepted (out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long to wait for room before another idle connection is asked to go.
const ROOM_PAUSE: Duration = Duration::from_millis(20);

/// How many connections there are from each address.
#[derive(Debug, Default)]
struct Addresses(Mutex<HashMap<IpAddr, usize>>);

/// One of the connections of an address, for as long as this is held.
struct OfAddress {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    fn enter(self: &Arc<Self>, address: IpAddr, max: usize) -> Option<OfAddress> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(OfAddress { addresses: self.clone(), address })
    }
}

impl Drop for OfAddress {
    fn drop(&mut self) {
        let mut counts = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Takes connections for ever.
pub(super) async fn accept(
    listener: TcpListener,
    options: &SyslogOptions,
    queue: Queue,
    stopped: watch::Receiver<bool>,
) {
    let limits = options.limits;
    let room = Arc::new(Semaphore::new(limits.connections_max));
    let connections = Arc::new(Connections::default());
    let addresses = Arc::new(Addresses::default());
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a syslog connection");
                connections.evict();
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Whoever may not send is told so by the end of the connection: syslog has no other answer.
        let ip = peer.ip().to_canonical();
        let is_welcome = is_allowed(&options.allow, ip);
        let Some(of_address) =
            is_welcome.then(|| addresses.enter(ip, limits.connections_of_address_max)).flatten()
        else {
            continue;
        };
        let permit = loop {
            if room.available_permits() == 0 {
                connections.evict();
            }
            if let Ok(permit) = timeout(ROOM_PAUSE, room.clone().acquire_owned()).await {
                break permit;
            }
        };
        let (open, queue, transport) = (connections.open(), queue.clone(), options.transport.clone());
        let mut stopped = stopped.clone();
        tokio::spawn(async move {
            let _held = (permit, of_address);
            tokio::select! {
                () = connection(stream, peer, transport, &queue, &open, limits) => {}
                () = open.evicted() => {}
                _ = stopped.changed() => {}
            }
        });
    }
}

/// Reads a connection to its end. How it ends is the sender's affair: it is not logged.
async fn connection(
    stream: TcpStream,
    _peer: SocketAddr,
    transport: Transport,
    queue: &Queue,
    open: &Open,
    limits: SyslogLimits,
) {
    match transport {
        Transport::Tls(tls) => {
            if let Ok(Ok(stream)) = timeout(limits.message_timeout, tls.accept(stream)).await {
                read(stream, queue, open, limits).await;
            }
        }
        Transport::Tcp | Transport::Udp => read(stream, queue, open, limits).await,
    }
}

async fn read(mut stream: impl AsyncRead + Unpin, queue: &Queue, open: &Open, limits: SyslogLimits) {
    let mut frames = Frames::default();
    loop {
        // Between messages a connection may be idle for days; within one it may not.
        let reading = stream.read_buf(frames.buffer());
        let read = reading.await;
        let _in_hand = open.request();
        let mut is_at_end = !matches!(read, Ok(bytes) if bytes > 0);
        loop {
            while let Some(frame) = frames.next() {
                if queue.push(frame.bytes, frame.is_cut_off).await.is_err() {
                    return;
                }
            }
            if is_at_end || !frames.is_within() {
                break;
            }
            let rest = timeout(limits.message_timeout, stream.read_buf(frames.buffer())).await;
            is_at_end = !matches!(rest, Ok(Ok(bytes)) if bytes > 0);
        }
        if is_at_end {
            if let Some(frame) = frames.rest() {
                let _ = queue.push(frame.bytes, frame.is_cut_off).await;
            }
            return;
        }
    }
}
