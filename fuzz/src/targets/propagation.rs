//! `PROPAGATE_HEADERS` in the first line, then the headers of a call.

use std::collections::BTreeMap;

use http::HeaderMap;
use octet_runtime::{environment::Environment, propagation::Propagation};

use crate::{
    checks::{lossy, one_line},
    headers::{first_line, parse},
};

/// Never propagated, whatever the variable is.
const REFUSED: [&str; 12] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "proxy-authorization",
    "set-cookie",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
];

/// Always propagated.
const TRACE: [&str; 4] = ["b3", "traceparent", "x-b3-traceid", "x-request-id"];

pub(crate) fn run(bytes: &[u8]) {
    let (added, block) = first_line(bytes);
    let variables = BTreeMap::from([("PROPAGATE_HEADERS".to_owned(), lossy(added))]);
    let mut environment = Environment::new(&variables);
    // With an invalid variable the process does not start, but the properties hold even then.
    let propagation = Propagation::from_environment(&mut environment);
    if let Err(faults) = environment.finish(()) {
        faults.iter().for_each(|fault| one_line(&fault.to_string()));
    }

    let headers = parse(block);
    let carried = propagation.carried(&headers);
    for name in carried.keys() {
        assert!(
            !REFUSED.contains(&name.as_str()) && !name.as_str().starts_with("grpc-"),
            "{name} is propagated"
        );
        assert!(propagation.carries(name));
        assert_eq!(values(&carried, name.as_str()), values(&headers, name.as_str()), "{name} is changed");
    }
    for name in TRACE {
        assert_eq!(values(&carried, name), values(&headers, name), "{name} is not propagated");
    }
    assert_eq!(propagation.carried(&carried), carried, "the second hop propagates something else");
}

/// The values that are not empty, in order.
fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h [u8]> {
    headers.get_all(name).iter().map(AsRef::as_ref).filter(|value: &&[u8]| !value.is_empty()).collect()
}
