//! What the edge answers itself, beside pages and traces.

pub(crate) mod echo;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod status;
