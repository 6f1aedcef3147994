//! An OTLP receiver that shares no code with Octet.

use std::net::{Ipv4Addr, SocketAddr};

use crate::lifeline::{Lifeline, Process};
use crate::{ports, python, ready};

/// A receiver of OTLP over HTTP and gRPC, with OpenTelemetry's own protobuf classes for Python, on free ports of 127.0.0.1.
///
/// It refuses requests that the protocol forbids, and returns what it received at `/spans`, `/metrics` and `/logs`. Dropping it kills it; it dies
/// with the test process in any case.
pub struct OtlpReceiver {
    socket: SocketAddr,
    grpc: SocketAddr,
    // Killed before its directory goes.
    _server: Process,
    _lifeline: Lifeline,
}

impl OtlpReceiver {
    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// With a sentence if its libraries are not installed; with the end of its log if it does not start.
    pub async fn start() -> Self {
        let lifeline = Lifeline::new("otlp");
        let socket = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ports::free_port());
        let grpc = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ports::free_port());
        let log = lifeline.directory().join("otlp.log");
        let mut command = python::program("otlp_receiver.py");
        command.arg(socket.port().to_string()).arg(grpc.port().to_string());
        let mut server = lifeline.spawn(&mut command, &log).expect("python3 can be started");
        ready::wait("the OTLP receiver", &mut server, &log, async || ready::is_ok(socket, "/ready").await)
            .await;
        Self { socket, grpc, _server: server, _lifeline: lifeline }
    }

    /// `http://127.0.0.1:PORT` and a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.socket)
    }

    /// Where it takes OTLP over HTTP.
    pub fn http(&self) -> SocketAddr {
        self.socket
    }

    /// Where it takes OTLP over gRPC.
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }
}

/// Reports a call from `py-front` to `py-back` that failed there, by OpenTelemetry's SDK for Python, over `protocol` to
/// `endpoint`. Returns the trace's id.
///
/// # Panics
/// With a sentence if the SDK is not installed; with its error if it fails.
pub fn otel_sdk_spans(protocol: &str, endpoint: &str) -> String {
    let output = python::program("otel_sdk_spans.py").args([protocol, endpoint]).output();
    let output = output.expect("python3 can be started");
    assert!(output.status.success(), "the SDK: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("digits").trim().to_owned()
}
