//! The gateway's own endpoints.

pub(crate) mod echo;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod status;
