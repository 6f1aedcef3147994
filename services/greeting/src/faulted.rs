//! A step between a service and its store or queue, with the faults that hit it.

use octet_runtime::{
    faults::{Faults, Hits, Place},
    telemetry::{Span, SpanKind},
};

use crate::{failure::GreetError, greeter::Call};

/// A step in progress; nothing where no fault hits it, as almost always.
pub(crate) struct Faulted(Option<(Hits, Span)>);

impl Faulted {
    /// What acts before the step.
    ///
    /// # Errors
    /// [`GreetError::Injected`], instead of the step.
    pub(crate) async fn before(faults: &Faults, place: &Place<'_>, call: &Call) -> Result<Self, GreetError> {
        let Some(mut hits) = faults.on(place, &call.carried, 0) else { return Ok(Self(None)) };
        // A span of its own: that of the step is made by the store or the publisher.
        let mut span = Span::child(SpanKind::Internal, "fault");
        hits.mark(&mut span);
        hits.before(call.deadline).await.map_err(GreetError::Injected)?;
        Ok(Self(Some((hits, span))))
    }

    /// Whether the message is published twice.
    pub(crate) fn duplicates(&self) -> bool {
        self.0.as_ref().is_some_and(|(hits, _)| hits.duplicates())
    }

    /// What acts after the step.
    ///
    /// # Errors
    /// [`GreetError::Injected`], although the step is done.
    pub(crate) fn after(self) -> Result<(), GreetError> {
        match self.0 {
            Some((hits, _)) => hits.after(Ok(())).map_err(GreetError::Injected),
            None => Ok(()),
        }
    }
}
