//! An OTLP receiver that shares no code with Octet.

use std::net::{Ipv4Addr, SocketAddr};

use crate::lifeline::{Lifeline, Process};
use crate::{ports, python, ready};

/// A receiver of OTLP over HTTP, with OpenTelemetry's own protobuf classes for Python, on a free port of 127.0.0.1.
///
/// It refuses requests that the protocol forbids, and returns what it received at `/spans`. Dropping it kills it; it dies
/// with the test process in any case.
pub struct OtlpReceiver {
    socket: SocketAddr,
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
        let log = lifeline.directory().join("otlp.log");
        let mut command = python::program("otlp_receiver.py");
        command.arg(socket.port().to_string());
        let mut server = lifeline.spawn(&mut command, &log).expect("python3 can be started");
        ready::wait("the OTLP receiver", &mut server, &log, async || ready::is_ok(socket, "/ready").await)
            .await;
        Self { socket, _server: server, _lifeline: lifeline }
    }

    /// `http://127.0.0.1:PORT` and a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.socket)
    }
}
