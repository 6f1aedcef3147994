//! One child process: its process group, log file and lifeline.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use octet_runtime::process::RESTARTS;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};

use super::{data_directory::DataDirectory, log_file, plan::ProcessPlan};
use crate::output;

/// A running process. Dropping it kills the process.
pub(super) struct Running {
    child: Child,
    /// When it closes, the child drains. The kernel closes it however this process ends.
    _lifeline: Option<ChildStdin>,
    pid_file: PathBuf,
}

impl Running {
    /// Starts the process, which reports that it has been restarted `restarts` times.
    pub(super) fn start(
        program: &Path,
        process: &ProcessPlan,
        data: &DataDirectory,
        restarts: u64,
    ) -> io::Result<Self> {
        let log = log_file::open(&data.log(&process.name))?;
        let mut command = Command::new(program);
        for name in &process.unset {
            command.env_remove(name);
        }
        command
            .args(&process.arguments)
            .envs(&process.set)
            .env(RESTARTS, restarts.to_string())
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // In a group of its own, so that Ctrl-C at the terminal reaches the runner alone, which ends all in order.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let lifeline = child.stdin.take();
        let pid_file = data.pid_file(&process.name);
        if let Some(id) = child.id() {
            // A full disk is no reason to end a running process.
            let written = fs::File::create(&pid_file).and_then(|mut file| writeln!(file, "{id}"));
            if let Err(error) = written {
                output::line(format!(
                    "octet: {}: cannot write process id {id} to {}: {error}",
                    process.name,
                    pid_file.display()
                ));
            }
        }
        Ok(Self { child, _lifeline: lifeline, pid_file })
    }

    /// Its process id; `None` once it has ended.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Makes the process drain.
    pub(super) fn terminate(&self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // This fails only if the process has ended; its id is not reused before it is waited for.
            let _ = kill_process(pid, Signal::TERM);
            // A stopped process handles the signal only when it continues.
            let _ = kill_process(pid, Signal::CONT);
        }
    }

    pub(super) fn kill(&mut self) {
        // This too fails only if the process has ended.
        let _ = self.child.start_kill();
    }

    /// Waits for the process to end, and kills it after `patience`.
    pub(super) async fn ended_within(&mut self, patience: Duration) {
        if tokio::time::timeout(patience, self.ended()).await.is_err() {
            self.kill();
            let _ = self.ended().await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.pid_file);
    }
}
