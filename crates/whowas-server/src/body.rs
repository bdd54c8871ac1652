//! Request bodies: with a time-out between their pieces, and as something a blocking reader can read.

use std::{
    io::{self, Read},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body as AnswerBody, BodyDataStream};
use bytes::{Buf, Bytes};
use futures::StreamExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::{
    runtime::Handle,
    time::{Instant, Sleep, sleep},
};
use whowas_collect::connections::InHand;

/// A body whose sender must go on sending.
pub(crate) struct IdleTimeout {
    inner: Incoming,
    limit: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl IdleTimeout {
    pub(crate) fn new(inner: Incoming, limit: Duration) -> Self {
        Self { inner, limit, sleep: Box::pin(sleep(limit)) }
    }
}

impl Body for IdleTimeout {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(frame) => {
                let next = Instant::now() + self.limit;
                self.sleep.as_mut().reset(next);
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => match self.sleep.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into()))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body of an answer, during which its request counts as in hand.
pub(crate) struct Held {
    inner: AnswerBody,
    _in_hand: InHand,
}

impl Held {
    pub(crate) fn new(inner: AnswerBody, in_hand: InHand) -> Self {
        Self { inner, _in_hand: in_hand }
    }
}

impl Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body for a blocking reader on a blocking thread: the beginning that is here already, then the rest.
pub(crate) struct BodyReader {
    current: Bytes,
    rest: BodyDataStream,
    handle: Handle,
    failure: Failure,
}

/// Why a body ended before its end, if it did: whoever read it may have made something else of that.
pub(crate) type Failure = Arc<OnceLock<io::ErrorKind>>;

impl BodyReader {
    pub(crate) fn new(beginning: Bytes, rest: BodyDataStream) -> Self {
        Self { current: beginning, rest, handle: Handle::current(), failure: Failure::default() }
    }

    /// Knows later why the body failed.
    pub(crate) fn failure(&self) -> Failure {
        self.failure.clone()
    }
}

impl Read for BodyReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.current.has_remaining() {
            match self.handle.block_on(self.rest.next()) {
                None => return Ok(0),
                Some(Ok(chunk)) => self.current = chunk,
                Some(Err(error)) => {
                    let error = to_io(error);
                    let _ = self.failure.set(error.kind());
                    return Err(error);
                }
            }
        }
        let bytes = self.current.remaining().min(out.len());
        let (front, _) = out.split_at_mut(bytes);
        self.current.copy_to_slice(front);
        Ok(bytes)
    }
}

/// The error below, if the body had a time-out; else what it says.
pub(crate) fn to_io(error: axum::Error) -> io::Error {
    match error.into_inner().downcast::<io::Error>() {
        Ok(error) => *error,
        Err(error) => io::Error::other(error),
    }
}
