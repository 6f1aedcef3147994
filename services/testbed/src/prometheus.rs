//! A Prometheus for one test.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::lifeline::{Lifeline, Process};
use crate::{ports, program, ready};

const MISSING: &str = "prometheus is not installed: run `make tools`";

/// Prometheus, with the test's configuration, on a free port of 127.0.0.1.
///
/// Dropping it kills it and removes what it stored; it dies with the test process in any case.
pub struct Prometheus {
    socket: SocketAddr,
    // Killed before its directory goes.
    _server: Process,
    _lifeline: Lifeline,
}

impl Prometheus {
    /// Starts it and waits until it is ready. `files` are names and contents of files beside the configuration, for its
    /// `rule_files`.
    ///
    /// # Panics
    /// With a sentence if it is not installed; with the end of its log if it does not start, for example because of a
    /// fault in the configuration.
    pub async fn start(configuration: &str, files: &[(&str, &str)]) -> Self {
        let lifeline = Lifeline::new("prometheus");
        let directory = lifeline.directory();
        for (name, text) in [("prometheus.yaml", configuration)].iter().chain(files) {
            std::fs::write(directory.join(name), text).expect("a file can be written");
        }
        let socket = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ports::free_port());
        let log = directory.join("prometheus.log");
        let mut command = Command::new(program::on_path("prometheus").expect(MISSING));
        command
            .arg("--config.file=prometheus.yaml")
            .arg("--storage.tsdb.path=data")
            .arg("--enable-feature=exemplar-storage")
            .arg(format!("--web.listen-address={socket}"));
        let mut server = lifeline.spawn(&mut command, &log).expect("prometheus can be started");
        ready::wait("prometheus", &mut server, &log, async || ready::is_ok(socket, "/-/ready").await).await;
        Self { socket, _server: server, _lifeline: lifeline }
    }

    /// `http://127.0.0.1:PORT` and a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.socket)
    }
}
