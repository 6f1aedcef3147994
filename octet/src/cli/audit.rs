//! The arguments of `octet audit`.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{Format, wait};

/// The arguments of `octet audit`.
#[derive(Debug, Clone, Args)]
pub struct Audit {
    /// File of answers to check: saved gateway responses, one JSON object per line; `-` reads stdin
    #[arg(long, value_name = "FILE")]
    pub answered: Option<PathBuf>,
    /// Check the traces of the answers instead of stores and queues
    #[arg(
        long,
        value_name = "URL",
        requires = "answered",
        help = "Check the traces of the answers instead of stores and queues, at a server with Zipkin's v2 API, such as \
                http://localhost:9411"
    )]
    pub traces: Option<String>,
    /// With --traces: pages of metrics whose counters must agree with the answers
    #[arg(
        long,
        value_name = "URL",
        requires = "traces",
        help = "With --traces: a page of metrics whose counters must agree with the answers, such as \
                http://localhost:9001/metrics; once for each process"
    )]
    pub metrics: Vec<String>,
    /// Wait up to this long, such as 30s, for queued messages to be stored and spans to arrive; a message still queued then is
    /// a gap
    #[arg(long, value_name = "DURATION", value_parser = wait)]
    pub wait: Option<Duration>,
    /// List every gap or finding on a line of its own: id, service and reason
    #[arg(long, requires = "answered")]
    pub ids: bool,
    /// Data directory of `octet up`, instead of `STORE_URL` and `QUEUE_URL` [default: .octet]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The topology file that the services ran with
    #[arg(
        long,
        value_name = "FILE",
        help = "Topology file that the services ran with, instead of the one in the data directory [env: TOPOLOGY]"
    )]
    pub topology: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

pub(super) const AFTER: &str = "\
Each greeting in an answer claims that its service stored the greeting it received and that the queue accepted the \
greeting it published. The document must contain what the answer contains, and no id may be in two answers.

With --traces, each greeting claims the spans of its call. The file must name the trace of each answer: by a line \
`traceresponse: VALUE` after it, as curl -w '\\ntraceresponse: %header{traceresponse}\\n' prints, or by a member \
\"traceresponse\".

`octet up` records its topology, QUEUE_NAME and FAILURE_POLICY in the data directory. For other services, set the same \
values for the audit; if a service ran with GREETING, put that text into the topology file.

Exit status:
  0   no gap, and no finding
  1   a gap (a document is missing or altered, a message was dead-lettered or is still queued after --wait, an answer \
is invalid, an id is in two answers), a finding (a span is lost, doubled or has a wrong parent, a counter is off), \
nothing to check, or a store, queue or trace that cannot be read
  64  invalid arguments, environment or FILE";
