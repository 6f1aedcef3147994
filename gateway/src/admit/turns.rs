//! Who calls the entry service next, while several clients call it.
//!
//! The services work on calls in the order of their arrival: behind a burst of one client, the calls of all others would wait
//! until it is done. So while other clients call too, only a few calls of a client are with the services, and its others
//! start as those end.
//!
//! Calls that wait for something, for example behind a frozen service, would hold up those behind them. So a client whose
//! calls do not end may start more, and no call waits for longer than half of its time.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use octet_runtime::deadline::Deadline;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, sleep_until},
};

use super::Caller;

/// A client counts for this long after its last call.
const RECENT: Duration = Duration::from_secs(1);

/// After this time in which no call of a client ended, more of them start.
const STALL: Duration = Duration::from_secs(1);

/// The turns of all clients. Clones share them.
#[derive(Clone)]
pub(crate) struct Turns {
    table: Arc<Mutex<Table>>,
    /// Calls of one client that are with the services while others call too.
    most: usize,
}

#[derive(Default)]
struct Table {
    lanes: HashMap<IpAddr, Lane>,
    /// The clients that called last, with the time of their last call: the newest, and the newest other one.
    newest: Option<(IpAddr, Instant)>,
    other: Option<(IpAddr, Instant)>,
}

/// The calls of one client.
struct Lane {
    working: usize,
    waiting: VecDeque<oneshot::Sender<Turn>>,
    /// When a call ended, or calls were started because none did.
    moved: Instant,
}

/// A call that is with the services, until it is dropped.
pub(crate) struct Turn {
    turns: Turns,
    address: IpAddr,
}

impl Turns {
    pub(crate) fn new(most: usize) -> Self {
        Self { table: Arc::default(), most }
    }

    /// Waits for the turn of a call, for at most half of the time until `deadline`.
    pub(crate) async fn take(&self, caller: Caller, deadline: Deadline) -> Turn {
        let address = caller.address;
        let Err(mut granted) = self.start_or_wait(address) else {
            return Turn { turns: self.clone(), address };
        };
        let now = Instant::now();
        let limit = now + deadline.instant().saturating_duration_since(now) / 2;
        loop {
            tokio::select! {
                turn = &mut granted => match turn {
                    Ok(turn) => return turn,
                    Err(_) => break,
                },
                () = sleep_until(limit) => break,
                () = sleep(STALL) => self.start_more(address),
            }
        }
        self.lock().lane(address).working += 1;
        Turn { turns: self.clone(), address }
    }

    fn start_or_wait(&self, address: IpAddr) -> Result<(), oneshot::Receiver<Turn>> {
        let mut table = self.lock();
        let is_alone = table.called(address);
        let lane = table.lane(address);
        // A client stays in turn until its last call has started: others would be behind those that wait.
        if lane.waiting.is_empty() && (is_alone || lane.working < self.most) {
            lane.working += 1;
            return Ok(());
        }
        let (sender, granted) = oneshot::channel();
        lane.waiting.push_back(sender);
        Err(granted)
    }

    /// Starts calls of a client none of whose calls ends.
    fn start_more(&self, address: IpAddr) {
        let mut table = self.lock();
        let started = match table.lanes.get_mut(&address) {
            Some(lane) if lane.moved.elapsed() >= STALL => lane.start(lane.working + self.most),
            _ => return,
        };
        drop(table);
        self.grant(address, started);
    }

    fn grant(&self, address: IpAddr, started: Vec<oneshot::Sender<Turn>>) {
        for sender in started {
            // One that is refused is dropped, and the next has its turn.
            let _ = sender.send(Turn { turns: self.clone(), address });
        }
    }

    /// The table is consistent at every moment, also after a panic under the lock.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn lane(&mut self, address: IpAddr) -> &mut Lane {
        let new = || Lane { working: 0, waiting: VecDeque::new(), moved: Instant::now() };
        self.lanes.entry(address).or_insert_with(new)
    }

    /// Records a call. Returns whether no other client has called recently.
    fn called(&mut self, address: IpAddr) -> bool {
        let now = Instant::now();
        if self.newest.is_some_and(|(newest, _)| newest != address) {
            self.other = self.newest;
        }
        self.newest = Some((address, now));
        self.other.is_none_or(|(_, last)| now.duration_since(last) >= RECENT)
    }
}

