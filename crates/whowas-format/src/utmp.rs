//! The records of `utmp`, `wtmp` and `btmp` files: fixed size, the layout of a C struct, in the byte order and
//! word size of the machine that wrote them. Nothing in a file says which; the records' shape does.
//!
//! | layout | bytes | written by |
//! |---|---|---|
//! | Linux, 32-bit times | 384 | x86, x86-64, 32-bit Arm, PowerPC, RISC-V: glibc with `__WORDSIZE_TIME64_COMPAT32` |
//! | Linux, 64-bit times | 400 | s390x, 64-bit Arm, Alpha, IA-64 |
//! | macOS `utmpx` | 628 | macOS 10.5 and later; the first record is a signature |
//!
//! Sources: `utmp(5)` of the Linux man-pages, glibc's `sysdeps/gnu/bits/utmp.h`, Apple's `utmpx-darwin.h` in
//! Libc. Seconds of 32 bits are read as unsigned, as glibc does since 2.40, so they reach the year 2106.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv6Addr},
};

/// How many records of a sample are looked at to find the layout.
const RECORDS_SEEN_MAX: usize = 128;
/// The largest process id: 2^22 on 64-bit Linux (`PID_MAX_LIMIT`).
const PROCESS_MAX: u32 = 1 << 22;
/// What the first record of a macOS file has as its user.
const DARWIN_SIGNATURE: &[u8] = b"utmpx-1.00\0";

/// What a record is about. The numbers are `ut_type` on Linux; macOS exchanges 3 and 4 and adds two.
pub(crate) mod kind {
    /// A change of run level, or the machine stops.
    pub(crate) const RUN_LEVEL: u16 = 1;
    /// The machine started.
    pub(crate) const BOOT: u16 = 2;
    /// The clock was set: to this time, or from it.
    pub(crate) const CLOCK: [u16; 2] = [3, 4];
    /// A process that `init` started.
    pub(crate) const INIT: u16 = 5;
    /// A terminal waits for a login; in `btmp` a login that failed.
    pub(crate) const LOGIN: u16 = 6;
    /// A user signed in.
    pub(crate) const USER: u16 = 7;
    /// A user signed out.
    pub(crate) const DEAD: u16 = 8;
    /// The last number in use on Linux.
    pub(crate) const MAX: u16 = 9;
    /// macOS: the signature of a file.
    pub(crate) const SIGNATURE: u16 = 10;
    /// macOS: the machine stops.
    pub(crate) const SHUTDOWN: u16 = 11;
}

/// One way to lay out a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    order: Order,
    fields: Fields,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fields {
    /// 384 bytes.
    Linux32,
    /// 400 bytes.
    Linux64,
    /// 628 bytes.
    Darwin,
}

/// What one record says. Texts end at their first NUL; what is no UTF-8 in them is U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UtmpRecord<'a> {
    pub(crate) kind: u16,
    pub(crate) process: u32,
    pub(crate) line: Cow<'a, str>,
    pub(crate) id: Cow<'a, str>,
    pub(crate) user: Cow<'a, str>,
    pub(crate) host: Cow<'a, str>,
    pub(crate) seconds: u64,
    pub(crate) microseconds: u32,
    pub(crate) address: Option<IpAddr>,
}

impl Layout {
    const ALL: [Self; 6] = [
        Self { order: Order::Little, fields: Fields::Linux32 },
        Self { order: Order::Big, fields: Fields::Linux32 },
        Self { order: Order::Little, fields: Fields::Linux64 },
        Self { order: Order::Big, fields: Fields::Linux64 },
        Self { order: Order::Little, fields: Fields::Darwin },
        Self { order: Order::Big, fields: Fields::Darwin },
    ];

    /// The layout in which the beginning of a file makes sense: in which at least half of the records that have
    /// a type are sound, and more of them than in any other layout.
    pub(crate) fn of(sample: &[u8]) -> Option<Self> {
        let told = |layout: &Self| {
            let (mut sound, mut unsound) = (0_usize, 0_usize);
            for bytes in sample.chunks_exact(layout.record_bytes()).take(RECORDS_SEEN_MAX) {
                match layout.record(bytes) {
                    Ok(record) => sound += usize::from(record.kind > 0 && record.says_anything()),
                    Err(_) => unsound += 1,
                }
            }
            if sound >= unsound { sound } else { 0 }
        };
        let is_signed =
            |layout: &Self| (layout.fields == Fields::Darwin) == sample.starts_with(DARWIN_SIGNATURE);
        // Of equals the most common one, which stands first.
        let (layout, sound) = Self::ALL
            .into_iter()
            .rev()
            .filter(is_signed)
            .map(|layout| (layout, told(&layout)))
            .max_by_key(|one| one.1)?;
        (sound > 0).then_some(layout)
    }

