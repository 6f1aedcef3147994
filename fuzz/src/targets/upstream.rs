//! An upstream's address, as in `SERVICE_B_URL`.

use std::{collections::BTreeMap, net::Ipv6Addr};

use http::Uri;
use octet_runtime::{
    environment::{Environment, Faults},
    upstream::UpstreamAddress,
};

use crate::checks::{SECRET, lossy, no_secret};

pub(crate) fn run(bytes: &[u8]) {
    let input = lossy(bytes);
    for planted in [format!("{SECRET}{input}"), format!("{input}{SECRET}"), input.replace('@', SECRET)] {
        if let Err(faults) = read(&planted) {
            no_secret(&faults.to_string());
        }
    }

    let Ok(address) = read(&input) else { return };
    let text = address.to_string();
    assert_eq!(read(&text), Ok(address), "{text} is not read back");
    text.split(',').for_each(check);
}

/// An address is a host and a port, without anything that must not reach a name server or a log.
fn check(text: &str) {
    let uri: Uri = format!("http://{text}/x").parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!((uri.path(), uri.query()), ("/x", None), "{text}");
    assert!(uri.port_u16().is_some_and(|port| port > 0) && !text.contains('@'), "{text}");
    let host = uri.host().unwrap_or_default();
    assert!(!host.is_empty(), "{text}");
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').unwrap_or_else(|| panic!("{text}: a bracket is open"));
        assert!(inner.parse::<Ipv6Addr>().is_ok(), "{text}: not an IPv6 address");
    }
}

fn read(text: &str) -> Result<UpstreamAddress, Faults> {
    let variables = BTreeMap::from([("SERVICE_B_URL".to_owned(), text.to_owned())]);
    let mut environment = Environment::new(&variables);
    let address = UpstreamAddress::from_environment(&mut environment, "service-b", "SERVICE_B");
    environment.finish(address).map(|address| address.expect("no fault, and so an address"))
}