impl Lane {
    /// Takes calls that wait, until `most` are with the services.
    fn start(&mut self, most: usize) -> Vec<oneshot::Sender<Turn>> {
        self.moved = Instant::now();
        let mut started = Vec::new();
        while self.working < most
            && let Some(sender) = self.waiting.pop_front()
        {
            // Closed if its client has left.
            if !sender.is_closed() {
                self.working += 1;
                started.push(sender);
            }
        }
        started
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut table = self.turns.lock();
        let Some(lane) = table.lanes.get_mut(&self.address) else { return };
        lane.working -= 1;
        let started = lane.start(self.turns.most);
        if lane.working == 0 {
            table.lanes.remove(&self.address);
        }
        drop(table);
        self.turns.grant(self.address, started);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use futures_util::FutureExt;

    use super::*;

    const MOST: usize = 4;

    fn caller(address: u8) -> Caller {
        let address = IpAddr::from([192, 0, 2, address]);
        Caller { address, connection: SocketAddr::new(address, 1) }
    }

    fn deadline() -> Deadline {
        Deadline::after(Duration::from_hours(1))
    }

    fn now(turns: &Turns, address: u8) -> Option<Turn> {
        turns.take(caller(address), deadline()).now_or_never()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_alone_never_waits() {
        let turns = Turns::new(MOST);
        drop(now(&turns, 2).expect("alone"));
        tokio::time::advance(RECENT).await;
        let all: Vec<_> = (0..100).map_while(|_| now(&turns, 1)).collect();
        assert_eq!(all.len(), 100);
        drop(all);
        assert!(turns.lock().lanes.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn beside_others_the_calls_of_a_burst_start_as_earlier_ones_end_and_others_do_not_wait() {
        let turns = Turns::new(MOST);
        drop(now(&turns, 2).expect("alone"));
        let mut working: Vec<_> = (0..MOST).map(|_| now(&turns, 1).expect("few")).collect();
        let mut burst: Vec<_> = (0..100).map(|_| Box::pin(turns.take(caller(1), deadline()))).collect();
        assert!(burst.iter_mut().all(|turn| turn.as_mut().now_or_never().is_none()));
        drop(now(&turns, 2).expect("it does not wait behind the burst"));
        // In the order of their arrival; a caller that has left is left out.
        drop(burst.remove(0));
        for mut next in burst.drain(..10) {
            drop(working.remove(0));
            working.push(next.as_mut().now_or_never().expect("its turn"));
        }
        assert!(burst[0].as_mut().now_or_never().is_none());
        // The rest leave, also those that just had their turn.
        drop(working);
        drop(burst);
        assert!(turns.lock().lanes.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_do_not_end_hold_up_others_of_their_client_for_a_second_only() {
        let turns = Turns::new(MOST);
        drop(now(&turns, 2).expect("alone"));
        let stuck: Vec<_> = (0..MOST).map(|_| now(&turns, 1).expect("few")).collect();
        let started = Instant::now();
        let more = futures_util::future::join_all((0..2 * MOST).map(|_| turns.take(caller(1), deadline())));
        let more = more.await;
        assert!(started.elapsed() <= 4 * STALL, "{:?}", started.elapsed());
        drop((stuck, more));
        assert!(turns.lock().lanes.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_for_half_of_its_time_at_most() {
        let turns = Turns::new(1);
        drop(now(&turns, 2).expect("alone"));
        let _first = now(&turns, 1).expect("the first");
        let started = Instant::now();
        let deadline = Deadline::after(Duration::from_millis(500));
        let _turn = turns.take(caller(1), deadline).await;
        assert!(started.elapsed() < Duration::from_millis(300), "{:?}", started.elapsed());
    }
}
