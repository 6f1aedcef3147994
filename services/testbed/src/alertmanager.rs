//! An Alertmanager for one test.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::lifeline::{Lifeline, Process};
use crate::{ports, program, ready};

const MISSING: &str = "prometheus-alertmanager is not installed: run `make tools`";

/// Alertmanager without peers, with the test's configuration, on a free port of 127.0.0.1.
///
/// Dropping it kills it and removes what it stored; it dies with the test process in any case.
pub struct Alertmanager {
    socket: SocketAddr,
    // Killed before its directory goes.
    _server: Process,
    _lifeline: Lifeline,
}

impl Alertmanager {
    /// Starts it and waits until it is ready. `files` are names and contents of files beside the configuration, which may
    /// use their relative paths.
    ///
    /// # Panics
    /// With a sentence if it is not installed; with the end of its log if it does not start, for example because of a
    /// fault in the configuration.
    pub async fn start(configuration: &str, files: &[(&str, &str)]) -> Self {
        let lifeline = Lifeline::new("alertmanager");
        let directory = lifeline.directory();
        for (name, text) in [("alertmanager.yaml", configuration)].iter().chain(files) {
            std::fs::write(directory.join(name), text).expect("a file can be written");
        }
        let socket = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ports::free_port());
        let log = directory.join("alertmanager.log");
        // Debian's name first.
        let program =
            program::on_path("prometheus-alertmanager").or_else(|| program::on_path("alertmanager"));
        let mut command = Command::new(program.expect(MISSING));
        command
            .arg("--config.file=alertmanager.yaml")
            .arg("--storage.path=data")
            .arg("--cluster.listen-address=")
            .arg(format!("--web.listen-address={socket}"));
        let mut server = lifeline.spawn(&mut command, &log).expect("alertmanager can be started");
        ready::wait("alertmanager", &mut server, &log, async || ready::is_ok(socket, "/-/ready").await).await;
        Self { socket, _server: server, _lifeline: lifeline }
    }

    /// `127.0.0.1:PORT`, where it listens.
    pub fn address(&self) -> SocketAddr {
        self.socket
    }
}
