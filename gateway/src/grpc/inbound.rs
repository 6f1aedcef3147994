//! The messages of a client that streams, on their way to the entry service.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::BoxError;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use tonic::{Status, Streaming};

use crate::{admit::MessageShare, entry::Interrupt};

/// What a client's stream takes of the memory for messages in flight: the message that arrives, and the one before it until
/// it is sent on. Clones share it.
#[derive(Clone)]
pub(super) struct Account(Arc<Mutex<Sizes>>);

struct Sizes {
    share: MessageShare,
    arriving: usize,
    arrived: usize,
}

impl Account {
    pub(super) fn new(share: MessageShare) -> Self {
        Self(Arc::new(Mutex::new(Sizes { share, arriving: 0, arrived: 0 })))
    }

    fn change(&self, change: impl FnOnce(&mut Sizes)) -> Result<(), Status> {
        let mut sizes = lock(&self.0);
        change(&mut sizes);
        let bytes = sizes.arriving + sizes.arrived;
        sizes.share.resize(bytes).map_err(|refused| Status::unavailable(refused.to_string()))
    }
}

/// A request body whose bytes count until they are a message.
pub(super) struct Counted<B> {
    body: B,
    account: Account,
}

impl<B> Counted<B> {
    pub(super) fn new(body: B, account: Account) -> Self {
        Self { body, account }
    }
}

impl<B> Body for Counted<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(frame.map_err(Into::into).and_then(|frame| {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            self.account.change(|sizes| sizes.arriving += bytes)?;
            Ok(frame)
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The stream of one call, for the attempt that sends it. An attempt that cannot connect leaves it to the next.
pub(super) struct Outbound(Arc<Mutex<Call>>);

struct Call {
    inbound: Option<(Streaming<Bytes>, Account)>,
    interrupt: Option<oneshot::Sender<Status>>,
}

impl Outbound {
    /// With what ends the call if the client's stream fails.
    pub(super) fn new(inbound: Streaming<Bytes>, account: Account) -> (Self, Interrupt) {
        let (sender, interrupt) = Interrupt::new();
        let call = Call { inbound: Some((inbound, account)), interrupt: Some(sender) };
        (Self(Arc::new(Mutex::new(call))), interrupt)
    }

    /// The messages. If the client's stream fails, they do not end, because an end would make the request look complete.
    pub(super) fn messages(&self) -> impl Stream<Item = Bytes> + Send + use<> {
        let call = self.0.clone();
        stream::once(async move {
            let taken = lock(&call).inbound.take();
            if let Some(inbound) = taken {
                return messages(call, inbound).left_stream();
            }
            fail(&call, Status::unavailable("the call was refused after its first messages were sent"));
            stream::pending().right_stream()
        })
        .flatten()
    }
}

fn messages(
    call: Arc<Mutex<Call>>,
    inbound: (Streaming<Bytes>, Account),
) -> impl Stream<Item = Bytes> + Send {
    stream::unfold((call, inbound), async |(call, (mut inbound, account))| {
        let next = async {
            // The message before this one has been sent on.
            account.change(|sizes| sizes.arrived = 0)?;
            let Some(message) = inbound.message().await? else { return Ok(None) };
            let bytes = message.len();
            account.change(|sizes| (sizes.arriving, sizes.arrived) = (0, bytes))?;
            Ok(Some(message))
        };
        match next.await {
            Ok(message) => message.map(|message| (message, (call, (inbound, account)))),
            Err(status) => {
                fail(&call, status);
                std::future::pending().await
            }
        }
    })
}

fn fail(call: &Mutex<Call>, status: Status) {
    if let Some(interrupt) = lock(call).interrupt.take() {
        // The call may just have ended.
        let _ = interrupt.send(status);
    }
}

/// The state is consistent at every moment, also after a panic under the lock.
fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
