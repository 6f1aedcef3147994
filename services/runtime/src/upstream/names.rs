//! Keeps the addresses of names current.

use std::{
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use http::uri::Authority;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    address::MAX_ADDRESSES,
    pool::Pool,
    resolve::{Resolve, literal},
};

/// How often names are resolved again.
const INTERVAL: Duration = Duration::from_secs(30);

/// The least time between two resolutions; less while no address is known, since calls wait for it.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
const FIRST_INTERVAL: Duration = Duration::from_millis(50);

/// The longest time for one name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// One listed address, with what it resolved to.
struct Listed {
    authority: Authority,
    found: Vec<SocketAddr>,
}

/// Gives the pool its addresses now, where none has to be resolved; otherwise keeps them current as long as the pool
/// exists: every 30 s, and soon after an address could not be reached.
pub(super) fn keep<'a>(
    pool: &Arc<Pool>,
    listed: impl Iterator<Item = &'a Authority>,
    resolver: impl Resolve + 'static,
) {
    let listed = listed.map(|authority| Listed {
        authority: authority.clone(),
        found: literal(authority).into_iter().collect(),
    });
    let listed: Vec<_> = listed.collect();
    if listed.iter().all(|listed| !listed.found.is_empty()) {
        apply(pool, &listed);
        return;
    }
    let task = tokio::spawn(keep_current(Arc::downgrade(pool), listed, resolver));
    pool.resolved_by(task.abort_handle());
}

async fn keep_current(pool: Weak<Pool>, mut listed: Vec<Listed>, resolver: impl Resolve) {
    loop {
        let problem = resolve(&mut listed, &resolver).await;
        let resolved = Instant::now();
        let Some(current) = pool.upgrade() else { return };
        if listed.iter().any(|listed| !listed.found.is_empty()) {
            apply(&current, &listed);
        }
        if let Some(problem) = problem {
            current.unresolved(problem);
        }
        let pause = if current.has_addresses() { MIN_INTERVAL } else { FIRST_INTERVAL };
        let stale = current.stale.clone();
        // The pool ends with its last user.
        drop(current);
        tokio::select! {
            () = stale.notified() => {}
            // At random: processes that started together do not ask together.
            () = sleep(INTERVAL.mul_f64(0.75 + fastrand::f64() / 2.0)) => {}
        }
        sleep_until(resolved + pause).await;
    }
}

/// Resolves every name. A name that does not resolve keeps its addresses. Returns the last problem.
async fn resolve(listed: &mut [Listed], resolver: &impl Resolve) -> Option<std::io::ErrorKind> {
    let mut problem = None;
    for Listed { authority, found } in listed {
        if literal(authority).is_some() {
            continue;
        }
        let port = authority.port_u16().unwrap_or_default();
        let resolving = tokio::time::timeout(RESOLVE_TIMEOUT, resolver.resolve(authority.host(), port)).await;
        match resolving.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
            Ok(addresses) if addresses.is_empty() => problem = Some(std::io::ErrorKind::NotFound),
            Ok(addresses) => *found = addresses,
            Err(error) => {
                tracing::debug!(name = %authority, %error, "name does not resolve");
                problem = Some(error.kind());
            }
        }
    }
    problem
}

