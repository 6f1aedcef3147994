//! The faults that act in a process: from the topology, the environment, a watched file, the admin server and request headers.
//!
//! Without a fault, a call costs two checks: a flag, and the absence of a header.

mod authority;
mod body;
mod effects;
mod header;
mod hits;
mod proof;
mod set;
mod settings;
mod watch;

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use http::HeaderMap;
use octet_fault::{Address, Draw, Effect, Fault, MAX_FAULTS, Seed};

pub use authority::{Authority, CallFaults};
pub use body::{Resets, Throttle, is_reset, marked_reset, reset_body, resetting, throttled};
pub use effects::{Held, burn, hold};
pub use header::{FAULT, FAULT_PROOF};
pub use hits::{Hits, Place};
pub use proof::{FaultKey, InvalidProof, MAX_PROOF};
pub use set::{FaultState, Source, TooMany};
pub use settings::{FaultSettings, draw_seed};

use self::set::{Armed, Set};
use crate::{
    metrics::{IntCounterVec, Metrics},
    propagation::X_REQUEST_ID,
};

/// The number of the call among the calls of one request to the same upstream, where there are several.
pub const CALL: http::HeaderName = http::HeaderName::from_static("octet-call");

/// How often a call was attempted before (gRPC over HTTP/2, "Retry").
pub const PREVIOUS_ATTEMPTS: http::HeaderName = http::HeaderName::from_static("grpc-previous-rpc-attempts");

/// The process that faults act in.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The service, or `gateway`.
    pub service: String,
    /// Its replica, counted from 1.
    pub replica: u32,
}

/// Whether a fault can act in this mesh; the error says why not.
pub type Check = Arc<dyn Fn(&Fault) -> Result<(), String> + Send + Sync>;

/// The faults of one process. Clones share them.
#[derive(Clone)]
pub struct Faults(Arc<Inner>);

struct Inner {
    identity: Identity,
    seed: Seed,
    authority: Authority,
    check: Check,
    /// Whether the set has a fault.
    any: AtomicBool,
    set: RwLock<Arc<Set>>,
    acted: IntCounterVec,
}

impl Faults {
    /// The faults of a process: those `declared` by the topology, and those of its settings.
    ///
    /// # Errors
    /// Only a programming error can cause one.
    pub fn new(
        settings: &FaultSettings,
        identity: Identity,
        declared: (Seed, &[Fault]),
        check: Check,
        metrics: &Metrics,
    ) -> Result<Self, prometheus::Error> {
        let help = "Faults that acted, by address, effect and source";
        let acted = metrics.counter("octet_faults_total", help, &["at", "effect", "source"])?;
        let (seed, declared) = declared;
        let faults = Self(Arc::new(Inner {
            identity,
            seed,
            authority: settings.authority.clone(),
            check,
            any: AtomicBool::new(false),
            set: RwLock::default(),
            acted,
        }));
        for (source, declared) in [(Source::Topology, declared), (Source::Environment, &settings.configured)]
        {
            if let Err(error) = faults.replace(source, declared.to_vec(), None) {
                tracing::warn!(%error, "faults not set");
            }
        }
        if let Some(file) = settings.file.clone() {
            watch::start(file, &faults);
        }
        Ok(faults)
    }

    /// The seed of every draw.
    pub fn seed(&self) -> Seed {
        self.0.seed
    }

