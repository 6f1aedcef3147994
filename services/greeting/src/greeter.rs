//! The use case: greet, store, publish and call every upstream.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::HeaderMap;
use hyper::body::Bytes;
use octet_backends::{
    queue::{Message, Publisher},
    store::DocumentStore,
};
use octet_proto::greeting::v3 as proto;
use octet_runtime::{
    deadline::Deadline,
    failure_path::DEADLINE_PASSED,
    faults::{Faults, Place},
};

use crate::{
    failure::GreetError,
    faulted::Faulted,
    greeting::Greeting,
    message,
    missing::Missing,
    response_stream::Sink,
    upstreams::{Gathered, Upstreams},
};

/// What a service reports about itself.
pub(crate) struct Role {
    pub(crate) service: String,
    pub(crate) greeting: String,
    pub(crate) hostname: String,
}

/// One call that reached this service.
pub(crate) struct Call {
    /// The caller's greeting; `None` from outside the mesh.
    pub(crate) greeting: Option<Greeting>,
    pub(crate) deadline: Deadline,
    /// The headers that the next hop receives.
    pub(crate) carried: HeaderMap,
}

/// What a call waits for in this service's own backends. Upstreams report by themselves that they are late.
#[derive(Default)]
pub(crate) struct Pending {
    store: AtomicBool,
    queue: AtomicBool,
    /// Waiting for its turn, by the service's limit.
    pub(crate) turn: AtomicBool,
}

impl Pending {
    /// The message of a call whose deadline passed here.
    pub(crate) fn late(&self) -> String {
        let pending = |what: &AtomicBool| what.load(Ordering::Relaxed);
        if pending(&self.turn) {
            return format!("{DEADLINE_PASSED}, waiting for its turn");
        }
        match (pending(&self.store), pending(&self.queue)) {
            (true, true) => format!("{DEADLINE_PASSED}, waiting for the store and the queue"),
            (true, false) => format!("{DEADLINE_PASSED}, waiting for the store"),
            (false, true) => format!("{DEADLINE_PASSED}, waiting for the queue"),
            (false, false) => DEADLINE_PASSED.to_owned(),
        }
    }
}

/// The service in its role.
pub(crate) struct Greeter {
    pub(crate) role: Role,
    pub(crate) store: Option<Arc<dyn DocumentStore>>,
    pub(crate) publisher: Option<Arc<dyn Publisher>>,
    pub(crate) upstreams: Upstreams,
    pub(crate) faults: Faults,
}

impl Greeter {
    /// Returns its own greeting, then each upstream's greetings in declared order.
    ///
    /// A greeting in the answer claims that its service stored the greeting it received and that the queue confirmed
    /// its own. The caller enforces the deadline: dropping the future cancels everything it started.
    pub(crate) async fn greet(&self, call: Call, pending: &Pending) -> Result<Gathered, GreetError> {
        let own = self.own();
        let received = call.greeting.as_ref().unwrap_or(&own);

        // Concurrently: the slowest, not the sum. The first failure drops, and so cancels, the others.
        let ((), (), mut all) = tokio::try_join!(
            self.store(received, &call, &pending.store),
            self.publish(&own, &call, &pending.queue),
            self.upstreams.greet_all(&own, call.deadline, &call.carried),
        )?;
        all.greetings.insert(0, own);
        Ok(all)
    }

    /// As [`greet`](Self::greet), but sends each greeting to `sink` as soon as it is known, its own with `padding`. Returns the
    /// missing upstreams.
    pub(crate) async fn greet_each(
        &self,
        call: Call,
        pending: &Pending,
        sink: &Sink,
        padding: Option<Bytes>,
    ) -> Result<Missing, GreetError> {
        let own = self.own();
        let received = call.greeting.as_ref().unwrap_or(&own);
        let greet = async {
            tokio::try_join!(
                self.store(received, &call, &pending.store),
                self.publish(&own, &call, &pending.queue),
            )?;
            sink.send(proto::Greeting { padding, ..own.clone().into() }).await;
            Ok(())
        };
        let ((), missing) =
            tokio::try_join!(greet, self.upstreams.stream_all(&own, call.deadline, &call.carried, sink))?;
        Ok(missing)
    }

    fn own(&self) -> Greeting {
        Greeting::new(&self.role.service, &self.role.greeting, &self.role.hostname)
    }

    /// Stores the received greeting. A second call with the same greeting changes nothing.
    async fn store(&self, received: &Greeting, call: &Call, pending: &AtomicBool) -> Result<(), GreetError> {
        let Some(store) = &self.store else { return Ok(()) };
        let document = received.to_document().ok_or(GreetError::Invalid(
            "greeting.id must be a UUID such as 67e55044-10b1-426f-9247-bb680e5fe0c8",
        ))?;
        pending.store(true, Ordering::Relaxed);
        let faulted = Faulted::before(&self.faults, &Place::Store, call).await?;
        store.insert(&document).await?;
        faulted.after()?;
        pending.store(false, Ordering::Relaxed);
        Ok(())
    }

    async fn publish(&self, own: &Greeting, call: &Call, pending: &AtomicBool) -> Result<(), GreetError> {
        let Some(publisher) = &self.publisher else { return Ok(()) };
        let message = Message {
            id: own.id.clone(),
            headers: message_headers(&call.carried),
            body: message::encode_greeting(own),
        };
        pending.store(true, Ordering::Relaxed);
        let faulted = Faulted::before(&self.faults, &Place::Queue, call).await?;
        if faulted.duplicates() {
            // An id of its own: a queue may keep one message for each.
            let id = format!("{}-again", message.id);
            publisher.publish(Message { id, ..message.clone() }).await?;
        }
        publisher.publish(message).await?;
        faulted.after()?;
        pending.store(false, Ordering::Relaxed);
        Ok(())
    }
}

/// The propagated headers as message headers, without values that are not text.
fn message_headers(carried: &HeaderMap) -> Vec<(String, String)> {
    carried
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect()
}
