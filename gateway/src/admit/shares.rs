//! A limit that one client cannot exhaust.
//!
//! A client may take all of a limit but an eighth, if nobody else uses it, and a connection half of that. What is free
//! decides ("dynamic thresholds", Choudhury and Hahne 1998): several clients that want everything get equal parts, and the
//! next one still finds some. Nothing is taken back, so an eighth stays free.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::Extensions;
use octet_runtime::serve::Peer;

use crate::edge::ClientAddress;

/// A client may hold this many times what then stays free.
const TIMES_FREE: usize = 7;

/// Who takes a part: an address, and a connection from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(super) address: IpAddr,
    pub(super) connection: SocketAddr,
}

impl Caller {
    /// The sender of a request with these extensions. Requests without an address are one client.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        let connection = extensions.get().map_or(UNKNOWN, |Peer(peer)| *peer);
        let address = extensions.get().map_or(connection.ip(), |ClientAddress(address)| *address);
        Self { address: network(address), connection }
    }
}

const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

/// An IPv6 client usually has a network of 64 bits to itself, and as many addresses as it likes.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// A limit that clients share. Clones share it too.
#[derive(Debug, Clone)]
pub(crate) struct Shares(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    free: usize,
    /// Only clients that hold something.
    clients: HashMap<IpAddr, Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    connections: HashMap<SocketAddr, usize>,
}

/// A part of a limit, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    table: Arc<Mutex<Table>>,
    caller: Caller,
    amount: usize,
}

/// Why a part was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// The limit is reached.
    Limit,
    /// The rest is reserved for other clients, or for other connections of this one.
    Client,
}

impl Shares {
    /// A limit of `max`.
    pub(crate) fn new(max: usize) -> Self {
        Self(Arc::new(Mutex::new(Table { free: max, clients: HashMap::new() })))
    }

    /// Takes `amount`.
    ///
    /// # Errors
    /// [`Exhausted`]: nothing was taken.
    pub(crate) fn take(&self, caller: Caller, amount: usize) -> Result<Share, Exhausted> {
        let mut share = self.nothing(caller);
        share.resize(amount)?;
        Ok(share)
    }

    /// A share that can grow.
    pub(crate) fn nothing(&self, caller: Caller) -> Share {
        Share { table: self.0.clone(), caller, amount: 0 }
    }

    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        lock(&self.0).free
    }
}

impl Share {
    /// Takes more, or returns some, so that this share is `amount`.
    ///
    /// # Errors
    /// [`Exhausted`]: this share stays as it was.
    pub(crate) fn resize(&mut self, amount: usize) -> Result<(), Exhausted> {
        let mut table = lock(&self.table);
        match amount.checked_sub(self.amount) {
            Some(0) => {}
            Some(more) => table.take(self.caller, more)?,
            None => table.give_back(self.caller, self.amount - amount),
        }
        drop(table);
        self.amount = amount;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        lock(&self.table).give_back(self.caller, self.amount);
    }
}

impl Table {
    fn take(&mut self, caller: Caller, amount: usize) -> Result<(), Exhausted> {
        if amount == 0 {
            return Ok(());
        }
        let free = self.free.checked_sub(amount).ok_or(Exhausted::Limit)?;
        let held = self.clients.get(&caller.address);
        let total = held.map_or(0, |held| held.total);
        let on_connection = held.and_then(|held| held.connections.get(&caller.connection)).copied();
        // The first of each client is admitted whatever the others hold.
        let most = free.saturating_mul(TIMES_FREE);
        let room = most.checked_sub(total + amount).or((total == 0).then_some(0)).ok_or(Exhausted::Client)?;
        // What the client's other connections can still take after this. The first of each connection is admitted.
        let of_others = room / (TIMES_FREE + 1);
        if on_connection.is_some_and(|held| held + amount > of_others) {
            return Err(Exhausted::Client);
        }
        self.free = free;
        let held = self.clients.entry(caller.address).or_default();
        held.total += amount;
        *held.connections.entry(caller.connection).or_default() += amount;
        Ok(())
    }

    fn give_back(&mut self, caller: Caller, amount: usize) {
        let Some(held) = self.clients.get_mut(&caller.address) else { return };
        self.free += amount;
        held.total -= amount;
        if let Some(on_connection) = held.connections.get_mut(&caller.connection) {
            *on_connection -= amount;
            if *on_connection == 0 {
                held.connections.remove(&caller.connection);
            }
        }
        if held.total == 0 {
            self.clients.remove(&caller.address);
        }
    }
}

/// The table is consistent at every moment, also after a panic under the lock.
fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
