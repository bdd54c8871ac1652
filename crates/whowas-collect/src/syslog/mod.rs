//! Syslog over UDP, TCP and TLS (RFC 5424, 3164, 5425, 5426, 6587): one listener for one environment and source.
//!
//! Syslog has no acknowledgements. Over TCP and TLS a trail that is busy or has stopped makes senders wait: nothing more is
//! read, and they keep what they have. What was read and is not committed when the process is killed is
//! lost: at most [`QUEUE_BYTES_MAX`], usually the lines of some milliseconds. Over UDP what does not find room is lost,
//! here and in the system's buffer before us; both are counted, and a `coverage` record says how many and when.
//!
//! There are no tokens either: who may send is said by addresses (`allow`), and over TLS by certificates. Addresses of
//! datagrams can be forged.
//!
//! Start at [`Listener`]; `frame.rs` takes streams apart, `record.rs` brings messages into the trail.

mod drops;
mod frame;
mod record;
mod stream;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use jiff::tz::TimeZone;
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_rustls::TlsAcceptor;
use whowas_store::{Clock, Trail, control::Control};

pub use frame::MESSAGE_BYTES_MAX;

use crate::intake::{Intakes, Outcome};
use drops::Drops;
use record::Recorder;

/// Messages that wait to be recorded, in bytes.
pub const QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The same in messages: at the usual 200 bytes, 3 MB.
const QUEUE_MESSAGES_MAX: usize = 16 * 1024;
/// How much the system is asked to hold of datagrams that we have not read yet; it may give less.
const UDP_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// How often lost datagrams are looked for and written down.
const DROPS_INTERVAL: Duration = Duration::from_secs(10);
/// How long a listener goes on recording what it has when it is told to end.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// How messages come.
#[derive(Clone)]
pub enum Transport {
    /// One a datagram.
    Udp,
    /// A stream.
    Tcp,
    /// A stream in TLS.
    Tls(TlsAcceptor),
}

