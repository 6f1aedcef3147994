//! An upstream's address, as `SERVICE_B_URL` says it.

use std::{collections::BTreeMap, net::Ipv6Addr};

use http::Uri;
use octet_runtime::{
    environment::{Environment, Faults},
    upstream::UpstreamAddress,
};

use crate::holds::{SECRET, lossy, no_secret};

pub(crate) fn run(bytes: &[u8]) {
    let text = lossy(bytes);
    for planted in [format!("{SECRET}{text}"), format!("{text}{SECRET}"), text.replace('@', SECRET)] {
        if let Err(faults) = read(&planted) {
            no_secret(&faults.to_string());
        }
    }

    let Ok(address) = read(&text) else { return };
    let said = address.to_string();
    assert_eq!(read(&said), Ok(address), "{said} is not read as it was said");
    // What is called: a host and a port, and nothing that a name server or a log should not see.
    let uri: Uri = format!("http://{said}/x").parse().unwrap_or_else(|error| panic!("{said}: {error}"));
    assert_eq!((uri.path(), uri.query()), ("/x", None), "{said}");
    assert!(uri.port_u16().is_some_and(|port| port > 0) && !said.contains('@'), "{said}");
    let host = uri.host().unwrap_or_default();
    assert!(!host.is_empty(), "{said}");
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').unwrap_or_else(|| panic!("{said}: a bracket is open"));
        assert!(inner.parse::<Ipv6Addr>().is_ok(), "{said}: no IPv6 address");
    }
}

fn read(text: &str) -> Result<UpstreamAddress, Faults> {
    let variables = BTreeMap::from([("SERVICE_B_URL".to_owned(), text.to_owned())]);
    let mut environment = Environment::new(&variables);
    let address = UpstreamAddress::from_environment(&mut environment, "service-b", "SERVICE_B");
    environment.finish(address).map(|address| address.expect("no fault, and so an address"))
}
