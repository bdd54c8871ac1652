//! Listeners of syslog in a real trail: who may send, what is lost and said, and who cannot stop them.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, UdpSocket},
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep},
};
use whowas_collect::{
    intake::{Intakes, Outcome},
    syslog::{Destination, Listener, SyslogLimits, SyslogOptions, Transport},
};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn options(transport: Transport) -> SyslogOptions {
    SyslogOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        transport,
        allow: Vec::new(),
        source: Some("unix".to_owned()),
        source_timezone: jiff::tz::TimeZone::UTC,
        limits: SyslogLimits::default(),
    }
}

struct Listening {
    world: World,
    address: SocketAddr,
    intakes: Arc<Intakes>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl Listening {
    async fn new(options: SyslogOptions) -> Self {
        let world = World::new().await;
        let listener = Listener::bind(options).await.unwrap();
        let (address, intakes) = (listener.address(), Arc::<Intakes>::default());
        let to = Destination {
            trail: world.trail.clone(),
            control: world.store.control().clone(),
            clock: world.store.clock().clone(),
            intakes: intakes.clone(),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(listener.run(to, async {
            let _ = stopped.await;
        }));
        Self { world, address, intakes, stop: Some(stop), running }
    }

    fn count(&self, outcome: Outcome) -> u64 {
        self.intakes.all().iter().map(|(_, intake)| intake.count(outcome)).sum()
    }

    async fn wait_for(&self, outcome: Outcome, want: u64) {
        let begun = Instant::now();
        while self.count(outcome) < want {
            assert!(begun.elapsed() < PATIENCE, "{} of {want} are {}", self.count(outcome), outcome.as_str());
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.running).await.unwrap();
    }

    /// Sends bytes on a connection of their own.
    async fn send(&self, bytes: &[u8]) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
    }
}

fn line(n: usize) -> String {
    format!(
        "<38>1 2026-11-23T10:00:00.{n:06}Z web-1 sshd 83 - - Failed password for u{n} from 192.0.2.7 port 22 ssh2\n"
    )
}

#[tokio::test]
async fn what_was_read_is_recorded_before_the_listener_ends() {
    let mut listening = Listening::new(options(Transport::Tcp)).await;
    let many: String = (0..5_000).map(line).collect();
    listening.send(many.as_bytes()).await;
    // The same again on another connection: equal messages are one.
    listening.send(many.as_bytes()).await;
    listening.wait_for(Outcome::Recorded, 1).await;
    listening.wait_for(Outcome::Duplicate, 1).await;
    listening.end().await;
    assert_eq!(listening.world.size(), 5_000);
    assert_eq!(listening.count(Outcome::Duplicate), 5_000);
}

#[tokio::test]
async fn giants_and_nonsense_are_kept_as_rejected() {
    let mut listening = Listening::new(options(Transport::Tcp)).await;
    let giant = format!("<38>{}\n{}hello\n30 cut", "x".repeat(200_000), line(1));
    listening.send(giant.as_bytes()).await;
    listening.wait_for(Outcome::Rejected, 3).await;
    listening.wait_for(Outcome::Recorded, 1).await;
    listening.end().await;
    let name = listening.world.trail.name();
    let rejected = listening.world.store.control().rejected(name, 0, 10).await.unwrap();
    let reasons: Vec<&str> = rejected.iter().map(|one| one.reason.as_str()).collect();
    let cut = "the end of the message is missing: it is longer than 64 KiB, or the connection ended in it";
    let nonsense = "no syslog line: it does not begin with a time and a program";
    assert_eq!(reasons, [cut, nonsense, cut]);
    assert_eq!((rejected[0].raw.len(), rejected[0].input.as_str()), (64 * 1024, "syslog over TCP"));
}

#[tokio::test]
async fn idle_and_slow_connections_do_not_stop_it() {
    let limits = SyslogLimits {
        connections_max: 8,
        connections_of_address_max: 1000,
        message_timeout: Duration::from_millis(300),
    };
    let mut listening = Listening::new(SyslogOptions { limits, ..options(Transport::Tcp) }).await;
    let mut held = Vec::new();
    for n in 0..60 {
        let mut stream = TcpStream::connect(listening.address).await.unwrap();
        if n % 2 == 0 {
            // Begun and never ended.
            let _ = stream.write_all(b"<38>1 2026").await;
        }
        held.push(stream);
    }
    listening.send(line(1).as_bytes()).await;
    listening.wait_for(Outcome::Recorded, 1).await;
    listening.end().await;
}

#[tokio::test]
async fn one_address_has_no_more_than_its_share_and_others_nothing() {
    let limits = SyslogLimits { connections_of_address_max: 1, ..SyslogLimits::default() };
    let mut listening = Listening::new(SyslogOptions { limits, ..options(Transport::Tcp) }).await;
    let mut first = TcpStream::connect(listening.address).await.unwrap();
    first.write_all(line(1).as_bytes()).await.unwrap();
    listening.wait_for(Outcome::Recorded, 1).await;
    // The second is closed; what it sends goes nowhere.
    let mut second = TcpStream::connect(listening.address).await.unwrap();
    let _ = second.write_all(line(2).as_bytes()).await;
    sleep(Duration::from_millis(200)).await;
    first.write_all(line(3).as_bytes()).await.unwrap();
    listening.wait_for(Outcome::Recorded, 2).await;
    listening.end().await;
    assert_eq!(listening.world.size(), 2);

    let allow = vec!["192.0.2.0/24".parse().unwrap()];
    for transport in [Transport::Tcp, Transport::Udp] {
        let is_udp = matches!(transport, Transport::Udp);
        let mut listening =
            Listening::new(SyslogOptions { allow: allow.clone(), ..options(transport) }).await;
        if is_udp {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            socket.send_to(line(1).as_bytes(), listening.address).await.unwrap();
        } else {
            let mut stream = TcpStream::connect(listening.address).await.unwrap();
            let _ = stream.write_all(line(1).as_bytes()).await;
        }
        sleep(Duration::from_millis(200)).await;
        listening.end().await;
        assert_eq!((listening.world.size(), listening.count(Outcome::Dropped)), (0, 0));
    }
}

#[tokio::test]
async fn lost_datagrams_are_counted_and_said_in_the_trail() {
    let mut listening = Listening::new(options(Transport::Udp)).await;
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    // All on one thread: the listener does not get to read meanwhile, and the system's buffer overflows.
    let big = format!("{}{}", line(1).trim_end(), "x".repeat(60_000));
    let sent = 2_000_u64;
    for _ in 0..sent {
        socket.send_to(big.as_bytes(), listening.address).unwrap();
    }
    sleep(Duration::from_millis(300)).await;
    listening.end().await;
    let dropped = listening.count(Outcome::Dropped);
    assert!(dropped > 0, "nothing was lost of {sent} datagrams: the test proves nothing");
    let mut coverage = Vec::new();
    for batch in &listening.world.trail.snapshot().tail {
        let _ = read_records(&batch.batch, |_, record, _| {
            if record.event.kind == Kind::Coverage {
                coverage.push(record.event.body.clone().unwrap());
            }
            Ok(())
        });
    }
    assert_eq!(coverage.len(), 1);
    let body: serde_json::Value = serde_json::from_str(&coverage[0]).unwrap();
    assert_eq!((&body["complete"], &body["dropped"]), (&false.into(), &dropped.into()));
    assert_eq!((&body["receiver"], &body["source"]), (&"syslog_udp".into(), &"unix".into()));
}
