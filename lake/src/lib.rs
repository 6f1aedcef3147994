//! Copies new rows of databases into a lake of files, each row exactly once.
//!
//! A [`source`] reads the rows that are final: a query for "rows since the last one" loses the rows of transactions that
//! commit late. `docs/status.md` lists what of the lake is missing.

mod directory;
mod failure;
mod keys;
mod page;
pub mod source;

pub use directory::{Position as DirectoryPosition, Topic};
pub use failure::{BadRow, LakeError};
pub use keys::{Findings, Keys};
pub use page::{Page, Position};
