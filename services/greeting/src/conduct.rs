//! How a service conducts a call beside greeting: its limit, the faults that hit the call, the work it takes.

use std::{future::Future, sync::Arc};

use http::HeaderMap;
use hyper::body::Bytes;
use octet_fault::Draw;
use octet_runtime::{
    admission::Admitted,
    faults::{Faults, Held, Hits, Throttle, burn, hold},
    metrics::Metrics,
};
use octet_topology::{Behaviour, WhenLeft};
use tonic::Status;

use crate::{
    failure::GreetError,
    greeter::{Call, Greeter, Pending},
    limit::{Limiter, Turn},
    missing::Missing,
    response_stream::Sink,
    upstreams::Gathered,
};

/// How a service conducts a call beside greeting.
pub(crate) struct Conduct {
    behaviour: Behaviour,
    limiter: Option<Arc<Limiter>>,
    faults: Faults,
}

/// A call that is conducted.
pub(crate) struct Conducted {
    pub(crate) gathered: Gathered,
    /// Bytes to add to the answer.
    pub(crate) padding: Option<Bytes>,
    /// Whether the answer trickles.
    pub(crate) throttle: Option<Throttle>,
}

/// What a call holds until it ends.
struct Prepared {
    _turn: Option<Turn>,
    _held: Option<Held>,
}

/// Why a conducted call failed.
pub(crate) enum ConductError {
    /// The service's own failure.
    Greet(GreetError),
    /// A status for the caller: a limit, or an injected failure.
    Status(Status),
}

impl From<GreetError> for ConductError {
    fn from(error: GreetError) -> Self {
        Self::Greet(error)
    }
}

impl From<Status> for ConductError {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl Conduct {
    pub(crate) fn new(
        behaviour: &Behaviour,
        faults: Faults,
        metrics: &Metrics,
    ) -> Result<Self, prometheus::Error> {
        let limiter = behaviour.limit.map(|limit| Limiter::new(limit, metrics).map(Arc::new)).transpose()?;
        Ok(Self { behaviour: behaviour.clone(), limiter, faults })
    }

