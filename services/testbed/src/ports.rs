//! Ports of this machine that no other test gets, in this process or another.

use std::fs::File;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Below the range from which systems take the ports of outgoing connections: a server that was killed
/// finds its port free when it comes back.
pub(crate) const RANGE: Range<u16> = 11_000..32_600;

/// Where [`free_port`] takes ports from: blocks, and how many ports of the last are used.
static SINGLE_PORTS: Mutex<(Vec<PortBlock>, u16)> = Mutex::new((Vec::new(), 0));

/// A port on which nothing listens now, on any address. It is this process's own until the process ends, and is
/// returned once.
///
/// # Panics
/// As [`PortBlock::take`] does.
pub fn free_port() -> u16 {
    let mut single_ports = SINGLE_PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    let (blocks, used) = &mut *single_ports;
    loop {
        while let Some(block) = blocks.last().filter(|_| *used < PortBlock::SIZE) {
            let port = block.base() + *used;
            *used += 1;
            if is_free(port) {
                return port;
            }
        }
        blocks.push(PortBlock::take());
        *used = 0;
    }
}

/// [`PortBlock::SIZE`] neighbouring ports, or more, this value's own until it is dropped.
///
/// A lock on a file for each [`PortBlock::SIZE`] ports in the system's temporary directory keeps other processes from the same block. The system
/// releases it when the process ends, however it ends.
pub struct PortBlock {
    base: u16,
    _locks: Vec<File>,
}

impl PortBlock {
    /// As many as `octet up --base-port` takes.
    pub const SIZE: u16 = 160;

    /// Takes a block whose ports are all free.
    ///
    /// # Panics
    /// When there is none between 11000 and 32600, or the lock files cannot be created.
    pub fn take() -> Self {
        Self::take_several(1)
    }

    /// As [`take`](Self::take), with the ports that the largest topology with replicas takes.
    ///
    /// # Panics
    /// As [`take`](Self::take) does.
    pub fn take_for_replicas() -> Self {
        Self::take_several(3)
    }

    fn take_several(blocks: u16) -> Self {
        let count = (RANGE.end - RANGE.start) / Self::SIZE;
        let first = fastrand::u16(..count);
        (0..count)
            .map(|index| (first + index) % count)
            .filter(|index| index + blocks <= count)
            .find_map(|index| Self::lock_several(RANGE.start + index * Self::SIZE, blocks))
            .expect("a block of free ports between 11000 and 32600")
    }

    /// The first port.
    pub fn base(&self) -> u16 {
        self.base
    }

    fn lock_several(base: u16, blocks: u16) -> Option<Self> {
        let locks = (0..blocks).map(|index| Self::lock(base + index * Self::SIZE));
        Some(Self { base, _locks: locks.collect::<Option<_>>()? })
    }

    fn lock(base: u16) -> Option<File> {
        let path = std::env::temp_dir().join(format!("octet-ports-{base}.lock"));
        // Another user's file can be opened, and locked, but in a sticky directory not with the flag that creates.
        // The file stays: removing it would let two processes lock two files of one name.
        let file = File::open(&path).or_else(|_| File::options().create(true).append(true).open(&path));
        let lock = file.expect("a lock file can be opened in the temporary directory");
        lock.try_lock().ok()?;
        (base..base + Self::SIZE).all(is_free).then_some(lock)
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
        // A machine without IPv6 has nothing that listens there.
        && TcpListener::bind((Ipv6Addr::LOCALHOST, port))
            .map_or_else(|error| error.kind() != std::io::ErrorKind::AddrInUse, |_| true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;

    /// A block that [`PortBlock::take`] does not take.
    const OUTSIDE: u16 = RANGE.start - PortBlock::SIZE;

    #[tokio::test]
    async fn a_block_is_taken_once_at_a_time_and_only_with_all_its_ports_free() {
        // This test may run in another process, too.
        let lock = async || eventually("the block is free", async || PortBlock::lock(OUTSIDE)).await;
        let block = lock().await;
        assert!(PortBlock::lock(OUTSIDE).is_none(), "taken twice");
        let last = OUTSIDE + PortBlock::SIZE - 1;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, last)).expect("a free port");
        drop(block);
        assert!(PortBlock::lock(OUTSIDE).is_none(), "a port is in use");
        drop(listener);
        lock().await;
    }

    #[test]
    fn a_single_port_is_returned_once() {
        let ports: Vec<u16> = std::iter::repeat_with(free_port).take(200).collect();
        let distinct: std::collections::BTreeSet<&u16> = ports.iter().collect();
        assert_eq!(distinct.len(), ports.len());
    }
}
