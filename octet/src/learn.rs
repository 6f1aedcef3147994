//! Learns a topology from traces: a twin of the mesh that made them.
//!
//! [`measure`] reads what each service did, [`order`] finds which calls follow which, and [`mod@write`] makes the file.

mod measure;
mod order;
mod spread;
mod write;

use octet_topology::Topology;
use octet_zipkin::Span;

/// A topology, and what it does not say as the traces did.
#[derive(Debug)]
pub(crate) struct Learned {
    pub(crate) toml: String,
    pub(crate) notes: Vec<String>,
}

/// Learns a topology.
///
/// # Errors
/// Why the traces show none.
pub(crate) fn learn(traces: &[Vec<Span>]) -> Result<Learned, String> {
    if traces.is_empty() {
        return Err("there are no traces".to_owned());
    }
    let measured = measure::Measured::of(traces);
    let learned = write::write(&measured)?;
    Topology::parse(&learned.toml, "learned").map_err(|findings| {
        let problems: Vec<_> =
            findings.iter().map(|finding| format!("{}: {}", finding.path, finding.message)).collect();
        format!("the mesh of the traces is beyond the limits of a topology: {}", problems.join("; "))
    })?;
    Ok(learned)
}

#[cfg(test)]
mod tests;
