//! What stands in a run, each thing in a fixed number of bytes.

use whowas_event::Time;

use crate::sessions::{EndConfidence, EndReason, Row};

/// The end of a session that has none.
const NO_END: i64 = i64::MAX;

/// Something of a fixed size that is sorted by a key.
pub(crate) trait Entry: Copy {
    const BYTES: usize;
    /// Entries of one block: small where single ones are looked up.
    const BLOCK_ENTRIES: usize;
    /// By what entries are sorted.
    fn key(&self) -> u64;
    /// How far it reaches in time, where that is asked.
    fn reach(&self) -> i64 {
        0
    }
    fn write(&self, out: &mut Vec<u8>);
    fn read(bytes: &mut Bytes<'_>) -> Option<Self>;
}

/// Bytes that are taken from the front.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }
}

/// An instant as a key: in the order of time.
pub(crate) const fn key_of_ms(ms: i64) -> u64 {
    ms.cast_unsigned() ^ (1 << 63)
}

/// That a record stands in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InLane {
    pub(crate) lane: u64,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) position: u64,
}

impl Entry for InLane {
    const BYTES: usize = 24;
    const BLOCK_ENTRIES: usize = 1024;

    fn key(&self) -> u64 {
        self.lane
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.lane.to_be_bytes());
        out.extend(self.at.to_be_bytes());
        out.extend(self.position.to_be_bytes());
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        Some(Self { lane: bytes.u64()?, at: bytes.i64()?, position: bytes.u64()? })
    }
}

/// A row, and since when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kept {
    pub(crate) row: Row,
    /// The step of its run with which it came.
    pub(crate) step: u32,
}

const IS_LONE: u8 = 1;
const TELLS_ENDS: u8 = 2;
const IS_TOLD_BY_START: u8 = 4;

impl Entry for Kept {
    const BYTES: usize = 35;
    const BLOCK_ENTRIES: usize = 1024;

    fn key(&self) -> u64 {
        key_of_ms(self.row.start.as_ms())
    }

    fn reach(&self) -> i64 {
        self.row.end.map_or(NO_END, Time::as_ms)
    }

    fn write(&self, out: &mut Vec<u8>) {
        let Row {
            start, position, reason, confidence, scope, tells_ends, is_told_by_start, is_lone_end, ..
        } = self.row;
        out.extend(start.as_ms().to_be_bytes());
        out.extend(self.reach().to_be_bytes());
        out.extend(position.to_be_bytes());
        out.extend(scope.to_be_bytes());
        out.extend(self.step.to_be_bytes());
        out.push(reason_code(reason));
        out.push(confidence_code(confidence));
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        out.push(
            flag(is_lone_end, IS_LONE)
                | flag(tells_ends, TELLS_ENDS)
                | flag(is_told_by_start, IS_TOLD_BY_START),
        );
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        let start = Time::from_ms(bytes.i64()?).ok()?;
        let end = match bytes.i64()? {
            NO_END => None,
            ms => Some(Time::from_ms(ms).ok()?),
        };
        let (position, scope, step) = (bytes.u64()?, bytes.u32()?, bytes.u32()?);
        let reason = *EndReason::ALL.get(usize::from(bytes.u8()?))?;
        let confidence = *CONFIDENCES.get(usize::from(bytes.u8()?))?;
        let flags = bytes.u8()?;
        let row = Row {
            start,
            position,
            end,
            reason,
            confidence,
            scope,
            tells_ends: flags & TELLS_ENDS != 0,
            is_told_by_start: flags & IS_TOLD_BY_START != 0,
            is_lone_end: flags & IS_LONE != 0,
        };
        Some(Self { row, step })
    }
}

const CONFIDENCES: [EndConfidence; 3] =
    [EndConfidence::Explicit, EndConfidence::Inferred, EndConfidence::None];

fn reason_code(reason: EndReason) -> u8 {
    let at = EndReason::ALL.iter().position(|one| *one == reason);
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

fn confidence_code(confidence: EndConfidence) -> u8 {
    let at = CONFIDENCES.iter().position(|one| *one == confidence);
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

/// Which of three lists a row stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum List {
    /// Sessions with an end.
    Ended,
    /// Sessions without.
    Open,
    /// Sign-outs without a sign-in.
    Lone,
}

impl List {
    pub(crate) const ALL: [Self; 3] = [Self::Ended, Self::Open, Self::Lone];

    pub(crate) fn of(row: &Row) -> Self {
        match row {
            Row { is_lone_end: true, .. } => Self::Lone,
            Row { end: None, .. } => Self::Open,
            Row { .. } => Self::Ended,
        }
    }
}

/// That an older version of a row no longer holds: another stands in its place, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gone {
    /// When the session began, in milliseconds since 1970.
    pub(crate) start: i64,
    pub(crate) position: u64,
    /// From this size of the tree on.
    pub(crate) size: u64,
    /// Where it stood.
    pub(crate) list: List,
}

impl Entry for Gone {
    const BYTES: usize = 25;
    const BLOCK_ENTRIES: usize = 4096;

    fn key(&self) -> u64 {
        key_of_ms(self.start)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.start.to_be_bytes());
        out.extend(self.position.to_be_bytes());
        out.extend(self.size.to_be_bytes());
        out.push(match self.list {
            List::Ended => 0,
            List::Open => 1,
            List::Lone => 2,
        });
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        let (start, position, size) = (bytes.i64()?, bytes.u64()?, bytes.u64()?);
        Some(Self { start, position, size, list: *List::ALL.get(usize::from(bytes.u8()?))? })
    }
}

/// That a record stands in its lane no longer, because a later revision took its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Replaced {
    pub(crate) position: u64,
    /// Where the later revision is.
    pub(crate) by: u64,
}

impl Entry for Replaced {
    const BYTES: usize = 16;
    const BLOCK_ENTRIES: usize = 4096;

    fn key(&self) -> u64 {
        self.position
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.position.to_be_bytes());
        out.extend(self.by.to_be_bytes());
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        Some(Self { position: bytes.u64()?, by: bytes.u64()? })
    }
}

/// That a record says when its machine started or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AtBoundary {
    pub(crate) position: u64,
}

impl Entry for AtBoundary {
    const BYTES: usize = 8;
    const BLOCK_ENTRIES: usize = 4096;

    fn key(&self) -> u64 {
        self.position
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.position.to_be_bytes());
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        Some(Self { position: bytes.u64()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back() {
        for (reason, confidence) in EndReason::ALL.into_iter().zip(CONFIDENCES.into_iter().cycle()) {
            for end in [None, Time::from_ms(-5).ok()] {
                let row = Row {
                    start: Time::from_ms(-7).unwrap(),
                    position: 9,
                    end,
                    reason,
                    confidence,
                    scope: 3,
                    tells_ends: end.is_none(),
                    is_told_by_start: end.is_some(),
                    is_lone_end: false,
                };
                let kept = Kept { row, step: 2 };
                let mut out = Vec::new();
                kept.write(&mut out);
                assert_eq!(out.len(), Kept::BYTES);
                assert_eq!(Kept::read(&mut Bytes(&out)), Some(kept));
                assert_eq!(Kept::read(&mut Bytes(&out[..34])), None);
            }
        }
        assert!(key_of_ms(-1) < key_of_ms(0) && key_of_ms(i64::MIN) == 0);
    }
}
