//! Inserts of a message, with the faults that hit them.

use http::{HeaderMap, HeaderName, HeaderValue};
use octet_backends::store::{Inserted, StoreError};
use octet_runtime::{
    deadline::{DEFAULT_TIMEOUT, Deadline},
    faults::{FAULT, Faults, Place},
    telemetry::Span,
};

/// The inserts of one message, which is tried again until it is stored.
pub(super) struct FaultedInserts<'a> {
    faults: &'a Faults,
    headers: HeaderMap,
    attempt: u64,
    /// Whether the message's span names its faults.
    is_marked: bool,
}

impl<'a> FaultedInserts<'a> {
    /// `None` where no fault can act, as almost always.
    pub(super) fn new(faults: &'a Faults, headers: &[(String, String)]) -> Option<Self> {
        let names = headers.iter().any(|(name, _)| name == FAULT.as_str());
        if !names && !faults.may_act(&HeaderMap::new()) {
            return None;
        }
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                map.append(name, value);
            }
        }
        // A message comes from a service that has checked the header. A proof may have expired while it waited.
        if let Err(error) = faults.admit(&mut map, |_| true) {
            tracing::warn!(%error, "the message's octet-fault is ignored");
            map.remove(FAULT);
        }
        Some(Self { faults, headers: map, attempt: 0, is_marked: false })
    }

    /// One insert. An injected failure is one of the store: the message is tried again.
    pub(super) async fn insert(
        &mut self,
        insert: impl Future<Output = Result<Inserted, StoreError>>,
        span: &mut Span,
    ) -> Result<Inserted, StoreError> {
        let hits = self.faults.on(&Place::Store, &self.headers, self.attempt);
        self.attempt += 1;
        let Some(mut hits) = hits else { return insert.await };
        if !std::mem::replace(&mut self.is_marked, true) {
            hits.mark(span);
        }
        let unavailable = |status: tonic::Status| StoreError::Unavailable(status.message().to_owned());
        // Nobody waits for a message, so that it has the deadline of a call without one.
        hits.before(Deadline::after(DEFAULT_TIMEOUT)).await.map_err(unavailable)?;
        let inserted = insert.await?;
        hits.after(Ok(inserted)).map_err(unavailable)
    }
}
