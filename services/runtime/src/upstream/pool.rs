//! The addresses of one upstream, where it has several or a name: connections, and which of them calls use.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::uri::Authority;
use tokio::{
    net::TcpStream,
    sync::{Notify, watch},
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};
use tonic::Status;

use super::{
    Balance, GrpcChannel,
    choose::{Candidate, choose},
    connect::{CONNECT_TIMEOUT, Connector},
    health::{Health, State},
    trial::Trial,
};
use crate::{backoff::Backoff, deadline::Deadline, metrics::IntGaugeVec};

/// The states of addresses in metrics.
const STATES: [&str; 2] = ["used", "left_out"];

/// Pauses between attempts to connect to an address that could not be reached.
const PROBES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// The addresses of one upstream.
pub(super) struct Pool {
    upstream: String,
    connector: Connector,
    addresses: watch::Sender<Addresses>,
    /// Counts choices.
    turn: AtomicUsize,
    /// Asks for another resolution of the names.
    pub(super) stale: Arc<Notify>,
    resolving: Mutex<Option<AbortHandle>>,
    gauge: IntGaugeVec,
}

/// The addresses at one moment.
#[derive(Clone, Default)]
struct Addresses {
    all: Arc<[Arc<Backend>]>,
    /// Why there are none; unset before the first resolution.
    problem: Option<std::io::ErrorKind>,
}

/// One address.
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    authority: Authority,
    channel: GrpcChannel,
    in_flight: AtomicUsize,
    health: Mutex<Health>,
}

