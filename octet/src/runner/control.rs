//! Orders for single processes, as lines on stdin: `stop NAME` drains a process, `kill NAME` kills it, and it stays down until
//! `start NAME`. The end of stdin ends the platform.
//!
//! `octet scenario` starts its `octet up` so.

use std::{collections::BTreeMap, io::BufRead, thread};

use tokio::sync::watch;

/// How a process is taken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// It drains.
    Stop,
    /// It is killed.
    Kill,
}

/// The processes that must be down, by name.
pub(super) type Holds = BTreeMap<String, Hold>;

/// Reads the orders in a thread of its own, for stdin cannot be polled. The sender is dropped at the end of stdin.
pub(super) fn read_stdin(holds: watch::Sender<Holds>) {
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            holds.send_modify(|holds| apply(holds, &line));
        }
    });
}

fn apply(holds: &mut Holds, line: &str) {
    match line.trim().split_once(' ') {
        Some(("stop", name)) => drop(holds.insert(name.to_owned(), Hold::Stop)),
        Some(("kill", name)) => drop(holds.insert(name.to_owned(), Hold::Kill)),
        Some(("start", name)) => drop(holds.remove(name)),
        _ => {}
    }
}

/// Resolves once the process must be down; never if nobody gives orders.
pub(super) async fn held(holds: &mut watch::Receiver<Holds>, name: &str) -> Hold {
    let hold =
        holds.wait_for(|holds| holds.contains_key(name)).await.ok().map(|holds| holds.get(name).copied());
    match hold {
        Some(hold) => hold.unwrap_or(Hold::Stop),
        None => std::future::pending().await,
    }
}

/// Resolves once the process may run.
pub(super) async fn released(holds: &mut watch::Receiver<Holds>, name: &str) {
    // Without a sender nothing is held any more: the platform ends.
    let _ = holds.wait_for(|holds| !holds.contains_key(name)).await;
}

/// Resolves at the end of stdin.
pub(super) async fn ended(mut holds: watch::Receiver<Holds>) {
    while holds.changed().await.is_ok() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_held_until_it_is_started() {
        let mut holds = Holds::new();
        for line in ["stop a", "kill b#2", "nonsense", "start c", "start"] {
            apply(&mut holds, line);
        }
        assert_eq!(holds, Holds::from([("a".to_owned(), Hold::Stop), ("b#2".to_owned(), Hold::Kill)]));
        apply(&mut holds, "start a");
        assert_eq!(holds.len(), 1);
    }
}
