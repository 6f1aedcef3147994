//! What the handle and the deliveries ask of the keeper.

use rusqlite::Connection;
use tokio::sync::oneshot::Sender;

use super::super::{
    super::failure::Unavailable,
    leases::{Lease, Verdict, settle},
};
use crate::queue::{ConsumeError, SettleError};

/// Commands need no bound of their own: a delivery sends one, and the prefetch limit bounds deliveries.
pub(in super::super) enum Command {
    /// Ends one lease. Without a reply when the delivery was dropped.
    Settle { lease: Lease, verdict: Verdict, reply: Option<Sender<Result<(), SettleError>>> },
    /// Takes no more, and gives back what nobody has seen.
    Close { leases: Vec<Lease>, reply: Option<Sender<Result<(), ConsumeError>>> },
    /// Runs a transaction.
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

    pub(super) fn is_close(&self) -> bool {
        matches!(self, Self::Close { .. })
    }

    /// Whether the lease it ends was still this consumer's. Closing does not mind: what was lost is elsewhere.
    pub(super) fn run(&self, connection: &Connection, now: i64) -> rusqlite::Result<bool> {
        match self {
            Self::Settle { lease, verdict, .. } => settle(connection, *lease, verdict, now),
            Self::Close { leases, .. } => {
                for lease in leases {
                    settle(connection, *lease, &Verdict::GiveBack, now)?;
                }
                Ok(true)
            }
            Self::Ping { .. } => Ok(true),
        }
    }

    /// Nobody may be waiting any more, which is no error.
    pub(super) fn answer(self, fenced: Result<bool, Unavailable>) {
        match self {
            Self::Settle { reply: Some(reply), .. } => {
                let settled = match fenced {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(SettleError::LeaseLost),
                    Err(unavailable) => Err(unavailable.into()),
                };
                drop(reply.send(settled));
            }
            Self::Close { reply: Some(reply), .. } | Self::Ping { reply } => {
                drop(reply.send(fenced.map(drop).map_err(ConsumeError::from)));
            }
            Self::Settle { reply: None, .. } | Self::Close { reply: None, .. } => {}
        }
    }
}
