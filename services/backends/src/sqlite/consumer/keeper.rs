//! The consumer's thread. Whatever is to do, settling, renewing and taking leases, it does in one transaction.

mod command;
mod pace;

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use super::{
    super::{database::Database, failure::Unavailable, queue_tables, settings::SqliteQueueSettings},
    leases::{Harvest, Lease, Terms},
    shelf::Shelf,
};
use pace::Pace;

pub(super) use command::Command;

/// Commands in one transaction.
const BATCH_LIMIT: usize = 512;

/// Keeps the leases. It ends when the consumer and all its deliveries are gone.
pub(super) struct Keeper {
    database: Database,
    terms: Terms,
    prefetch: usize,
    shelf: Arc<Shelf>,
    commands: Receiver<Command>,
    /// Commands of the keeper's own, for the next turn.
    own_commands: Vec<Command>,
    /// Every lease that is not settled, on the shelf or with a handler: the prefetch limit counts them.
    held: HashMap<Lease, Holding>,
    pace: Pace,
    closed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holding {
    /// Renewed until it is settled.
    Ours,
    /// Lost while a handler has the delivery.
    Lost,
}

/// What a transaction did.
struct Done {
    /// For each command, whether every lease it ends was this consumer's.
    fenced: Vec<bool>,
    lost: Vec<Lease>,
    harvest: Harvest,
}

impl Keeper {
    pub(super) fn new(
        database: Database,
        settings: &SqliteQueueSettings,
        shelf: Arc<Shelf>,
        commands: Receiver<Command>,
    ) -> Self {
        Self {
            database,
            terms: Terms::of(settings),
            prefetch: usize::try_from(settings.prefetch).unwrap_or(usize::MAX),
            shelf,
            commands,
            own_commands: Vec::new(),
            held: HashMap::new(),
            pace: Pace::of(settings),
            closed: false,
        }
    }

    pub(super) fn run(mut self) {
        let mut ended = false;
        while !ended {
            let mut commands = mem::take(&mut self.own_commands);
            let wait = if commands.is_empty() { self.until_something_is_due() } else { Duration::ZERO };
            match self.commands.recv_timeout(wait) {
                Ok(command) => commands.push(command),
                Err(RecvTimeoutError::Timeout) => {}
                // Nobody is left who could hold a delivery or ask for one.
                Err(RecvTimeoutError::Disconnected) => ended = true,
            }
            commands.extend(self.commands.try_iter().take(BATCH_LIMIT));
            self.turn(commands);
        }
    }

    fn until_something_is_due(&self) -> Duration {
        let poll = (self.free_places() > 0).then(|| self.pace.until_poll());
        let renewal = (!self.held.is_empty()).then(|| self.pace.until_renewal());
        poll.into_iter().chain(renewal).min().unwrap_or(pace::NOTHING_IS_DUE)
    }

    fn free_places(&self) -> usize {
        if self.closed { 0 } else { self.prefetch.saturating_sub(self.held.len()) }
    }

    fn turn(&mut self, commands: Vec<Command>) {
        for command in &commands {
            // From here on the delivery is not renewed, whatever comes of settling it.
            for lease in command.leases() {
                self.held.remove(&lease);
            }
            self.closed |= command.is_close();
        }
        let renewing = !self.held.is_empty() && self.pace.is_renewal_due();
        if commands.is_empty() && !renewing && !self.is_there_anything_to_take() {
            return;
        }
        let places = self.free_places();
        match self.transact(&commands, renewing, places) {
            Ok(done) => {
                let taken = done.harvest.leased.len() + done.harvest.given_up.len();
                self.pace.worked(renewing, taken, places, commands.len());
                for (command, fenced) in commands.into_iter().zip(done.fenced) {
                    command.answer(Ok(fenced));
                }
                self.forget_lost(done.lost);
                self.shelve(done.harvest);
            }
            Err(unavailable) => {
                self.pace.failed();
                for command in commands {
                    command.answer(Err(unavailable.clone()));
                }
            }
        }
    }

    /// Polls, when that is due and there is room. An idle queue is only read: it costs no write lock.
    fn is_there_anything_to_take(&mut self) -> bool {
        if self.free_places() == 0 || !self.pace.is_poll_due() {
            return false;
        }
        let found = self.database.read(|connection| Terms::is_any_free(connection, queue_tables::now()));
        match found {
            Ok(true) => return true,
            Ok(false) => self.pace.found_nothing(),
            Err(_) => self.pace.failed(),
        }
        false
    }

    fn transact(&mut self, commands: &[Command], renewing: bool, places: usize) -> Result<Done, Unavailable> {
        let Self { database, terms, held, .. } = self;
        database.write(|connection| {
            // After the lock was waited for, so that no lease begins in the past.
            let now = queue_tables::now();
            let fenced =
                commands.iter().map(|command| command.run(connection, now)).collect::<Result<_, _>>()?;
            let mut lost = Vec::new();
            if renewing {
                for (&lease, _) in held.iter().filter(|(_, holding)| **holding == Holding::Ours) {
                    if !terms.renew(connection, lease, now)? {
                        lost.push(lease);
                    }
                }
            }
            let harvest = if places > 0 { terms.take(connection, places, now)? } else { Harvest::default() };
            Ok(Done { fenced, lost, harvest })
        })
    }

    fn forget_lost(&mut self, lost: Vec<Lease>) {
        if lost.is_empty() {
            return;
        }
        tracing::warn!(
            leases = lost.len(),
            "leases lost before they were renewed; others may have the messages"
        );
        for lease in lost {
            if self.shelf.discard(lease) {
                self.held.remove(&lease);
            } else {
                self.held.insert(lease, Holding::Lost);
            }
        }
    }

    fn shelve(&mut self, harvest: Harvest) {
        for (message_id, reason) in harvest.given_up {
            tracing::warn!(message_id, reason, "message dead-lettered");
        }
        let mut unwanted = Vec::new();
        for leased in harvest.leased {
            let lease = leased.lease;
            match self.shelf.put(leased) {
                Ok(()) => {
                    self.held.insert(lease, Holding::Ours);
                }
                Err(lease) => unwanted.push(lease),
            }
        }
        if !unwanted.is_empty() {
            // Closed meanwhile. The command for it is on its way, and shares a transaction with this one.
            self.own_commands.push(Command::Close { leases: unwanted, reply: None });
        }
    }
}

impl Drop for Keeper {
    /// Whoever waits for the next delivery must not wait for a thread that is gone.
    fn drop(&mut self) {
        self.shelf.close();
    }
}
