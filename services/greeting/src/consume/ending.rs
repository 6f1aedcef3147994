//! How those who deal with deliveries hear that the consumer ends.

use std::time::Duration;

use tokio::sync::watch;

/// What is under way at the end has so long: time for the commit or two that all inserts in hand share. Well within any
/// grace period: a delivery that is still held when the process is gone counts, as after a crash.
const LAST_PATIENCE: Duration = Duration::from_millis(50);

/// Announces the end.
pub(super) struct End(watch::Sender<bool>);

/// Hears of the end.
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
    /// Returns once the end is announced.
    pub(super) async fn announced(&self) {
        // An `End` that is dropped says the same.
        let _ = self.0.clone().wait_for(|announced| *announced).await;
    }

    /// What `work` answers; nothing when it is still under way 50 ms after the end was announced. It is dropped then.
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
