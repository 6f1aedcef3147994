//! Who writes a topic, and whether it still runs.

use std::{
    collections::BTreeSet,
    fs,
    sync::{LazyLock, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The writers of this process.
static RUNNING: LazyLock<Mutex<BTreeSet<String>>> = LazyLock::new(Mutex::default);

/// A writer, as the state names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Writer {
    id: String,
    /// For people.
    host: String,
    process: u32,
    /// The start of the machine, and the namespace that process ids are of.
    machine: String,
    /// When the process started, in ticks since the start of the machine: process ids are used again.
    started: String,
}

impl Writer {
    fn new() -> Self {
        let process = std::process::id();
        Self {
            id: Uuid::new_v4().to_string(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            process,
            machine: machine(),
            started: started(process).unwrap_or_default(),
        }
    }

    /// Whether it is known to have ended. `false` where it cannot be known, as on another machine.
    pub(super) fn has_ended(&self) -> bool {
        if self.machine.is_empty() || self.machine != machine() {
            return false;
        }
        if self.process == std::process::id() && started(self.process).as_deref() == Some(&self.started) {
            return !RUNNING.lock().unwrap_or_else(PoisonError::into_inner).contains(&self.id);
        }
        started(self.process).is_none_or(|started| started != self.started)
    }

    /// For messages.
    pub(crate) fn describe(&self) -> String {
        format!("process {} on {}", self.process, self.host)
    }
}

/// The own writer, as long as the value lives.
#[derive(Debug)]
pub(crate) struct Running {
    pub(super) writer: Writer,
}

impl Running {
    pub(super) fn new() -> Self {
        let writer = Writer::new();
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).insert(writer.id.clone());
        Self { writer }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.writer.id);
    }
}

/// Empty where the system does not say.
fn machine() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    match (boot, fs::read_link("/proc/self/ns/pid")) {
        (Ok(boot), Ok(namespace)) => format!("{} {}", boot.trim(), namespace.display()),
        _ => String::new(),
    }
}

/// `None` if the process does not run, or is a zombie.
fn started(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name is in brackets and may contain anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18).map(str::to_owned)).flatten()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_writer_of_this_process_ends_with_its_value() {
        let running = Running::new();
        let writer = running.writer.clone();
        assert!(!writer.has_ended());
        drop(running);
        assert!(writer.has_ended());
    }

    #[test]
    fn a_killed_process_has_ended_and_one_of_another_machine_is_unknown() {
        let mut child = Command::new("sleep").arg("600").spawn().expect("sleep");
        let started = started(child.id()).expect("it runs");
        let writer = Writer { process: child.id(), started, ..Writer::new() };
        assert!(!writer.has_ended());
        child.kill().expect("a signal");
        child.wait().expect("its end");
        assert!(writer.has_ended());
        assert!(!Writer { machine: "another".to_owned(), ..writer }.has_ended());
    }
}
