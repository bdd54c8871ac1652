//! Bodies that are read whole, within bounds: of one body, of all bodies together, and in time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use hyper::{HeaderMap, header::CONTENT_ENCODING};
use tokio::{sync::Semaphore, time::timeout};
use whowas_format::inflate::{InflateError, inflate};

use crate::{auth::Who, body::to_io, problem::Problem};

/// Bodies of all requests that are held at once, in KiB. Parsed JSON takes some 5 times as much for a moment.
const INBOUND_KIB_MAX: u32 = 64 * 1024;
/// Those of one sender: others must find room, too. One body, packed and unpacked.
const INBOUND_OF_ONE_KIB_MAX: u32 = 32 * 1024;
/// Bodies that are decompressed or parsed at once, where that takes a thread of its own.
const TURNS_MAX: usize = 4;
/// From the beginning of a body to its end: a sender that drips must not keep its room for ever.
pub(crate) const BODY_TIME_MAX: Duration = Duration::from_secs(60);
/// A compressed body up to so many bytes is opened where it is. It gives up to 400 times as much, in 10 ms.
const INLINE_COMPRESSED_BYTES_MAX: usize = 4 * 1024;

/// Room for bodies, and turns at the work on them.
#[derive(Debug)]
pub(crate) struct Inbound {
    rooms: Arc<Rooms>,
    turns: Semaphore,
}

impl Default for Inbound {
    fn default() -> Self {
        Self { rooms: Arc::default(), turns: Semaphore::new(TURNS_MAX) }
    }
}

impl Inbound {
    /// Waits for a turn at work that takes a thread.
    pub(crate) async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Problem> {
        self.turns.acquire().await.map_err(Problem::internal)
    }

    /// Room for a body of this sender, of which nothing is here.
    fn room(&self, who: Who) -> Room {
        Room { rooms: self.rooms.clone(), who, kib: 0 }
    }
}

/// What each sender's bodies take, in KiB. Who takes nothing is not in it.
#[derive(Debug, Default)]
struct Rooms(Mutex<HashMap<Who, u32>>);

/// Room that one body takes; it is free again when this is dropped.
#[derive(Debug)]
struct Room {
    rooms: Arc<Rooms>,
    who: Who,
    kib: u32,
}

impl Room {
    /// Takes room for so many bytes in all: a body that comes in many pieces takes no more than one that comes at once.
    fn grow_to(&mut self, bytes: usize) -> Result<(), Problem> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let more = kib.saturating_sub(self.kib);
        if more == 0 {
            return Ok(());
        }
        let mut rooms = self.rooms.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: u32 = rooms.values().sum();
        let own = rooms.get(&self.who).copied().unwrap_or(0);
        let fits = |used: u32, max: u32| used.checked_add(more).is_some_and(|sum| sum <= max);
        if !fits(all, INBOUND_KIB_MAX) || !fits(own, INBOUND_OF_ONE_KIB_MAX) {
            return Err(Problem::busy("as many bytes as are allowed at once are being received"));
        }
        rooms.insert(self.who, own + more);
        self.kib = kib;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut rooms = self.rooms.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = rooms.get_mut(&self.who) {
            *own = own.saturating_sub(self.kib);
            if *own == 0 {
                rooms.remove(&self.who);
            }
        }
    }
}

/// A body that was read. Its room is free again when this is dropped: keep it until the answer.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    room: Room,
}

impl Whole {
    /// The room of this body for a part of it.
    pub(crate) fn with(self, part: Bytes) -> Self {
        Self { bytes: part, ..self }
    }
}

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Not at all.
    Plain,
    /// gzip
    Gzip,
    /// zlib, as HTTP's `deflate`.
    Zlib,
}

