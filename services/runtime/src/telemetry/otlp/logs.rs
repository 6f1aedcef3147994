//! Exports log records. A record is encoded as its line is logged.

use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse},
    logs::v1::LogRecord,
};

use super::{
    client::{Client, Messages},
    spans::FULL,
};
use crate::telemetry::batch::Exporter;

/// The number of `ScopeLogs.log_records`.
const LOG_RECORDS: u32 = 2;

struct Logs;

impl Messages for Logs {
    type Request = ExportLogsServiceRequest;
    type Response = ExportLogsServiceResponse;
    const ITEMS: &'static str = "log records";

    fn rejected(response: Self::Response) -> Option<(i64, String)> {
        response.partial_success.map(|partial| (partial.rejected_log_records, partial.error_message))
    }
}

/// Posts batches of log records to an OTLP backend.
#[derive(Debug)]
pub(in crate::telemetry) struct LogExporter(pub(in crate::telemetry) Client);

impl Exporter for LogExporter {
    const ITEMS: &'static str = Logs::ITEMS;

    type Item<'a> = &'a LogRecord;

    /// Elements of `ScopeLogs.log_records`.
    type Batch = Vec<u8>;

    fn name(&self) -> &'static str {
        "otlp"
    }

    fn add(&self, batch: &mut Vec<u8>, record: &LogRecord) {
        prost::encoding::message::encode(LOG_RECORDS, record, batch);
    }

    fn is_large(&self, batch: &Vec<u8>) -> bool {
        batch.len() >= FULL
    }

    async fn export(&self, batch: Vec<u8>, _dropped: u64) -> Result<usize, String> {
        self.0.post::<Logs>(&batch, 0).await
    }
}
