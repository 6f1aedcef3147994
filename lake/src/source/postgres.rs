//! `PostgreSQL`: tables and a query, read by `COPY … (FORMAT binary)`.

mod address;
mod bound;
mod catalog;
mod column;
mod connection;
mod copy;
mod literal;
mod numeric;
mod options;
mod relation;
mod rows;
mod source;
mod tls;

pub use address::PostgresAddress;
pub use bound::Sample;
pub use options::{Mode, PostgresOptions, Selection};
pub use source::PostgresSource;
