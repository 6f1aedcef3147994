//! Reads and decompresses the bodies of reports, within limits on time, on both sizes, and on all bodies together.

use std::{
    collections::BTreeMap,
    io::Read as _,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, StatusCode, header},
};
use flate2::bufread::MultiGzDecoder;
use http_body_util::BodyExt;
use tokio::{sync::Notify, task::yield_now, time::timeout};

use super::{Refusal, chunks::Chunks};

const MIB: usize = 1024 * 1024;

/// The maximum size of a compressed body.
pub(super) const MAX_COMPRESSED: usize = 5 * MIB;

/// The maximum size of a report, which is Zipkin's own.
pub(super) const MAX_REPORT: usize = 10 * MIB;

/// The maximum size of all bodies in memory together.
const MAX_BODIES: usize = 16 * MIB;

/// The prefix of a gRPC message: a flag for compression, and the message's length.
const PREFIX: usize = 5;

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// The number of bytes that are decompressed before other requests have their turn.
const GROWTH: usize = 256 * 1024;

/// The maximum time for a body to arrive.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The bodies in memory. When they need too much of it, the one that has been arriving for longest is given up: a sender
/// that delays the end of its body cannot keep out one that does not.
#[derive(Debug, Default)]
pub(super) struct Bodies(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The size of all buffers, including those of bodies that have arrived.
    bytes: usize,
    last: u64,
    /// In the order of their start.
    arriving: BTreeMap<u64, Arriving>,
}

/// A body that is arriving. Its buffer is here, so that it is freed at once when the body is given up.
#[derive(Debug)]
struct Arriving {
    buffer: Chunks,
    given_up: Arc<Notify>,
}

/// A body that is arriving, for the one who reads it.
struct Receiver {
    bodies: Arc<Bodies>,
    number: u64,
    given_up: Arc<Notify>,
}

/// A body that has arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    is_compressed: bool,
    /// The offset of the report.
    start: usize,
    /// In one buffer, as soon as it is this report's turn.
    buffer: Chunks,
    /// What the body counts for until it is dropped.
    counted: usize,
    bodies: Arc<Bodies>,
}

impl Bodies {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(self: &Arc<Self>) -> Receiver {
        let given_up = Arc::new(Notify::new());
        let mut state = self.lock();
        state.last += 1;
        let number = state.last;
        state.arriving.insert(number, Arriving { buffer: Chunks::default(), given_up: given_up.clone() });
        Receiver { bodies: self.clone(), number, given_up }
    }
}

impl Receiver {
    /// Appends to the body, and gives up the oldest ones where there is too little memory.
    fn append(&self, data: &[u8], limit: usize) -> Result<(), Refusal> {
        let mut state = self.bodies.lock();
        let State { bytes, arriving, .. } = &mut *state;
        let Some(Arriving { buffer, .. }) = arriving.get_mut(&self.number) else { return Err(busy()) };
        if buffer.len() + data.len() > limit {
            return Err(too_large(limit, ""));
        }
        *bytes -= buffer.capacity();
        buffer.append(data);
        *bytes += buffer.capacity();
        while *bytes > MAX_BODIES {
            let Some((_, oldest)) = arriving.pop_first() else { break };
            *bytes -= oldest.buffer.capacity();
            oldest.given_up.notify_one();
        }
        if arriving.contains_key(&self.number) { Ok(()) } else { Err(busy()) }
    }

    /// The body, which is not given up any more.
    fn finish(self) -> Result<Chunks, Refusal> {
        self.bodies.lock().arriving.remove(&self.number).map(|arriving| arriving.buffer).ok_or_else(busy)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut state = self.bodies.lock();
        if let Some(Arriving { buffer, .. }) = state.arriving.remove(&self.number) {
            state.bytes -= buffer.capacity();
        }
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        self.bodies.lock().bytes -= self.counted;
    }
}

/// The answer to a report that there is no room for.
pub(super) fn busy() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many concurrent reports; try again later")
}

/// Whether the report of a request is compressed with gzip, by the header of its encoding.
pub(super) fn is_gzip(headers: &HeaderMap, name: &HeaderName) -> Result<bool, Refusal> {
    match headers.get(name).map(|value| value.as_bytes().to_ascii_lowercase()).as_deref() {
        None | Some(b"" | b"identity") => Ok(false),
        Some(b"gzip" | b"x-gzip") => Ok(true),
        Some(_) => {
            let message = format!("{name} must be gzip or identity");
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
        }
    }
}

