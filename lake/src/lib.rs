//! Copies new rows of `PostgreSQL` tables into files, each row exactly once.
//!
//! A query for "rows since the last one" loses the rows of transactions that commit late. [`Sample`] finds the moment
//! before which no row can appear any more; [`mod@hydrate`] reads up to it, in the order of timestamp and key, and commits
//! to a [`Topic`]. `docs/status.md` lists what of the lake is missing.

mod directory;
mod failure;
mod hydrate;
pub mod inspect;
mod keys;
mod page;
mod sink;
mod store;
mod transform;
mod watermark;

pub use directory::{Position, Topic};
pub use failure::{BadRow, LakeError};
pub use hydrate::{Table, hydrate};
pub use keys::{Findings, Keys};
pub use page::{Page, Position as RowPosition};
pub use sink::{CONNECT_DEFAULTS, Committed, SinkOptions, TopicWriter};
pub use store::{Lake, Object, StoreOptions};
pub use transform::Transforms;
pub use watermark::Sample;
