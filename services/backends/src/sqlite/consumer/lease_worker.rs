//! The consumer's thread. It settles, renews and takes leases, all in one transaction.

mod command;
mod pace;

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use super::{
    super::{database::Database, failure::Unavailable, queue_tables, settings::SqliteQueueSettings},
    leases::{Lease, Leased, Taken, Terms},
};
use crate::prefetched::Prefetched;
use pace::Pace;

pub(super) use command::Command;

/// Commands in one transaction.
const MAX_BATCH: usize = 512;

/// The least time between two transactions that only settle: what is settled meanwhile shares the next, and the thread is not
/// woken for each of them.
const SETTLE_INTERVAL: Duration = Duration::from_millis(15);

/// Keeps the leases until the consumer and all its deliveries are dropped.
pub(super) struct LeaseWorker {
    database: Database,
    terms: Terms,
    prefetch: usize,
    prefetched: Arc<Prefetched<Leased>>,
    commands: Receiver<Command>,
    /// The worker's own commands, for the next turn.
    own_commands: Vec<Command>,
    /// Every lease that is not settled, prefetched or with a handler: the prefetch limit counts them.
    held: HashMap<Lease, Status>,
    pace: Pace,
    last_turn: Instant,
    closed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    /// Renewed until it is settled.
    Ours,
    /// Lost while a handler has the delivery.
    Lost,
}

/// The results of a transaction.
struct Done {
    /// For each command, whether no lease that it ends was lost.
    valid: Vec<bool>,
    lost: Vec<Lease>,
    taken: Taken,
}

impl LeaseWorker {
    pub(super) fn new(
        database: Database,
        settings: &SqliteQueueSettings,
        prefetched: Arc<Prefetched<Leased>>,
        commands: Receiver<Command>,
    ) -> Self {
        Self {
            database,
            terms: Terms::of(settings),
            prefetch: usize::try_from(settings.prefetch).unwrap_or(usize::MAX),
            prefetched,
            commands,
            own_commands: Vec::new(),
            held: HashMap::new(),
            pace: Pace::of(settings),
            last_turn: Instant::now(),
            closed: false,
        }
    }

    pub(super) fn run(mut self) {
        let mut ended = false;
        while !ended {
            let mut commands = mem::take(&mut self.own_commands);
            let wait = if commands.is_empty() { self.until_next_work() } else { Duration::ZERO };
            match self.commands.recv_timeout(wait) {
                Ok(command) => {
                    if command.can_wait() {
                        self.rest_of_interval();
                    }
                    commands.push(command);
                }
                Err(RecvTimeoutError::Timeout) => {}
                // The consumer and all its deliveries are dropped.
                Err(RecvTimeoutError::Disconnected) => ended = true,
            }
            commands.extend(self.commands.try_iter().take(MAX_BATCH));
            self.last_turn = Instant::now();
            self.turn(commands);
        }
    }

    /// A wait on the channel instead would wake the thread for each command.
    #[expect(clippy::disallowed_methods, reason = "this thread is the worker's own, and has no runtime")]
    fn rest_of_interval(&self) {
        std::thread::sleep(SETTLE_INTERVAL.saturating_sub(self.last_turn.elapsed()));
    }

    fn until_next_work(&self) -> Duration {
        let poll = (self.free_slots() > 0).then(|| self.pace.until_poll());
        let renewal = (!self.held.is_empty()).then(|| self.pace.until_renewal());
        poll.into_iter().chain(renewal).min().unwrap_or(pace::IDLE_WAIT)
    }

    fn free_slots(&self) -> usize {
        if self.closed { 0 } else { self.prefetch.saturating_sub(self.held.len()) }
    }

    fn turn(&mut self, commands: Vec<Command>) {
        for command in &commands {
            // From now on the lease is not renewed, even if settling fails.
            for lease in command.leases() {
                self.held.remove(&lease);
            }
            self.closed |= command.is_close();
        }
        let renewing = !self.held.is_empty() && self.pace.is_renewal_due();
        if commands.is_empty() && !renewing && !self.poll() {
            return;
        }
        let slots = self.free_slots();
        match self.transact(&commands, renewing, slots) {
            Ok(done) => {
                let taken = done.taken.leased.len() + done.taken.dead_lettered.len();
                self.pace.worked(renewing, taken, slots, commands.len());
                for (command, valid) in commands.into_iter().zip(done.valid) {
                    command.answer(Ok(valid));
                }
                self.forget_lost(done.lost);
                self.prefetch(done.taken);
            }
            Err(unavailable) => {
                self.pace.failed();
                for command in commands {
                    command.answer(Err(unavailable.clone()));
                }
            }
        }
    }

    /// Whether there is a message to take, and room for it. Polling does not take the write lock.
    fn poll(&mut self) -> bool {
        if self.free_slots() == 0 || !self.pace.is_poll_due() {
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

    fn transact(&mut self, commands: &[Command], renewing: bool, slots: usize) -> Result<Done, Unavailable> {
        let Self { database, terms, held, .. } = self;
        database.write(|connection| {
            // After the wait for the lock, so that no lease starts in the past.
            let now = queue_tables::now();
            let valid =
                commands.iter().map(|command| command.run(connection, now)).collect::<Result<_, _>>()?;
            let mut lost = Vec::new();
            if renewing {
                for (&lease, _) in held.iter().filter(|(_, status)| **status == Status::Ours) {
                    if !terms.renew(connection, lease, now)? {
                        lost.push(lease);
                    }
                }
            }
            let taken = if slots > 0 { terms.take(connection, slots, now)? } else { Taken::default() };
            Ok(Done { valid, lost, taken })
        })
    }

    fn forget_lost(&mut self, lost: Vec<Lease>) {
        if lost.is_empty() {
            return;
        }
        tracing::warn!(
            leases = lost.len(),
            "leases lost before they were renewed; other consumers may have the messages"
        );
        for lease in lost {
            if self.prefetched.remove(|leased| leased.lease == lease) {
                self.held.remove(&lease);
            } else {
                self.held.insert(lease, Status::Lost);
            }
        }
    }

    fn prefetch(&mut self, taken: Taken) {
        for (message_id, reason) in taken.dead_lettered {
            tracing::warn!(message_id, reason, "message dead-lettered");
        }
        let mut refused = Vec::new();
        for leased in taken.leased {
            let lease = leased.lease;
            match self.prefetched.put(leased) {
                Ok(()) => drop(self.held.insert(lease, Status::Ours)),
                Err(_) => refused.push(lease),
            }
        }
        if !refused.is_empty() {
            // Closed meanwhile: the handle's command is in the channel, and shares a transaction with this one.
            self.own_commands.push(Command::Close { leases: refused, reply: None });
        }
    }
}

impl Drop for LeaseWorker {
    /// Ends the wait of callers for a delivery.
    fn drop(&mut self) {
        self.prefetched.close();
    }
}