/// Reads a whole body.
pub(super) async fn read(bodies: &Arc<Bodies>, headers: &HeaderMap, body: Body) -> Result<Arrived, Refusal> {
    let is_compressed = is_gzip(headers, &header::CONTENT_ENCODING)?;
    let limit = if is_compressed { MAX_COMPRESSED } else { MAX_REPORT };
    let buffer = read_within(bodies, body, limit).await?;
    Ok(Arrived::new(bodies, buffer, 0, is_compressed))
}

/// Reads the one message of a unary gRPC request.
pub(super) async fn read_message(
    bodies: &Arc<Bodies>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Arrived, Refusal> {
    let is_gzip = is_gzip(headers, &GRPC_ENCODING)?;
    let buffer = read_within(bodies, body, MAX_REPORT + PREFIX).await?;
    let mut arrived = Arrived::new(bodies, buffer, PREFIX, false);
    let Some(prefix) = arrived.buffer.first().first_chunk::<PREFIX>() else {
        return Err(Refusal::bad("the request has no message"));
    };
    let [flag, length @ ..] = *prefix;
    let received = arrived.buffer.len() - PREFIX;
    if usize::try_from(u32::from_be_bytes(length)).ok() != Some(received) {
        return Err(Refusal::bad("the request must be one message of the length in its prefix"));
    }
    match flag {
        0 => Ok(arrived),
        1 if !is_gzip => Err(Refusal::bad("a compressed message needs the header grpc-encoding")),
        1 if received > MAX_COMPRESSED => Err(too_large(MAX_COMPRESSED, "")),
        1 => {
            arrived.is_compressed = true;
            Ok(arrived)
        }
        _ => Err(Refusal::bad("the message has an unknown flag")),
    }
}

async fn read_within(bodies: &Arc<Bodies>, body: Body, limit: usize) -> Result<Chunks, Refusal> {
    let receiver = bodies.start();
    tokio::select! {
        received = timeout(TIMEOUT, receive(body, limit, &receiver)) => match received {
            Ok(received) => received?,
            Err(_) => {
                return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"));
            }
        },
        () = receiver.given_up.notified() => return Err(busy()),
    }
    receiver.finish()
}

async fn receive(mut body: Body, limit: usize, receiver: &Receiver) -> Result<(), Refusal> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            tracing::debug!(%error, "body ended early");
            Refusal::bad("the body ended early")
        })?;
        if let Some(data) = frame.data_ref() {
            receiver.append(data, limit)?;
        }
    }
    Ok(())
}

impl Arrived {
    fn new(bodies: &Arc<Bodies>, buffer: Chunks, start: usize, is_compressed: bool) -> Self {
        let counted = buffer.capacity();
        Self { is_compressed, start, buffer, counted, bodies: bodies.clone() }
    }

    /// The report, decompressed with pauses for other requests.
    pub(super) async fn report(&mut self) -> Result<Vec<u8>, Refusal> {
        let mut sent = mem::take(&mut self.buffer).into_contiguous();
        if !self.is_compressed {
            sent.drain(..self.start);
            return Ok(sent);
        }
        let mut decoder = MultiGzDecoder::new(sent.get(self.start..).unwrap_or_default());
        let mut report = Vec::new();
        loop {
            // In steps, because a buffer that doubles would take up to twice its size.
            if report.capacity() - report.len() < GROWTH {
                report.reserve_exact(4 * GROWTH);
            }
            // Stops at the limit, since a few bytes can decompress to very many.
            match decoder.by_ref().take(GROWTH as u64).read_to_end(&mut report) {
                Ok(0) => return Ok(report),
                Ok(_) if report.len() > MAX_REPORT => {
                    return Err(too_large(MAX_REPORT, " after decompression"));
                }
                Ok(_) => yield_now().await,
                Err(error) => return Err(Refusal::bad(format!("the body is not gzip: {error}"))),
            }
        }
    }
}

fn too_large(limit: usize, suffix: &str) -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the body exceeds the limit of {limit} bytes{suffix}"),
    )
}
