//! Commands from the handle and the deliveries to the lease worker.

use rusqlite::Connection;
use tokio::sync::oneshot::Sender;

use super::super::{
    super::{failure::Unavailable, file::touch},
    leases::{Lease, Outcome, settle},
};
use crate::queue::{ConsumeError, SettleError};

/// Commands need no bound of their own: a delivery sends one, and the prefetch limit bounds deliveries.
pub(in super::super) enum Command {
    /// Ends one lease. Without a reply when the delivery was dropped.
    Settle { lease: Lease, outcome: Outcome, reply: Option<Sender<Result<(), SettleError>>> },
    /// Stops taking messages, and gives back messages that no caller has seen.
    Close { leases: Vec<Lease>, reply: Option<Sender<Result<(), ConsumeError>>> },
    /// Checks that the file can be written.
    Ping { reply: Sender<Result<(), ConsumeError>> },
}

impl Command {
    /// The leases it ends.
    pub(super) fn leases(&self) -> impl Iterator<Item = Lease> {
        let leases = match self {
            Self::Settle { lease, .. } => std::slice::from_ref(lease),
            Self::Close { leases, .. } => leases,
            Self::Ping { .. } => &[],
        };
        leases.iter().copied()
    }

    /// Whether it may wait for others. Nobody waits for the end of a settled message but its consumer's prefetch limit.
    pub(super) fn can_wait(&self) -> bool {
        matches!(self, Self::Settle { .. })
    }

    pub(super) fn is_close(&self) -> bool {
        matches!(self, Self::Close { .. })
    }

    /// Whether the lease that it ends was not lost; closing ignores that.
    pub(super) fn run(&self, connection: &Connection, now: i64) -> rusqlite::Result<bool> {
        match self {
            Self::Settle { lease, outcome, .. } => settle(connection, *lease, outcome, now),
            Self::Close { leases, .. } => {
                for lease in leases {
                    settle(connection, *lease, &Outcome::GiveBack, now)?;
                }
                Ok(true)
            }
            Self::Ping { .. } => touch(connection).map(|()| true),
        }
    }

    /// The caller may have stopped waiting.
    pub(super) fn answer(self, valid: Result<bool, Unavailable>) {
        match self {
            Self::Settle { reply: Some(reply), .. } => {
                let settled = match valid {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(SettleError::LeaseLost),
                    Err(unavailable) => Err(unavailable.into()),
                };
                drop(reply.send(settled));
            }
            Self::Close { reply: Some(reply), .. } | Self::Ping { reply } => {
                drop(reply.send(valid.map(drop).map_err(ConsumeError::from)));
            }
            Self::Settle { reply: None, .. } | Self::Close { reply: None, .. } => {}
        }
    }
}
