//! The queue on RabbitMQ 3.10 to 4.x, over AMQP 0-9-1.
//!
//! A queue is two durable quorum queues, `<queue>` and, for the dead letters, `<queue>.dlq`. Both are declared
//! with every connection, so they come back when somebody deletes them. What was confirmed is on a majority of
//! the cluster's nodes.
//!
//! Every publisher and every consumer has one connection and one task, which connects, notices a loss (at the
//! latest after two heartbeats without a sign of life), and connects again: with a jittered backoff of 50 ms
//! to 1 s, resolving the host's name anew each time. What only an operator can repair (a refused password, a
//! queue of another kind) is tried again every few seconds. While the broker is away, publishing fails at once
//! with `Unavailable` and the reason; consuming waits.
//!
//! A connection costs one thread, which lapin runs, and a second task; failed attempts cost none.

mod address;
mod consumer;
mod courier;
mod dialer;
mod fault;
mod inspect;
mod link;
mod pauses;
mod publisher;
mod settings;
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