    /// Whether a fault can act in this mesh.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, fault: &Fault) -> Result<(), String> {
        (self.0.check)(fault)
    }

    /// Replaces all faults of a source, at once; `lasting` is how long they act at most.
    ///
    /// # Errors
    /// [`TooMany`], where the process would have more than [`MAX_FAULTS`].
    pub fn replace(
        &self,
        source: Source,
        faults: Vec<Fault>,
        lasting: Option<std::time::Duration>,
    ) -> Result<(), TooMany> {
        self.change(|set| set.with(source, faults, lasting))
    }

    /// Adds faults to those of a source, which keep their time and their counts.
    ///
    /// # Errors
    /// As [`replace`](Self::replace).
    pub fn add(
        &self,
        source: Source,
        faults: Vec<Fault>,
        lasting: Option<std::time::Duration>,
    ) -> Result<(), TooMany> {
        self.change(|set| set.and(source, faults, lasting))
    }

    /// Ends one such fault of a source, if it has one.
    pub fn end(&self, source: Source, fault: &Fault) {
        // Fewer faults are never too many.
        let _ = self.change(|set| set.without(source, fault));
    }

    fn change(&self, change: impl FnOnce(&Set) -> Set) -> Result<(), TooMany> {
        let mut set = self.0.set.write().unwrap_or_else(PoisonError::into_inner);
        let next = change(&set);
        if next.len() > MAX_FAULTS {
            return Err(TooMany);
        }
        self.0.any.store(next.len() > 0, Ordering::Release);
        *set = Arc::new(next);
        Ok(())
    }

    /// What is set, and how often each acted.
    pub fn state(&self) -> Vec<FaultState> {
        self.set().state()
    }

    /// Whether a fault of this process may act on a call with these headers.
    pub fn may_act(&self, headers: &HeaderMap) -> bool {
        self.0.any.load(Ordering::Acquire) || headers.contains_key(FAULT)
    }

    /// Whether a fault makes this process unready.
    pub fn is_unready(&self) -> bool {
        self.0.any.load(Ordering::Acquire)
            && self.set().all().any(|armed| {
                let is_unready = armed.fault.effect() == &Effect::Unready && self.is_here(armed.fault.at());
                if is_unready && !armed.fault.is_blind() && armed.is_first() {
                    self.count(armed);
                }
                is_unready
            })
    }

    /// The faults that act on a call that this process serves. `headers` are the caller's, of which the fault header was
    /// checked.
    pub fn on_service(&self, headers: &HeaderMap) -> Option<Hits> {
        self.hits(headers, &Place::Service, 0)
    }

    /// The faults that act on an attempt to call `callee`, on the store or on the queue. `headers` are those that are
    /// propagated; `attempt` counts from 0.
    pub fn on(&self, place: &Place<'_>, headers: &HeaderMap, attempt: u64) -> Option<Hits> {
        self.hits(headers, place, attempt)
    }

    fn hits(&self, headers: &HeaderMap, place: &Place<'_>, attempt: u64) -> Option<Hits> {
        if !self.may_act(headers) {
            return None;
        }
        let sent = header::faults(headers).unwrap_or_default();
        let set = self.set();
        // Its own, since the header may name a fault that is set as well: both are drawn independently.
        let sent = Set::default().with(Source::Header, sent, None);
        let draw = self.draw(headers, place, attempt);
        let hits = set.all().chain(sent.all()).filter(|armed| {
            let fault = &armed.fault;
            fault.effect() != &Effect::Unready
                && self.acts_at(fault.at(), place)
                && header::matches(fault.when(), headers)
                && draw.number(armed.id).hits(fault.share())
        });
        let hits: Vec<_> = hits.filter_map(|armed| hits::Hit::new(armed, draw.number(armed.id))).collect();
        (!hits.is_empty()).then(|| Hits::new(self.clone(), hits))
    }

    /// The part of the draws that depends on the request and the place, and not on the fault.
    fn draw(&self, headers: &HeaderMap, place: &Place<'_>, attempt: u64) -> Draw {
        let own = &self.0.identity.service;
        let draw = self.request_draw(headers);
        match place {
            Place::Service => {
                let attempt =
                    headers.get(PREVIOUS_ATTEMPTS).and_then(|value| value.to_str().ok()?.parse().ok());
                draw.text(own).number(attempt.unwrap_or_default())
            }
            Place::Call(callee) => draw.text(own).text(callee).number(attempt),
            Place::Store => draw.text(own).text("store").number(attempt),
            Place::Queue => draw.text(own).text("queue").number(attempt),
        }
    }

    /// The part of every draw that depends on the request alone. A request without an id is drawn at random.
    pub fn request_draw(&self, headers: &HeaderMap) -> Draw {
        let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let draw = match text(X_REQUEST_ID) {
            Some(id) => Draw::new(self.0.seed, id),
            None => Draw::new(self.0.seed, "").number(fastrand::u64(..)),
        };
        text(CALL).map_or(draw, |call| draw.text(call))
    }

    fn acts_at(&self, at: &Address, place: &Place<'_>) -> bool {
        let own = &self.0.identity.service;
        match (place, at) {
            (Place::Service, Address::Service { .. }) => self.is_here(at),
            (Place::Call(upstream), Address::Call { caller, callee }) => {
                caller.is(own) && callee.is(upstream)
            }
            (Place::Store, Address::Store(name)) | (Place::Queue, Address::Queue(name)) => name.is(own),
            _ => false,
        }
    }

    fn is_here(&self, at: &Address) -> bool {
        let Identity { service, replica } = &self.0.identity;
        matches!(at, Address::Service { name, replica: at } if name.is(service) && at.is_none_or(|at| at == *replica))
    }

    fn set(&self) -> Arc<Set> {
        self.0.set.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, armed: &Armed) {
        let fault = &armed.fault;
        let labels = [&fault.at().to_string(), fault.effect().key(), armed.source.as_str()];
        self.0.acted.with_label_values(&labels).inc();
    }
}

#[cfg(test)]
mod tests;