    /// The length of a record.
    pub(crate) const fn record_bytes(self) -> usize {
        match self.fields {
            Fields::Linux32 => 384,
            Fields::Linux64 => 400,
            Fields::Darwin => 628,
        }
    }

    /// Reads one record, or says why it is none.
    pub(crate) fn record(self, bytes: &[u8]) -> Result<UtmpRecord<'_>, &'static str> {
        let short = "the file ends within the record";
        let read = match self.fields {
            Fields::Linux32 | Fields::Linux64 => self.linux(bytes),
            Fields::Darwin => self.darwin(bytes),
        };
        let record = read.ok_or(short)?;
        let kind_max = if self.fields == Fields::Darwin { kind::SHUTDOWN } else { kind::MAX };
        let is_text = |text: &str| text.chars().all(|c| !c.is_control());
        if record.kind > kind_max {
            return Err("its type is none of utmp's");
        }
        if record.microseconds >= 1_000_000 {
            return Err("its time has a million microseconds or more");
        }
        if record.process > PROCESS_MAX {
            return Err("its process id is larger than any");
        }
        if ![&record.line, &record.id, &record.user, &record.host].into_iter().all(|text| is_text(text)) {
            // The id is four bytes of anything on some systems, but then no text of the record depends on it.
            return Err("its texts have control characters");
        }
        Ok(record)
    }

    fn linux(self, bytes: &[u8]) -> Option<UtmpRecord<'_>> {
        let (seconds, microseconds, address) = if self.fields == Fields::Linux32 {
            (u64::from(self.u32(bytes, 340)?), self.u32(bytes, 344)?, bytes.get(348..364)?)
        } else {
            let microseconds = u32::try_from(self.u64(bytes, 352)?).unwrap_or(u32::MAX);
            (self.u64(bytes, 344)?, microseconds, bytes.get(360..376)?)
        };
        bytes.get(self.record_bytes() - 1)?;
        Some(UtmpRecord {
            kind: self.u16(bytes, 0)?,
            process: self.u32(bytes, 4)?,
            line: text(bytes.get(8..40)?),
            id: id(bytes.get(40..44)?),
            user: text(bytes.get(44..76)?),
            host: text(bytes.get(76..332)?),
            seconds,
            microseconds,
            address: ip(address),
        })
    }

    fn darwin(self, bytes: &[u8]) -> Option<UtmpRecord<'_>> {
        bytes.get(self.record_bytes() - 1)?;
        Some(UtmpRecord {
            kind: self.u16(bytes, 296)?,
            process: self.u32(bytes, 292)?,
            line: text(bytes.get(260..292)?),
            id: id(bytes.get(256..260)?),
            user: text(bytes.get(0..256)?),
            host: text(bytes.get(308..564)?),
            seconds: u64::from(self.u32(bytes, 300)?),
            microseconds: self.u32(bytes, 304)?,
            address: None,
        })
    }

    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(match self.order {
            Order::Little => u16::from_le_bytes(bytes),
            Order::Big => u16::from_be_bytes(bytes),
        })
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(match self.order {
            Order::Little => u32::from_le_bytes(bytes),
            Order::Big => u32::from_be_bytes(bytes),
        })
    }

    fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(match self.order {
            Order::Little => u64::from_le_bytes(bytes),
            Order::Big => u64::from_be_bytes(bytes),
        })
    }
}

impl UtmpRecord<'_> {
    /// Whether it is more than unused space.
    pub(crate) fn says_anything(&self) -> bool {
        !self.user.is_empty() || !self.line.is_empty()
    }

    /// Whether it is an attempt that failed, as only `btmp` has them: a login where a terminal would wait,
    /// but with the name of somebody; or one of sshd, which then has no terminal yet.
    pub(crate) fn is_failed_login(&self) -> bool {
        let is_attempt = self.kind == kind::LOGIN && !self.user.is_empty() && !self.user.starts_with("LOGIN");
        is_attempt || (self.kind == kind::LOGIN || self.kind == kind::USER) && self.line == "ssh:notty"
    }
}

/// A text up to its first NUL.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.split_at(end).0)
}

/// The id of a line: a text of four characters, or four bytes of anything, which say nothing.
fn id(bytes: &[u8]) -> Cow<'_, str> {
    let id = text(bytes);
    if id.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
        Cow::Borrowed("")
    } else {
        id
    }
}

/// The address: IPv4 in the first four bytes, or IPv6 in all of them; zeros stand for none.
fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let all: [u8; 16] = bytes.try_into().ok()?;
    let [a, b, c, d, rest @ ..] = all;
    match (all == [0; 16], rest == [0; 12]) {
        (true, _) => None,
        (false, true) => Some(IpAddr::from([a, b, c, d])),
        (false, false) => Some(IpAddr::V6(Ipv6Addr::from(all)).to_canonical()),
    }
}
