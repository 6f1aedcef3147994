//! Answers of any size in bounded memory: written piece by piece, as fast as their client reads.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body::Frame;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, timeout, timeout_at},
};

use super::{
    Collector, Refusal,
    parts::{Gone, Parts},
};

/// The maximum number of queries that are answered concurrently, and of queries that wait for their turn.
const MAX_ACTIVE: usize = 4;
const MAX_WAITING: usize = 64;

/// The maximum number of bytes in all answers that clients have not read.
const MAX_UNREAD: usize = 8 * 1024 * 1024;

/// The usual size of a piece of an answer.
const PIECE: usize = 64 * 1024;

/// How long a query waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client can take to read a piece, and a whole answer.
const PIECE_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// The limits of all queries together.
#[derive(Debug, Clone)]
pub(super) struct Queries {
    active: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    unread: Arc<Semaphore>,
}

/// Permission to answer one query, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _active: OwnedSemaphorePermit,
}

impl Default for Queries {
    fn default() -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { active: semaphore(MAX_ACTIVE), waiting: semaphore(MAX_WAITING), unread: semaphore(MAX_UNREAD) }
    }
}

impl Queries {
    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Result<Turn, Refusal> {
        let busy =
            || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many concurrent queries; try again later");
        let _waiting = self.waiting.try_acquire().map_err(|_| busy())?;
        match timeout(TURN_TIMEOUT, self.active.clone().acquire_owned()).await {
            Ok(Ok(active)) => Ok(Turn { _active: active }),
            _ => Err(busy()),
        }
    }

    /// Counts `piece` as unread until it is dropped, after waiting until there is room for it.
    async fn unread(&self, piece: Vec<u8>) -> Result<Bytes, Refusal> {
        let size = u32::try_from(piece.len().min(MAX_UNREAD)).unwrap_or(u32::MAX);
        let permit = timeout(TURN_TIMEOUT, self.unread.clone().acquire_many_owned(size)).await;
        let Ok(Ok(permit)) = permit else {
            let message = "too many unread answers; try again later";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message));
        };
        Ok(Bytes::from_owner(Unread { piece, _permit: permit }))
    }
}

/// Bytes that a client has not read.
struct Unread {
    piece: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Unread {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Collector {
    /// Answers 200 with `parts`.
    pub(super) async fn answer(&self, turn: Turn, mut parts: impl Parts) -> Result<Response, Refusal> {
        let (first, is_last) = self.piece(&mut parts).map_err(|Gone| {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "a trace was evicted while it was read; try again")
        })?;
        let first = self.queries.unread(first).await?;
        let body = if is_last {
            Body::from(first)
        } else {
            let (sender, receiver) = mpsc::channel(1);
            let collector = self.clone();
            tokio::spawn(async move {
                let end = Instant::now() + ANSWER_TIMEOUT;
                if !matches!(timeout_at(end, collector.send(first, parts, &sender)).await, Ok(Some(Sent))) {
                    tracing::debug!("answer ended early");
                }
                drop(turn);
            });
            Body::new(Pieces(receiver))
        };
        let content_type = HeaderValue::from_static("application/json");
        Ok((StatusCode::OK, [(header::CONTENT_TYPE, content_type)], body).into_response())
    }

    /// Sends all pieces; `None` when the client leaves, reads too slowly, or a trace is evicted.
    async fn send(
        &self,
        first: Bytes,
        mut parts: impl Parts,
        sender: &mpsc::Sender<Option<Bytes>>,
    ) -> Option<Sent> {
        let send = async |piece| timeout(PIECE_TIMEOUT, sender.send(piece)).await.ok()?.ok();
        send(Some(first)).await?;
        loop {
            let (piece, is_last) = self.piece(&mut parts).ok()?;
            send(Some(self.queries.unread(piece).await.ok()?)).await?;
            if is_last {
                send(None).await?;
                return Some(Sent);
            }
        }
    }

    /// The next piece, and whether it is the last.
    fn piece(&self, parts: &mut impl Parts) -> Result<(Vec<u8>, bool), Gone> {
        let store = self.store();
        let mut piece = Vec::with_capacity(PIECE);
        while piece.len() < PIECE {
            if !parts.write_next(&store, &mut piece)? {
                return Ok((piece, true));
            }
        }
        Ok((piece, false))
    }
}

/// An answer was sent completely.
struct Sent;

/// The pieces of an answer; `None` marks the end of a complete one.
struct Pieces(mpsc::Receiver<Option<Bytes>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(match ready!(self.0.poll_recv(context)) {
            Some(Some(piece)) => Some(Ok(Frame::data(piece))),
            Some(None) => None,
            None => Some(Err(io::Error::other("the answer ended early"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_query_waits_for_its_turn_and_too_many_are_refused_at_once() {
        let queries = Queries::default();
        let mut active = Vec::new();
        for _ in 0..MAX_ACTIVE {
            active.push(queries.turn().await.expect("a turn"));
        }
        let waiting: Vec<_> = (0..MAX_WAITING)
            .map(|_| {
                let queries = queries.clone();
                tokio::spawn(async move {
                    queries.turn().await.map(|_| Instant::now()).map_err(|_| Instant::now())
                })
            })
            .collect();
        // All of them wait, on a clock that is paused.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let started = Instant::now();
        assert_eq!(queries.turn().await.expect_err("refused").status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(Instant::now(), started, "at once");

        drop(active.pop());
        let mut outcomes = Vec::new();
        for task in waiting {
            outcomes.push(task.await.expect("finished"));
        }
        assert!(
            outcomes.iter().all(|outcome| *outcome == Ok(started)),
            "each has the turn of the one before"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_gets_no_turn_is_refused_after_a_while() {
        let queries = Queries::default();
        let mut active = Vec::new();
        for _ in 0..MAX_ACTIVE {
            active.push(queries.turn().await.expect("a turn"));
        }
        let started = Instant::now();
        queries.turn().await.expect_err("refused");
        assert_eq!(started.elapsed(), TURN_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn unread_answers_are_bounded_until_they_are_dropped() {
        let queries = Queries::default();
        let unread = queries.unread(vec![0; MAX_UNREAD - 10]).await.expect("room");
        queries.unread(vec![0; 11]).await.expect_err("no room");
        queries.unread(vec![0; 10]).await.expect("room");
        drop(unread);
        // A piece that is larger than all room gets all of it.
        queries.unread(vec![0; MAX_UNREAD + 1]).await.expect("room");
    }
}
