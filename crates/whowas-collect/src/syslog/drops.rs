//! Datagrams that were lost: counted where it happens, and said in the trail itself.

use std::{net::SocketAddr, path::Path};

use serde_json::json;
use sha2::{Digest, Sha256};
use whowas_event::{Event, Kind, NativeId, Status, Time};

use super::{Destination, SyslogOptions, lost};
use crate::coverage::note_pass;

/// Where Linux says how many datagrams each socket had no room for, since it is there.
const TABLES: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];

/// What was lost, and what of it was told.
pub(super) struct Drops {
    to: Destination,
    options: SyslogOptions,
    address: SocketAddr,
    /// Of the system's count, what was seen.
    by_system: u64,
    /// Not told yet.
    untold: u64,
    since: Time,
}

impl Drops {
    pub(super) fn new(to: Destination, options: &SyslogOptions, address: SocketAddr) -> Self {
        let since = to.clock.now();
        Self { to, options: options.clone(), address, by_system: 0, untold: 0, since }
    }

    /// So many did not find room in our queue.
    pub(super) fn add(&mut self, messages: u64) {
        self.untold += messages;
        lost(&self.to, &self.options, messages);
    }

    /// Asks the system, and writes down what was lost since the last time, if anything was.
    pub(super) async fn tell(&mut self) {
        let counts = TABLES.iter().map(|table| count(Path::new(table), self.address.port()));
        let by_system: u64 = counts.sum();
        self.add(by_system.saturating_sub(self.by_system));
        self.by_system = by_system.max(self.by_system);
        let now = self.to.clock.now();
        if self.untold > 0 {
            let environment = self.to.trail.name();
            tracing::warn!(%environment, messages = self.untold, "syslog datagrams were lost: the source sends faster than they are recorded");
            // A trail that takes no records keeps it untold: it is told with the next ones.
            if self.record(now).await.is_ok() {
                self.untold = 0;
            } else {
                return;
            }
        }
        self.since = now;
    }

    async fn record(&self, now: Time) -> Result<(), whowas_store::StoreError> {
        let source = self.options.source.as_deref().unwrap_or("syslog");
        let body = json!({
            "complete": false,
            "dropped": self.untold,
            "first_occurred_at": self.since.to_string(),
            "last_occurred_at": now.to_string(),
            "receiver": self.options.transport.as_str(),
            "source": source,
        });
        let id = Sha256::new()
            .chain_update(body.to_string())
            .chain_update(self.to.trail.snapshot().size.to_be_bytes())
            .finalize();
        let event = Event {
            kind: Kind::Coverage,
            occurred_at: now,
            native_id: NativeId::Derived(hex::encode(id)),
            status: Status::Failure,
            ..Event::default()
        };
        note_pass(&self.to.trail, self.to.control.as_ref(), event, body).await.map(drop)
    }
}

/// What a table of sockets says about the ones with this port; 0 where there is no such table.
fn count(table: &Path, port: u16) -> u64 {
    let text = std::fs::read_to_string(table).unwrap_or_default();
    text.lines().filter_map(|line| of_socket(line, port)).sum()
}

/// The last word of a line counts, if the address in its second has the port.
fn of_socket(line: &str, port: u16) -> Option<u64> {
    let local = line.split_whitespace().nth(1)?;
    let (_, hex) = local.rsplit_once(':')?;
    (u16::from_str_radix(hex, 16) == Ok(port)).then(|| line.split_whitespace().next_back()?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_sockets() {
        let head = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
        let line = "  404: 0100007F:1482 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 33521 2 0000000000000000 17";
        assert_eq!(
            (of_socket(line, 0x1482), of_socket(line, 0x1483), of_socket(head, 0x1482)),
            (Some(17), None, None)
        );
    }
}
