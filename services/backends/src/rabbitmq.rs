//! The queue on RabbitMQ 3.10 to 4.x, over AMQP 0-9-1.
//!
//! A queue is two durable quorum queues: `<queue>` and, for the dead letters, `<queue>.dlq`. Every connection declares
//! both, so deleted queues come back. Confirmed messages are on a majority of the cluster's nodes.
//!
//! Every publisher and every consumer has one connection and one task, which connects, notices a loss (at the latest
//! after two heartbeat intervals of silence), and connects again, with a jittered backoff of 50 ms to 1 s, resolving the
//! host's name each time. Faults that only an operator can end (a refused password, a queue of another kind) are
//! retried every few seconds. While the broker is unavailable, publishing fails at once with `Unavailable` and the
//! reason; consuming waits.
//!
//! A connection costs one thread, which lapin runs, and a second task; failed attempts leave none behind.

mod address;
mod alarm_probe;
mod confirm_channel;
mod consumer;
mod dead_letters;
mod dialer;
mod fault;
mod inspect;
mod outbox;
mod publisher;
mod settings;
mod settlement;
mod state;
mod subscription;
mod supervisor;
mod topology;
mod trust;
mod wire;

pub use address::{AddressError, RabbitAddress};
pub use consumer::RabbitConsumer;
pub use inspect::RabbitQueueInspect;
pub use publisher::RabbitPublisher;
pub use settings::RabbitSettings;

pub use crate::open::OpenError;
