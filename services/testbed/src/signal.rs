//! Signals to processes.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const LIMIT: Duration = Duration::from_mins(1);

/// Sends a process a signal. After STOP, waits until each of its threads has stopped: on a busy machine a thread may
/// run for a while after the signal.
///
/// # Panics
/// When there is no such process, or it has not stopped after a minute.
pub fn signal(pid: Pid, signal: Signal) {
    kill_process(pid, signal).expect("the process runs");
    let started = Instant::now();
    while signal == Signal::STOP && !has_stopped(pid) {
        assert!(started.elapsed() < LIMIT, "process {} has not stopped", pid.as_raw_nonzero());
        std::thread::yield_now();
    }
}

fn has_stopped(pid: Pid) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).expect("the process runs");
    // "1 (a name) T …". A thread that has ended has no file.
    let state = |stat: &str| stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok())
        .all(|stat| matches!(state(&stat), Some('T' | 'Z' | 'X')))
}
