//! A call's metrics, span and log context, which end together.

use octet_runtime::{
    logs::{self, HEADERS},
    metrics::GrpcCall,
    telemetry::{GrpcSpan, code_name},
};
use tonic::{Code, Status, metadata::MetadataMap};
use tracing::Instrument;

/// A call that is being answered. Dropped before its [end](Self::end), it counts as cancelled.
pub(super) struct ObservedCall {
    path: &'static str,
    measured: GrpcCall,
    span: GrpcSpan,
    log: tracing::Span,
}

impl ObservedCall {
    pub(super) fn new(path: &'static str, measured: GrpcCall, span: GrpcSpan, log: tracing::Span) -> Self {
        Self { path, measured, span, log }
    }

    /// Runs `work` in the call's log context; spans that it starts are children of the call's span.
    pub(super) async fn scope<F: Future>(&self, work: F) -> F::Output {
        self.span.span().scope(work).instrument(self.log.clone()).await
    }

    /// Ends the call with the metadata that its caller receives, or its status.
    pub(super) fn end(self, outcome: Result<&MetadataMap, &Status>) {
        let code = outcome.map_or_else(Status::code, |_| Code::Ok);
        let shown = || logs::masked(outcome.unwrap_or_else(Status::metadata).as_ref());
        self.log.in_scope(|| {
            let (path, code) = (self.path, code_name(code));
            tracing::debug!(target: HEADERS, path, code, headers = %shown(), "response sent");
        });
        self.measured.end(code);
        self.span.end(outcome.map(|_| ()));
    }
}
