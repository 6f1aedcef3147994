//! The language of faults, and the values that it shares with topologies.
//!
//! A [`Fault`] names where it acts ([`Address`]), what it does ([`Effect`]) and when (share, limit, duration, a header). One
//! grammar serves every way in: a `[[fault]]` table, the environment, the admin server and a request's header. [`Draw`]
//! decides by a hash which requests a fault hits, so that the same request with the same seed meets the same fate.
//!
//! The crate is pure: it reads no file, no clock and no environment.

mod address;
mod code;
mod draw;
mod effect;
mod fault;
mod grammar;
mod quantity;
mod share;
mod spread;
mod text;

pub use address::{Address, GATEWAY, Party, is_label};
pub use code::{Code, code_name};
pub use draw::{Draw, Seed};
pub use effect::{EFFECTS, Effect, MAX_CPU, MAX_DELAY, MAX_MEMORY, MAX_STALL};
pub use fault::{DEFAULT_MAX, Fault, MAX_FAULTS, When};
pub use grammar::{Field, KEYS, read_fields};
pub use quantity::{Quantity, Size, duration_text, parse_duration};
pub use share::Share;
pub use spread::{Quantiles, Spread};
pub use text::{Problem, Problems, parse};
