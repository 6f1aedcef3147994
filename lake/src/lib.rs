//! Copies new rows of databases into a lake of files, each row exactly once.
//!
//! A [`source`] reads the rows that are final: a query for "rows since the last one" loses the rows of transactions that
//! commit late. [`Transforms`] change them, and a [`TopicWriter`] makes them appear in a [`Lake`], with the position
//! after them. The [`engine`] runs all of it. `docs/status.md` lists what of the lake is missing.

pub mod config;
pub mod engine;
mod failure;
pub mod inspect;
mod keys;
mod page;
mod sink;
pub mod source;
mod store;
mod transform;

pub use failure::{BadRow, LakeError};
pub use keys::{Findings, Keys};
pub use page::{Page, Position};
pub use sink::{CONNECT_DEFAULTS, Committed, SinkOptions, TopicWriter};
pub use store::{Lake, Object, StoreOptions};
pub use transform::Transforms;
