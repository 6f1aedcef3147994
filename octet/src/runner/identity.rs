//! One process of the system, by its id and its start, since ids are reused.

use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde::{Deserialize, Serialize};

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its id.
    pub pid: i32,
    /// When it started, in the kernel's clock ticks since boot; `None` where the system has no `/proc`.
    pub started: Option<u64>,
}

impl Identity {
    /// This process.
    pub fn of_this_process() -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        Self { pid, started: started(pid) }
    }

    /// Whether the process has not ended.
    pub fn is_alive(&self) -> bool {
        let exists = Pid::from_raw(self.pid).is_some_and(|pid| match test_kill_process(pid) {
            Ok(()) => true,
            // It belongs to another user.
            Err(error) => error == rustix::io::Errno::PERM,
        });
        exists && started(self.pid) == self.started
    }

    /// Asks the process to end. A process that has the id of an ended one receives nothing.
    ///
    /// # Errors
    /// If this user may not signal it, or it has ended.
    pub fn terminate(&self) -> io::Result<()> {
        if !self.is_alive() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let pid = Pid::from_raw(self.pid).ok_or(io::ErrorKind::InvalidData)?;
        kill_process(pid, Signal::TERM)?;
        // A stopped process handles the signal only when it continues.
        Ok(kill_process(pid, Signal::CONT)?)
    }
}

/// Field 22 of `/proc/PID/stat`; `None` also for a zombie, which has ended.
fn started(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name in parentheses, may contain anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_alive_until_it_ends_and_a_reused_id_is_another_process() {
        let this = Identity::of_this_process();
        assert!(this.is_alive());
        let earlier = Identity { started: this.started.map(|ticks| ticks - 1), ..this };
        assert_eq!(earlier.is_alive(), this.started.is_none());

        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let other = Identity { pid, started: started(pid) };
        let reused = Identity { started: Some(1), ..other };
        assert!(reused.terminate().is_err(), "a process with a reused id receives no signal");
        assert!(child.try_wait().unwrap().is_none());
        other.terminate().unwrap();
        child.wait().unwrap();
        assert!(!other.is_alive());
        assert!(other.terminate().is_err());
    }
}
