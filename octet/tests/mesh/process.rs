//! A single process of the platform.

use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
    time::timeout,
};

use crate::platform::{PATIENCE, octet};

/// A process on ports chosen by the system.
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// `host:port` of its server.
    pub address: String,
    /// `host:port` of its admin server.
    pub admin: String,
}

impl Process {
    /// Starts `octet` with `arguments` and waits until it serves.
    pub async fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = octet();
        command
            .args(arguments)
            .env("PORT", "127.0.0.1:0")
            .env("ADMIN_PORT", "127.0.0.1:0")
            // Of the collector.
            .env("OTLP_GRPC_PORT", "127.0.0.1:0")
            .env("OTLP_HTTP_PORT", "127.0.0.1:0")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("octet starts");
        let stdout = child.stdout.take().expect("piped");
        let mut lines = BufReader::new(stdout).lines();
        let serving = logged(&mut lines, "serving").await;
        let address = |key: &str| serving[key].as_str().expect("an address").to_owned();
        let (address, admin) = (address("address"), address("admin"));
        Self { child, lines, address, admin }
    }

    /// Waits for the log line with this message.
    pub async fn logs(&mut self, message: &str) -> serde_json::Value {
        logged(&mut self.lines, message).await
    }

    pub fn pid(&self) -> Pid {
        let id = self.child.id().expect("running").try_into().expect("an id");
        Pid::from_raw(id).expect("an id")
    }

    pub fn signal(&self, signal: Signal) {
        octet_testbed::signal(self.pid(), signal);
    }

    pub async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.expect("it exits").expect("a status")
    }
}

async fn logged(lines: &mut Lines<BufReader<ChildStdout>>, message: &str) -> serde_json::Value {
    let found = timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.expect("readable") {
            let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            if line["message"] == message {
                return Some(line);
            }
        }
        None
    });
    found.await.expect("in time").unwrap_or_else(|| panic!("it exited without logging {message:?}"))
}