impl Packing {
    /// By the header `Content-Encoding`.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let word = headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim());
        Self::of_word(word.unwrap_or_default())
    }

    /// By its name in HTTP and gRPC.
    pub(crate) fn of_word(word: &str) -> Result<Self, Problem> {
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        match () {
            () if word.is_empty() || is("identity") => Ok(Self::Plain),
            () if is("gzip") || is("x-gzip") => Ok(Self::Gzip),
            () if is("deflate") => Ok(Self::Zlib),
            () => Err(Problem::unsupported("bodies come as they are, or in gzip or deflate")),
        }
    }
}

/// Reads a body to its end, as it came.
pub(crate) async fn read(
    inbound: &Inbound,
    who: Who,
    body: Body,
    bytes_max: usize,
) -> Result<Whole, Problem> {
    read_on(inbound, who, BytesMut::new(), &mut body.into_data_stream(), bytes_max).await
}

/// Reads the rest of a body of which the beginning is here.
pub(crate) async fn read_on(
    inbound: &Inbound,
    who: Who,
    mut bytes: BytesMut,
    rest: &mut axum::body::BodyDataStream,
    bytes_max: usize,
) -> Result<Whole, Problem> {
    let mut room = inbound.room(who);
    room.grow_to(bytes.len())?;
    let reading = async {
        while let Some(chunk) = rest.next().await {
            let chunk = chunk.map_err(|error| Problem::of_body(to_io(error).kind()))?;
            if bytes.len() + chunk.len() > bytes_max {
                return Err(too_large(bytes_max));
            }
            room.grow_to(bytes.len() + chunk.len())?;
            bytes.extend_from_slice(&chunk);
        }
        Ok(())
    };
    timeout(BODY_TIME_MAX, reading).await.map_err(|_| Problem::of_body(std::io::ErrorKind::TimedOut))??;
    Ok(Whole { bytes: bytes.freeze(), room })
}

/// Opens what was packed.
pub(crate) async fn unpack(
    inbound: &Inbound,
    packed: Whole,
    packing: Packing,
    bytes_max: usize,
) -> Result<Whole, Problem> {
    let is_gzip = match packing {
        Packing::Plain => return Ok(packed),
        Packing::Gzip => true,
        Packing::Zlib => false,
    };
    let bytes = packed.bytes.clone();
    let open = move || inflate(&bytes, is_gzip, bytes_max);
    let opened = if packed.bytes.len() > INLINE_COMPRESSED_BYTES_MAX {
        let _turn = inbound.turn().await?;
        tokio::task::spawn_blocking(open).await.map_err(Problem::internal)?
    } else {
        open()
    };
    let opened = opened.map_err(|error| match error {
        InflateError::Broken => Problem::invalid(error.to_string()),
        InflateError::TooLarge(_) | InflateError::Bomb => Problem::too_large(error.to_string()),
    })?;
    let mut room = inbound.room(packed.room.who);
    room.grow_to(opened.len())?;
    Ok(Whole { room, bytes: opened.into() })
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::too_large(format!("a body has at most {} MiB here: send smaller batches", bytes_max >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn one_sender_leaves_room_for_others() {
        let inbound = Inbound::default();
        let [mut first, mut second] = [(); 2].map(|()| inbound.room(Who::Token(1)));
        // Byte by byte is no more than at once.
        for bytes in 1..2_000 {
            first.grow_to(bytes).unwrap();
        }
        assert_eq!(first.kib, 2);
        first.grow_to(16 * MIB).unwrap();
        second.grow_to(16 * MIB).unwrap();
        assert!(second.grow_to(16 * MIB + 1).is_err());
        let mut other = inbound.room(Who::Token(2));
        other.grow_to(32 * MIB).unwrap();
        assert!(inbound.room(Who::Token(3)).grow_to(1).is_err(), "that is all there is");
        drop(first);
        second.grow_to(20 * MIB).unwrap();
        inbound.room(Who::Token(3)).grow_to(MIB).unwrap();
        drop((second, other));
        assert!(inbound.rooms.0.lock().unwrap().is_empty());
    }
}