fn apply(pool: &Pool, listed: &[Listed]) {
    let found = listed
        .iter()
        .flat_map(|listed| listed.found.iter().map(|address| (*address, listed.authority.clone())));
    let found: Vec<_> = found.take(MAX_ADDRESSES).collect();
    pool.replace(&found);
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashMap,
        io,
        sync::{Mutex, PoisonError},
    };

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::{
        metrics::Metrics,
        upstream::{connect::Connector, metrics::UpstreamMetrics},
    };

    /// Names with addresses that a test changes, and the number of resolutions.
    #[derive(Clone, Default)]
    struct Fake(Arc<Mutex<State>>);

    #[derive(Default)]
    struct State {
        addresses: HashMap<String, Vec<SocketAddr>>,
        resolutions: usize,
    }

    impl Fake {
        fn set(&self, name: &str, ports: &[u16]) {
            let addresses = ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect();
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .addresses
                .insert(name.to_owned(), addresses);
        }

        fn resolutions(&self) -> usize {
            self.0.lock().unwrap().resolutions
        }
    }

    impl Resolve for Fake {
        fn resolve<'a>(&'a self, host: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
            Box::pin(async move {
                let mut state = self.0.lock().unwrap();
                state.resolutions += 1;
                state.addresses.get(host).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
            })
        }
    }

    fn pool(listed: &[&str], fake: &Fake) -> Arc<Pool> {
        let metrics = UpstreamMetrics::new(&Metrics::new("test").unwrap()).unwrap();
        let pool = Arc::new(Pool::new("peer", Connector::new("test"), &metrics.addresses));
        let listed: Vec<Authority> = listed.iter().map(|text| text.parse().unwrap()).collect();
        keep(&pool, listed.iter(), fake.clone());
        pool
    }

    async fn resolved(fake: &Fake, times: usize) {
        while fake.resolutions() < times {
            sleep(Duration::from_millis(10)).await;
        }
        // The task has applied the answer when it waits again.
        sleep(Duration::from_millis(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_resolved_again_every_half_minute_and_known_addresses_stay() {
        let fake = Fake::default();
        fake.set("many", &[1, 2]);
        let pool = pool(&["many:1", "127.0.0.1:9"], &fake);
        resolved(&fake, 1).await;
        assert_eq!(pool.ports(), [1, 2, 9]);
        let kept = pool.identities();

        fake.set("many", &[3, 2]);
        let before = Instant::now();
        resolved(&fake, 2).await;
        assert!(
            before.elapsed() >= INTERVAL / 2 && before.elapsed() <= INTERVAL * 2,
            "{:?}",
            before.elapsed()
        );
        assert_eq!(pool.ports(), [2, 9, 3], "known ones keep their order");
        assert_eq!(pool.identities()[..2], kept[1..], "and their connections");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_connection_makes_the_names_be_resolved_soon_but_not_at_every_call() {
        let fake = Fake::default();
        fake.set("many", &[1]);
        let pool = pool(&["many:1"], &fake);
        resolved(&fake, 1).await;
        let before = Instant::now();
        for round in 2..5 {
            pool.stale.notify_one();
            pool.stale.notify_one();
            resolved(&fake, round).await;
        }
        let elapsed = before.elapsed();
        assert!(elapsed >= MIN_INTERVAL * 2 && elapsed < INTERVAL / 2, "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_stops_resolving_keeps_its_addresses_and_an_empty_pool_is_filled_soon() {
        let fake = Fake::default();
        let pool = pool(&["many:1"], &fake);
        resolved(&fake, 1).await;
        assert_eq!(pool.ports(), [0; 0]);
        fake.set("many", &[1]);
        pool.stale.notify_one();
        resolved(&fake, 2).await;
        assert_eq!(pool.ports(), [1]);
        fake.set("many", &[]);
        pool.stale.notify_one();
        resolved(&fake, 3).await;
        assert_eq!(pool.ports(), [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_ends_with_the_pool() {
        let fake = Fake::default();
        let pool = pool(&["many:1"], &fake);
        resolved(&fake, 1).await;
        drop(pool);
        sleep(INTERVAL * 10).await;
        assert_eq!(Arc::strong_count(&fake.0), 1, "the resolver is dropped");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_has_at_most_64_addresses() {
        let fake = Fake::default();
        fake.set("many", &(1..=200).collect::<Vec<_>>());
        let pool = pool(&["many:1"], &fake);
        resolved(&fake, 1).await;
        assert_eq!(pool.ports().len(), MAX_ADDRESSES);
    }
}
