//! The use case: greet, store, publish and call every upstream.

use std::sync::Arc;

use http::HeaderMap;
use octet_backends::{
    queue::{Message, Publisher},
    store::DocumentStore,
};
use octet_runtime::deadline::Deadline;

use crate::{
    failure::GreetError,
    greeting::Greeting,
    message,
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

/// The service in its role.
pub(crate) struct Greeter {
    pub(crate) role: Role,
    pub(crate) store: Option<Arc<dyn DocumentStore>>,
    pub(crate) publisher: Option<Arc<dyn Publisher>>,
    pub(crate) upstreams: Upstreams,
}

impl Greeter {
    /// Returns its own greeting, then each upstream's greetings in declared order.
    ///
    /// A greeting in the answer claims that its service stored the greeting it received and that the queue confirmed
    /// its own. The caller enforces the deadline: dropping the future cancels everything it started.
    pub(crate) async fn greet(&self, call: Call) -> Result<Gathered, GreetError> {
        let own = Greeting::new(&self.role.service, &self.role.greeting, &self.role.hostname);
        let received = call.greeting.as_ref().unwrap_or(&own);

        // Concurrently: the slowest, not the sum. The first failure drops, and so cancels, the others.
        let ((), (), mut all) = tokio::try_join!(
            self.store(received),
            self.publish(&own, &call.carried),
            self.upstreams.greet_all(&own, call.deadline, &call.carried),
        )?;
        all.greetings.insert(0, own);
        Ok(all)
    }

    /// Stores the received greeting. A second call with the same greeting changes nothing.
    async fn store(&self, received: &Greeting) -> Result<(), GreetError> {
        let Some(store) = &self.store else { return Ok(()) };
        let document = received.to_document().ok_or(GreetError::Invalid(
            "greeting.id must be a UUID such as 67e55044-10b1-426f-9247-bb680e5fe0c8",
        ))?;
        store.insert(&document).await?;
        Ok(())
    }

    async fn publish(&self, own: &Greeting, carried: &HeaderMap) -> Result<(), GreetError> {
        let Some(publisher) = &self.publisher else { return Ok(()) };
        let message = Message {
            id: own.id.clone(),
            headers: message_headers(carried),
            body: message::encode_greeting(own),
        };
        publisher.publish(message).await?;
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