/// No address is known.
#[derive(Debug, thiserror::Error)]
#[error("name does not resolve")]
pub(super) struct Unresolved(#[source] std::io::Error);

impl Pool {
    /// Without addresses.
    pub(super) fn new(upstream: &str, connector: Connector, gauge: &IntGaugeVec) -> Self {
        // A random start: callers that started together do not begin with the same address.
        let turn = AtomicUsize::new(fastrand::usize(..1 << 16));
        let addresses = watch::Sender::new(Addresses::default());
        let (stale, resolving) = (Arc::default(), Mutex::new(None));
        Self {
            upstream: upstream.to_owned(),
            connector,
            addresses,
            turn,
            stale,
            resolving,
            gauge: gauge.clone(),
        }
    }

    /// The task that resolves the names, which ends with the pool.
    pub(super) fn resolved_by(&self, task: AbortHandle) {
        *locked(&self.resolving) = Some(task);
    }

    /// Replaces the addresses. Those that stay keep their connections, their states and their order.
    pub(super) fn replace(&self, found: &[(SocketAddr, Authority)]) {
        let known = self.addresses.borrow().all.clone();
        let kept = known
            .iter()
            .filter(|backend| found.iter().any(|(address, authority)| backend.is(*address, authority)));
        let mut all: Vec<_> = kept.cloned().collect();
        for (address, authority) in found {
            if all.iter().any(|backend| backend.is(*address, authority)) {
                continue;
            }
            all.push(Arc::new(Backend::new(*address, authority.clone(), &self.connector)));
        }
        let changed =
            all.len() != known.len() || all.iter().zip(known.iter()).any(|(new, old)| !Arc::ptr_eq(new, old));
        if changed {
            let addresses: Vec<_> = all.iter().map(|backend| backend.address.to_string()).collect();
            tracing::debug!(upstream = self.upstream, addresses = addresses.join(", "), "addresses");
        }
        self.addresses.send_replace(Addresses { all: all.into(), problem: None });
        self.measure();
    }

    /// The names did not resolve. Known addresses stay.
    pub(super) fn unresolved(&self, problem: std::io::ErrorKind) {
        self.addresses.send_modify(|addresses| addresses.problem = Some(problem));
    }

    /// Whether an address is known.
    pub(super) fn has_addresses(&self) -> bool {
        !self.addresses.borrow().all.is_empty()
    }

    /// The address that a call uses now, which counts as one of its calls in flight. Waits for the first resolution.
    ///
    /// # Errors
    /// The names do not resolve.
    pub(super) async fn start(
        self: &Arc<Self>,
        balance: Balance,
        tried: &[SocketAddr],
        deadline: Deadline,
    ) -> Result<Trial, Status> {
        loop {
            let addresses = self.addresses.borrow().clone();
            if let Some(backend) = self.chosen(&addresses.all, balance, tried) {
                return Ok(Trial::new(self.clone(), backend, deadline));
            }
            if let Some(problem) = addresses.problem {
                self.stale.notify_one();
                return Err(Status::from_error(Box::new(Unresolved(problem.into()))));
            }
            // The pool itself is the sender.
            let is_resolved = |known: &Addresses| !known.all.is_empty() || known.problem.is_some();
            let _ = self.addresses.subscribe().wait_for(is_resolved).await;
        }
    }

    fn chosen(&self, all: &[Arc<Backend>], balance: Balance, tried: &[SocketAddr]) -> Option<Arc<Backend>> {
        let now = Instant::now();
        let candidates = all.iter().map(|backend| Candidate {
            state: backend.health().state(now),
            in_flight: backend.in_flight.load(Ordering::Relaxed),
            is_tried: tried.contains(&backend.address),
        });
        let candidates: Vec<_> = candidates.collect();
        let index = choose(&candidates, balance, self.turn.fetch_add(1, Ordering::Relaxed))?;
        all.get(index).cloned()
    }

    /// Whether a call that was sent to `tried` could go elsewhere.
    pub(super) fn has_another(&self, tried: &[SocketAddr]) -> bool {
        let now = Instant::now();
        let all = self.addresses.borrow().all.clone();
        all.iter().any(|backend| {
            !tried.contains(&backend.address) && backend.health().state(now) != State::Unreachable
        })
    }

    pub(super) fn succeeded(&self, backend: &Backend) {
        if backend.health().succeeded(Instant::now()) {
            self.used_again(backend);
        }
    }

    pub(super) fn failed(&self, backend: &Backend) {
        let left_out = backend.health().failed(Instant::now());
        if let Some(pause) = left_out {
            let (upstream, address) = (&self.upstream, backend.address);
            tracing::warn!(upstream, %address, ?pause, "address left out after failures in a row");
            self.measure();
        }
    }

    /// The address could not be reached. It is used again once a connection is possible.
    pub(super) fn refused(self: &Arc<Self>, backend: &Arc<Backend>) {
        self.stale.notify_one();
        if !backend.health().refused() {
            return;
        }
        tracing::debug!(upstream = self.upstream, address = %backend.address, "address cannot be reached");
        self.measure();
        let (pool, backend) = (Arc::downgrade(self), Arc::downgrade(backend));
        tokio::spawn(async move {
            let mut pauses = PROBES;
            loop {
                sleep(pauses.pause()).await;
                // Either is gone when nobody can use the address any more.
                let (Some(pool), Some(backend)) = (pool.upgrade(), backend.upgrade()) else { return };
                if backend.health().state(Instant::now()) != State::Unreachable {
                    return;
                }
                let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect(backend.address)).await;
                if connected.is_ok_and(|connected| connected.is_ok()) {
                    if backend.health().reached() {
                        pool.used_again(&backend);
                    }
                    return;
                }
            }
        });
    }

    fn used_again(&self, backend: &Backend) {
        tracing::info!(upstream = self.upstream, address = %backend.address, "address used again");
        self.measure();
    }

    fn measure(&self) {
        let now = Instant::now();
        let all = self.addresses.borrow().all.clone();
        let used = all.iter().filter(|backend| backend.health().state(now) == State::Used).count();
        for (state, count) in STATES.into_iter().zip([used, all.len() - used]) {
            let gauge = self.gauge.with_label_values(&[self.upstream.as_str(), state]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

#[cfg(test)]
impl Pool {
    /// The ports of the addresses.
    pub(super) fn ports(&self) -> Vec<u16> {
        self.addresses.borrow().all.iter().map(|backend| backend.address.port()).collect()
    }

    /// What identifies the connections.
    pub(super) fn identities(&self) -> Vec<*const Backend> {
        self.addresses.borrow().all.iter().map(Arc::as_ptr).collect()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(task) = locked(&self.resolving).take() {
            task.abort();
        }
    }
}

impl Backend {
    fn new(address: SocketAddr, authority: Authority, connector: &Connector) -> Self {
        let channel = connector.connect(address, authority.clone());
        Self { address, authority, channel, in_flight: AtomicUsize::new(0), health: Mutex::default() }
    }

    fn is(&self, address: SocketAddr, authority: &Authority) -> bool {
        self.address == address && self.authority == *authority
    }

    pub(super) fn channel(&self) -> GrpcChannel {
        self.channel.clone()
    }

    /// A call starts. Returns whether it is the one that tries an address that was left out.
    pub(super) fn start(&self) -> bool {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.health().start(Instant::now())
    }

    /// A call ends.
    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn health(&self) -> MutexGuard<'_, Health> {
        locked(&self.health)
    }
}

/// The state is consistent at every moment, also after a panic under the lock.
fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
