//! Ends a server's processes and removes its directory, however the test process ends.

use std::fs::{File, OpenOptions};
use std::io::Error;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

/// Waits until its input is closed, by the end of the test process or of the [`Lifeline`].
const SWEEP: &str = r#"
read -r _
kill -s KILL -- "-$1" 2>/dev/null
tries=100
until rm -rf -- "$2" 2>/dev/null || [ "$tries" -eq 0 ]; do
  tries=$((tries - 1))
  sleep 0.05
done
"#;

/// A directory, and a process group whose members end with this value or with its process.
///
/// Two shells implement it: the anchor is the group's leader; the sweeper, outside the group, kills the group and removes
/// the directory once its input has no writer left. A server that is being spawned keeps that input open until it has
/// joined the group, so none escapes.
pub(crate) struct Lifeline {
    directory: PathBuf,
    anchor: Child,
    sweeper: Child,
}

impl Lifeline {
    /// The directory's name starts with `octet-` and `purpose`.
    pub(crate) fn new(purpose: &str) -> Self {
        let directory = tempfile::Builder::new()
            .prefix(&format!("octet-{purpose}-"))
            .tempdir()
            .expect("a temporary directory can be made")
            .keep();
        let anchor = shell("read -r _", &[]);
        let sweeper = shell(SWEEP, &[&anchor.id().to_string(), &directory.to_string_lossy()]);
        Self { directory, anchor, sweeper }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Starts a server whose output is appended to `log`.
    ///
    /// # Errors
    /// The system's error, most often that the program does not exist.
    pub(crate) fn spawn(&self, command: &mut Command, log: &Path) -> Result<Process, Error> {
        let output: File = OpenOptions::new().create(true).append(true).open(log)?;
        let group = i32::try_from(self.anchor.id()).expect("a process id is an i32");
        let child = command
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(group)
            .spawn()?;
        Ok(Process { child, killed: false })
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        let _ = kill_process_group(pid(&self.anchor), Signal::KILL);
        let _ = self.anchor.wait();
        // `wait` closes the input first, which starts the sweeper.
        let _ = self.sweeper.wait();
    }
}

/// One server process. It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    killed: bool,
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process and waits until it is dead. A second call does nothing.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.killed = true;
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Stops the process: its connections stay open without an answer.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// # Panics
    /// When the process was killed.
    fn signal(&self, signal: Signal) {
        // Another process may have a dead process's id.
        assert!(!self.killed, "a server that was killed cannot be frozen or thawed");
        crate::signal(pid(&self.child), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A shell in its own process group, so that Ctrl-C does not end it before the test process.
fn shell(script: &str, arguments: &[&str]) -> Child {
    Command::new("sh")
        .args(["-c", script, "octet-testbed"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a shell can be started")
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}
