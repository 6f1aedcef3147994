//! One child process: its own group, its log file, its lifeline.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};

use super::{data_directory::DataDirectory, log_file, plan::ProcessPlan};
use crate::output;

/// A process that runs. Dropping it kills it.
pub(super) struct Running {
    child: Child,
    /// Its end, which the kernel brings about however this process ends, has the child drain.
    _lifeline: Option<ChildStdin>,
    pid_file: PathBuf,
}

impl Running {
    pub(super) fn start(program: &Path, process: &ProcessPlan, data: &DataDirectory) -> io::Result<Self> {
        let log = log_file::open(&data.log(&process.name))?;
        let mut command = Command::new(program);
        command
            .args(&process.arguments)
            .envs(&process.set)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A group of its own: Ctrl-C at the terminal reaches the runner alone, which ends all in order.
            .process_group(0)
            .kill_on_drop(true);
        for name in &process.unset {
            command.env_remove(name);
        }
        let mut child = command.spawn()?;
        let lifeline = child.stdin.take();
        let pid_file = data.pid_file(&process.name);
        if let Some(id) = child.id() {
            // A disk without room for it is no reason to end a process that runs.
            let written = fs::File::create(&pid_file).and_then(|mut file| writeln!(file, "{id}"));
            if let Err(error) = written {
                output::line(format!(
                    "octet: {} is process {id}; cannot write that down: {error}",
                    process.name
                ));
            }
        }
        Ok(Self { child, _lifeline: lifeline, pid_file })
    }

    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks the process to drain.
    pub(super) fn terminate(&self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // A process that ended meanwhile has no need of the signal; its id stays ours until it is waited for.
            let _ = kill_process(pid, Signal::TERM);
            // One that somebody stopped hears it only when it goes on.
            let _ = kill_process(pid, Signal::CONT);
        }
    }

    pub(super) fn kill(&mut self) {
        // As above.
        let _ = self.child.start_kill();
    }

    /// Waits for the end, and kills what has not ended after `patience`.
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
