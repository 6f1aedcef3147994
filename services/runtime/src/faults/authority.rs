//! Whose fault headers a process obeys.

use std::{net::SocketAddr, time::SystemTime};

use http::{HeaderMap, HeaderValue};
use tonic::Status;

use super::{
    Faults,
    header::{self, FAULT, FAULT_PROOF},
    proof::{FaultKey, InvalidProof},
};

/// Whose fault headers a process obeys.
#[derive(Debug, Clone, Default)]
pub enum Authority {
    /// Nobody's: the headers are ignored, and not sent on.
    #[default]
    Nobody,
    /// Those of clients on the same host.
    SameHost,
    /// Those with a proof by this key.
    Key(FaultKey),
}

/// The fault header of a call that this process serves, once it is checked.
#[derive(Debug, Default)]
pub struct CallFaults(Vec<(http::HeaderName, HeaderValue)>);

impl CallFaults {
    /// Adds the header, and its proof, to those that the next hop receives.
    pub fn carry_to(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            headers.append(name, value.clone());
        }
    }
}

impl Faults {
    /// Checks the fault header of a call that this process serves, and removes it where this process does not obey it.
    /// `is_near` is whether the client is on this host.
    ///
    /// # Errors
    /// A status that says what is wrong with the header.
    pub fn admit(
        &self,
        headers: &mut HeaderMap,
        is_near: impl FnOnce(&HeaderMap) -> bool,
    ) -> Result<CallFaults, Status> {
        if !headers.contains_key(FAULT) {
            return Ok(CallFaults::default());
        }
        match &self.0.authority {
            Authority::Key(key) => verify(key, headers)?,
            Authority::SameHost if is_near(headers) => {}
            Authority::SameHost | Authority::Nobody => {
                headers.remove(FAULT);
                headers.remove(FAULT_PROOF);
                return Ok(CallFaults::default());
            }
        }
        let faults = header::faults(headers).map_err(Status::invalid_argument)?;
        for fault in &faults {
            self.check(fault)
                .map_err(|why| Status::invalid_argument(format!("octet-fault: at={}: {why}", fault.at())))?;
        }
        let carried = [FAULT, FAULT_PROOF].into_iter().flat_map(|name| {
            let values: Vec<_> = headers.get_all(&name).iter().cloned().collect();
            values.into_iter().map(move |value| (name.clone(), value))
        });
        Ok(CallFaults(carried.collect()))
    }
}

fn verify(key: &FaultKey, headers: &HeaderMap) -> Result<(), Status> {
    let text = header::text(headers).map_err(Status::invalid_argument)?;
    let mut proofs = headers.get_all(FAULT_PROOF).iter();
    let verified = match (proofs.next(), proofs.next()) {
        (None, _) => Err(InvalidProof::Missing),
        (Some(proof), None) => {
            let proof = proof.to_str().map_err(|_| InvalidProof::Malformed);
            proof.and_then(|proof| key.verify(&text, proof, SystemTime::now()))
        }
        (Some(_), Some(_)) => Err(InvalidProof::Malformed),
    };
    verified.map_err(|error| match error {
        InvalidProof::Malformed => Status::invalid_argument(error.to_string()),
        _ => Status::permission_denied(error.to_string()),
    })
}

/// Whether the peer's address is a loopback address.
pub(super) fn is_loopback(peer: Option<SocketAddr>) -> bool {
    peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
}

impl Faults {
    /// As [`admit`](Self::admit), for a call by gRPC from `peer`. Headers of proxies do not matter: the gateway has checked its
    /// clients, and adds some itself.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub fn admit_from(
        &self,
        headers: &mut HeaderMap,
        peer: Option<SocketAddr>,
    ) -> Result<CallFaults, Status> {
        self.admit(headers, |_| is_loopback(peer))
    }
}
