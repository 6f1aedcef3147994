//! Objects: which rows go into which one, how they are encoded, and how a commit makes them appear once.

mod commit;
mod conform;
mod encode;
mod escape;
mod json;
mod options;
mod partition;
mod plan;
mod time_path;
mod topic;

pub(crate) use conform::{OFFSET, conform};
pub(crate) use escape::unescape;
pub use options::{CONNECT_DEFAULTS, SinkOptions};
pub use topic::{Committed, TopicWriter};
#[cfg(test)]
mod tests;
