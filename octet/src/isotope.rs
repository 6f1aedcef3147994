//! Service graphs of Istio's load test isotope, as topology files.
//!
//! Its format: <https://github.com/istio/tools/tree/master/isotope>. What Octet's language has no word for is reported with its
//! line.

mod convert;
mod quantity;
mod yaml;

pub(crate) use convert::convert;