    /// Whether a call is nothing but a greeting.
    pub(crate) fn is_plain(&self) -> bool {
        let Behaviour { work, cpu, memory, payload, limit: _, when_left, ready_after: _ } = &self.behaviour;
        self.limiter.is_none()
            && work.is_none()
            && cpu.is_none()
            && memory.is_none()
            && payload.is_none()
            && *when_left == WhenLeft::Stop
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Waits for its turn, works, and greets. The work ends with the caller or the deadline, or goes on without them where
    /// the service finishes what it started: then it counts against the limit until it ends.
    pub(crate) async fn perform(
        self: &Arc<Self>,
        greeter: &Arc<Greeter>,
        call: Call,
        hits: Option<Hits>,
        pending: &Arc<Pending>,
        admitted: Admitted,
    ) -> Result<Conducted, ConductError> {
        let work = {
            let (this, greeter, pending) = (self.clone(), greeter.clone(), pending.clone());
            async move {
                let _admitted = admitted;
                this.work(&greeter, call, hits, &pending).await
            }
        };
        match self.behaviour.when_left {
            WhenLeft::Stop => work.await,
            WhenLeft::Finish => finished(work).await,
        }
    }

    /// As [`perform`](Self::perform), but sends each greeting to `sink`. Returns the missing upstreams.
    pub(crate) async fn perform_each(
        self: &Arc<Self>,
        greeter: &Arc<Greeter>,
        call: Call,
        hits: Option<Hits>,
        (pending, sink): (&Arc<Pending>, Arc<Sink>),
        admitted: Admitted,
    ) -> Result<Missing, ConductError> {
        let attended = (self.behaviour.when_left == WhenLeft::Finish).then(|| sink.finish());
        let work = {
            let (this, greeter, pending) = (self.clone(), greeter.clone(), pending.clone());
            async move {
                let _admitted = admitted;
                this.work_each(&greeter, call, hits, &pending, &sink).await
            }
        };
        match attended {
            None => work.await,
            Some(_attended) => finished(work).await,
        }
    }

    async fn work_each(
        &self,
        greeter: &Greeter,
        call: Call,
        mut hits: Option<Hits>,
        pending: &Pending,
        sink: &Sink,
    ) -> Result<Missing, ConductError> {
        let draw = self.draw(&call.carried, &greeter.role.service);
        let _prepared = self.prepare(greeter, &call, hits.as_mut(), pending).await?;
        let padding = self.behaviour.payload.map(|payload| padding(draw.text("payload"), payload));
        let missing = greeter.greet_each(call, pending, sink, padding).await?;
        Ok(match &hits {
            Some(hits) => hits.after(Ok(missing))?,
            None => missing,
        })
    }

    async fn work(
        &self,
        greeter: &Greeter,
        call: Call,
        mut hits: Option<Hits>,
        pending: &Pending,
    ) -> Result<Conducted, ConductError> {
        let deadline = call.deadline;
        let draw = self.draw(&call.carried, &greeter.role.service);
        let _prepared = self.prepare(greeter, &call, hits.as_mut(), pending).await?;
        let gathered = greeter.greet(call, pending).await?;
        let gathered = match &hits {
            Some(hits) => hits.after(Ok(gathered))?,
            None => gathered,
        };
        let padding = self.behaviour.payload.map(|payload| padding(draw.text("payload"), payload));
        let throttle = hits.as_ref().and_then(|hits| hits.throttle(deadline));
        Ok(Conducted { gathered, padding, throttle })
    }

    /// Everything before the greeting: the turn, the faults, the work. What it returns is held until the call ends.
    async fn prepare(
        &self,
        greeter: &Greeter,
        call: &Call,
        mut hits: Option<&mut Hits>,
        pending: &Pending,
    ) -> Result<Prepared, ConductError> {
        let deadline = call.deadline;
        if let Some(hits) = hits.as_mut().filter(|hits| hits.aborts()) {
            hits.before(deadline).await?;
        }
        let turn = match &self.limiter {
            Some(limiter) => Some(limiter.turn(&pending.turn).await?),
            None => None,
        };
        if let Some(hits) = hits {
            hits.before(deadline).await?;
        }
        let draw = self.draw(&call.carried, &greeter.role.service);
        let held = self.behaviour.memory.and_then(|memory| hold(draw.text("memory").value(memory).get()));
        if let Some(cpu) = self.behaviour.cpu {
            burn(draw.text("cpu").value(cpu)).await;
        }
        if let Some(work) = self.behaviour.work {
            // Dropped at the deadline, unless the service finishes what it started.
            tokio::time::sleep(draw.text("work").value(work)).await;
        }
        Ok(Prepared { _turn: turn, _held: held })
    }

    /// What the values of this service's behaviour are drawn from.
    fn draw(&self, headers: &HeaderMap, service: &str) -> Draw {
        self.faults.request_draw(headers).text(service)
    }
}

/// Bytes that compression does not remove, so that they are what travels.
pub(crate) fn padding(draw: Draw, size: octet_fault::Spread<octet_fault::Size>) -> Bytes {
    let length = usize::try_from(draw.value(size).get()).unwrap_or_default();
    let mut random = fastrand::Rng::with_seed(draw.hash());
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// The outcome of work that goes on when nobody waits for it.
async fn finished<T>(
    work: impl Future<Output = Result<T, ConductError>> + Send + 'static,
) -> Result<T, ConductError>
where
    T: Send + 'static,
{
    use octet_runtime::telemetry::in_current_scope;
    let work = tokio::spawn(in_current_scope(tracing::Instrument::in_current_span(work)));
    work.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a call ended unexpectedly");
        Err(ConductError::Status(Status::internal("the call ended unexpectedly")))
    })
}
