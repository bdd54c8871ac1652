//! Connections of syslog over TCP and TLS, each within bounds.

use std::{
    collections::HashMap,
    net::IpAddr,
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
/// When the listener ends: how long the next bytes may take that a sender has sent already.
const LAST_BYTES_TIMEOUT: Duration = Duration::from_millis(50);
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
        let stopped = stopped.clone();
        tokio::spawn(async move {
            let _held = (permit, of_address);
            let connection = Connection { queue, open: &open, limits, stopped };
            tokio::select! {
                () = connection.run(stream, transport) => {}
                () = open.evicted() => {}
            }
        });
    }
}

/// A connection that was accepted.
struct Connection<'a> {
    queue: Queue,
    open: &'a Open,
    limits: SyslogLimits,
    stopped: watch::Receiver<bool>,
}

impl Connection<'_> {
    /// Reads to the end. How a connection ends is the sender's affair: it is not logged.
    async fn run(mut self, stream: TcpStream, transport: Transport) {
        match transport {
            Transport::Tls(tls) => {
                if let Ok(Ok(stream)) = timeout(self.limits.message_timeout, tls.accept(stream)).await {
                    self.read(stream).await;
                }
            }
            Transport::Tcp | Transport::Udp => self.read(stream).await,
        }
    }

    async fn read(&mut self, mut stream: impl AsyncRead + Unpin) {
        let mut frames = Frames::default();
        loop {
            let mut is_at_end = !self.first_bytes(&mut stream, &mut frames).await;
            let _in_hand = self.open.request();
            loop {
                while let Some(frame) = frames.next() {
                    if self.queue.push(frame.bytes, frame.is_cut_off).await.is_err() {
                        return;
                    }
                }
                if is_at_end || !frames.is_within() {
                    break;
                }
                let rest = timeout(self.limits.message_timeout, stream.read_buf(frames.buffer())).await;
                is_at_end = !matches!(rest, Ok(Ok(bytes)) if bytes > 0);
            }
            if is_at_end {
                if let Some(frame) = frames.rest() {
                    let _ = self.queue.push(frame.bytes, frame.is_cut_off).await;
                }
                return;
            }
        }
    }

    /// Waits for the next message, for days if need be; false at the end. When the listener ends, what is
    /// here already is still read.
    async fn first_bytes(&mut self, stream: &mut (impl AsyncRead + Unpin), frames: &mut Frames) -> bool {
        let is_some = |read: std::io::Result<usize>| read.is_ok_and(|bytes| bytes > 0);
        if !*self.stopped.borrow() {
            tokio::select! {
                read = stream.read_buf(frames.buffer()) => return is_some(read),
                _ = self.stopped.changed() => {}
            }
        }
        timeout(LAST_BYTES_TIMEOUT, stream.read_buf(frames.buffer())).await.is_ok_and(is_some)
    }
}
