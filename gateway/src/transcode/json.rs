//! Messages as proto3 JSON, in both directions.
//!
//! prost-reflect's own JSON is not used: it follows the mapping with exceptions, some of which change values silently.

mod any;
mod form;
mod number;
mod read;
mod text;
mod write;

pub(super) use any::AnyJson;
pub(super) use form::{Form, Text};
pub(super) use read::{ReadError, field, message};
pub(super) use text::{MAX_SECONDS_OF_DURATION, is_path, message_with};
pub use write::message_json;