impl Transport {
    /// The word in settings and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Udp => "syslog_udp",
            Self::Tcp => "syslog_tcp",
            Self::Tls(_) => "syslog_tls",
        }
    }

    const fn input(&self) -> &'static str {
        match self {
            Self::Udp => "syslog over UDP",
            Self::Tcp => "syslog over TCP",
            Self::Tls(_) => "syslog over TLS",
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Addresses with a common beginning, such as `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither an address nor one with a length, such as 10.0.0.0/8");
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(bits_max), |bits| bits.trim().parse().map_err(|_| wrong()))?;
        if bits > bits_max { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl Prefix {
    /// Whether an address is one of these.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |ours: &[u8], other: &[u8]| {
            let (bytes, bits) = (usize::from(self.bits / 8), self.bits % 8);
            let mask = !(0xff_u8.checked_shr(u32::from(bits)).unwrap_or(0));
            let last = |octets: &[u8]| octets.get(bytes).map_or(0, |octet| octet & mask);
            ours.get(..bytes) == other.get(..bytes) && last(ours) == last(other)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => same(&ours.octets(), &other.octets()),
            (IpAddr::V6(ours), IpAddr::V6(other)) => same(&ours.octets(), &other.octets()),
            _ => false,
        }
    }
}

/// What a listener needs to know.
#[derive(Clone, Debug)]
pub struct SyslogOptions {
    /// The address.
    pub listen: SocketAddr,
    /// How messages come.
    pub transport: Transport,
    /// Who may send; empty for everybody who can reach it.
    pub allow: Vec<Prefix>,
    /// Name of the source; by default that of each message's format.
    pub source: Option<String>,
    /// The zone of times that are written without one.
    pub source_timezone: TimeZone,
    /// Bounds on what senders may use.
    pub limits: SyslogLimits,
}

/// Bounds on what senders may use.
#[derive(Clone, Copy, Debug)]
pub struct SyslogLimits {
    /// Connections at once; for more, the longest idle is closed.
    pub connections_max: usize,
    /// Connections at once from one address.
    pub connections_of_address_max: usize,
    /// From the first byte of a message to its last, and for a handshake.
    pub message_timeout: Duration,
}

impl Default for SyslogLimits {
    fn default() -> Self {
        Self {
            connections_max: 512,
            connections_of_address_max: 64,
            message_timeout: Duration::from_secs(30),
        }
    }
}

/// Where messages go.
#[derive(Clone)]
pub struct Destination {
    /// The trail.
    pub trail: Arc<Trail>,
    /// For rejected messages.
    pub control: Arc<dyn Control>,
    /// The time at which messages come.
    pub clock: Arc<dyn Clock>,
    /// The counters.
    pub intakes: Arc<Intakes>,
}

/// A message that waits, with its room in the queue.
#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    is_cut_off: bool,
    _room: OwnedSemaphorePermit,
}

/// The way into the queue.
#[derive(Clone)]
struct Queue {
    sender: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
}

impl Queue {
    fn new() -> (Self, mpsc::Receiver<Waiting>) {
        let (sender, receiver) = mpsc::channel(QUEUE_MESSAGES_MAX);
        (Self { sender, room: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)) }, receiver)
    }

    fn weight(bytes: &[u8]) -> u32 {
        u32::try_from(bytes.len().max(1)).unwrap_or(u32::MAX)
    }

    /// Waits for room. An error says that nobody records any more.
    async fn push(&self, bytes: Vec<u8>, is_cut_off: bool) -> Result<(), ()> {
        let room = self.room.clone().acquire_many_owned(Self::weight(&bytes)).await.map_err(drop)?;
        self.sender.send(Waiting { bytes, is_cut_off, _room: room }).await.map_err(drop)
    }

    /// Does not wait; whether there was room.
    fn try_push(&self, bytes: &[u8]) -> bool {
        let room = self.room.clone().try_acquire_many_owned(Self::weight(bytes));
        let waiting = room.map(|room| Waiting { bytes: bytes.to_vec(), is_cut_off: false, _room: room });
        waiting.is_ok_and(|waiting| self.sender.try_send(waiting).is_ok())
    }
}

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpListener),
}

/// An address that was taken.
pub struct Listener {
    socket: Socket,
    address: SocketAddr,
    options: SyslogOptions,
}

impl Listener {
    /// Takes the address.
    ///
    /// # Errors
    /// It cannot be had.
    pub async fn bind(options: SyslogOptions) -> io::Result<Self> {
        let (socket, address) = match options.transport {
            Transport::Udp => {
                let socket = UdpSocket::bind(options.listen).await?;
                // The system may refuse so much: then there is less, and what is lost is counted.
                let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(UDP_BUFFER_BYTES);
                let address = socket.local_addr()?;
                (Socket::Udp(socket), address)
            }
            Transport::Tcp | Transport::Tls(_) => {
                let listener = TcpListener::bind(options.listen).await?;
                let address = listener.local_addr()?;
                (Socket::Tcp(listener), address)
            }
        };
        Ok(Self { socket, address, options })
    }

    /// The address that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Records what comes until `shutdown`, then what is here already.
    pub async fn run(self, to: Destination, shutdown: impl Future<Output = ()>) {
        let Self { socket, address, options } = self;
        let (queue, waiting) = Queue::new();
        let recorder = Recorder::new(to.clone(), &options);
        let recording = tokio::spawn(recorder.run(waiting));
        match socket {
            Socket::Udp(socket) => receive(&socket, address, &options, &queue, &to, shutdown).await,
            Socket::Tcp(listener) => {
                let (stop, stopped) = watch::channel(false);
                let accepting = stream::accept(listener, &options, queue.clone(), stopped);
                tokio::select! {
                    () = accepting => {}
                    () = shutdown => {
                        let _ = stop.send(true);
                    }
                }
            }
        }
        // The recorder ends when nobody holds the queue any more.
        drop(queue);
        let _ = timeout(END_TIMEOUT, recording).await;
    }
}

/// Datagrams, until `shutdown`.
async fn receive(
    socket: &UdpSocket,
    address: SocketAddr,
    options: &SyslogOptions,
    queue: &Queue,
    to: &Destination,
    shutdown: impl Future<Output = ()>,
) {
    let mut drops = Drops::new(to.clone(), options, address);
    let mut ticks = interval(DROPS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shutdown = std::pin::pin!(shutdown);
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            _ = ticks.tick() => drops.tell().await,
            received = socket.recv_from(&mut buffer) => match received {
                Ok((length, peer)) if is_allowed(&options.allow, peer.ip()) => {
                    let message = buffer.get(..length).unwrap_or_default();
                    if !message.trim_ascii().is_empty() && !queue.try_push(message) {
                        drops.add(1);
                    }
                }
                // From somebody else: not even counted, or anybody could make records.
                Ok(_) => {}
                // An answer to nothing that we sent; the socket goes on.
                Err(_) => tokio::task::yield_now().await,
            },
        }
    }
    // What is here already is still taken.
    while let Ok((length, peer)) = socket.try_recv_from(&mut buffer) {
        if is_allowed(&options.allow, peer.ip()) && !queue.try_push(buffer.get(..length).unwrap_or_default())
        {
            drops.add(1);
        }
    }
    drops.tell().await;
}

fn is_allowed(allow: &[Prefix], peer: IpAddr) -> bool {
    allow.is_empty() || allow.iter().any(|prefix| prefix.contains(peer))
}

/// The counters of messages that were lost before they had a format.
fn lost(to: &Destination, options: &SyslogOptions, messages: u64) {
    let source = options.source.clone().unwrap_or_else(|| "syslog".to_owned());
    let receiver = options.transport.as_str();
    let name = crate::intake::IntakeName { receiver, environment: to.trail.name().clone(), source };
    to.intakes.of(name).add(Outcome::Dropped, messages);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_of_addresses() {
        let check = |prefix: &str, address: &str, want: bool| {
            let prefix: Prefix = prefix.parse().unwrap();
            assert_eq!(prefix.contains(address.parse().unwrap()), want, "{prefix:?} {address}");
        };
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.0/8", "::ffff:10.0.0.1", true);
        check("192.0.2.128/25", "192.0.2.129", true);
        check("192.0.2.128/25", "192.0.2.127", false);
        check("192.0.2.7", "192.0.2.7", true);
        check("192.0.2.7", "192.0.2.8", false);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("2001:db8::/33", "2001:db8:7fff::1", true);
        check("2001:db8::/33", "2001:db8:8000::1", false);
        for text in ["", "10.0.0.0/33", "10.0.0.0/x", "host", "::/129"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
