//! Notifies the tasks that handle deliveries that the consumer is stopping.

use std::time::Duration;

use tokio::sync::watch;

/// The time that work in flight has once the consumer stops: enough for the one or two commits that all inserts in
/// flight share, and well within any grace period. A delivery still held when the process exits counts as after a
/// crash.
const LAST_PATIENCE: Duration = Duration::from_millis(50);

/// Announces that the consumer is stopping.
pub(super) struct End(watch::Sender<bool>);

/// Waits for that announcement.
#[derive(Clone)]
pub(super) struct Ending(watch::Receiver<bool>);

impl End {
    pub(super) fn new() -> (Self, Ending) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Ending(receiver))
    }

    pub(super) fn announce(&self) {
        self.0.send_replace(true);
    }
}

impl Ending {
    /// Returns once the stop is announced.
    pub(super) async fn announced(&self) {
        // A dropped `End` announces it too.
        let _ = self.0.clone().wait_for(|announced| *announced).await;
    }

    /// The result of `work`; `None` when it is dropped because it is not done [`LAST_PATIENCE`] after the announcement.
    pub(super) async fn allows<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let overdue = async {
            self.announced().await;
            tokio::time::sleep(LAST_PATIENCE).await;
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = overdue => None,
        }
    }
}
