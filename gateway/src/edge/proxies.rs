//! Which proxies' `X-Forwarded-*` headers are trusted: `TRUSTED_PROXIES`.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::{IpNet, Ipv4Net};
use octet_runtime::environment::Environment;

const VARIABLE: &str = "TRUSTED_PROXIES";

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Headers by which proxies describe the client, and which any client could forge.
const SET_BY_PROXIES: [HeaderName; 7] = [
    header::FORWARDED,
    FORWARDED_FOR,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

/// Networks whose hosts are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads `TRUSTED_PROXIES`: comma-separated addresses and networks (`10.0.0.0/8`, `::1`); empty by default.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        let allowed = "a comma-separated list of addresses and networks, such as 10.0.0.0/8,::1";
        environment.or(VARIABLE, allowed, Self::default(), |text| {
            let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
            entries.map(network).collect::<Option<_>>().map(Self).ok_or(())
        })
    }

    /// Whether the headers that `address` sets are trusted. A network of one family never contains the other's addresses.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client's address: behind trusted proxies the last address in `x-forwarded-for` that is not a trusted proxy's,
    /// otherwise the peer's. Removes the headers that an untrusted peer sets about itself.
    pub fn client(&self, headers: &mut HeaderMap, peer: IpAddr) -> IpAddr {
        if !self.trusts(peer) {
            for name in SET_BY_PROXIES {
                headers.remove(name);
            }
            return peer.to_canonical();
        }
        let mut client = peer;
        for hop in hops(headers).iter().rev() {
            // Nobody vouches for what comes before an unreadable hop.
            let Some(address) = hop else { break };
            client = *address;
            if !self.trusts(client) {
                break;
            }
        }
        client.to_canonical()
    }
}

/// The addresses in `x-forwarded-for`, from the client on.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = headers.get_all(FORWARDED_FOR).iter();
    values.flat_map(|value| value.to_str().unwrap_or("-").split(',')).map(|hop| address(hop.trim())).collect()
}

/// An address with or without a port: some proxies write `192.0.2.1:1234` and `[2001:db8::1]:1234`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(text, |(inner, _)| inner);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// A network or a single address; IPv4 networks in IPv6-mapped form become IPv4 networks.
fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    let mapped = match network {
        IpNet::V4(_) => None,
        IpNet::V6(network) => network.addr().to_ipv4_mapped().zip(network.prefix_len().checked_sub(96)),
    };
    match mapped {
        Some((address, length)) => Ipv4Net::new(address, length).ok().map(IpNet::V4),
        None => Some(network),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::http::HeaderValue;

    use super::*;

    fn read(text: &str) -> Result<TrustedProxies, String> {
        let variables = BTreeMap::from([(VARIABLE.to_owned(), text.to_owned())]);
        let mut environment = Environment::new(&variables);
        let proxies = TrustedProxies::from_environment(&mut environment);
        environment.finish(proxies).map_err(|faults| faults.to_string())
    }

    #[test]
    fn addresses_and_networks_of_both_families_are_matched() {
        let proxies = read("10.0.0.0/8, 192.0.2.7,2001:db8::/32,::1").expect("valid");
        for address in ["10.255.0.1", "192.0.2.7", "2001:db8:1::2", "::1", "::ffff:10.1.2.3"] {
            assert!(proxies.trusts(address.parse().unwrap()), "{address}");
        }
        for address in ["11.0.0.1", "192.0.2.8", "2001:db9::1", "::2"] {
            assert!(!proxies.trusts(address.parse().unwrap()), "{address}");
        }
        assert!(read("0.0.0.0/0").unwrap().trusts("192.0.2.1".parse().unwrap()));
        assert!(!read("0.0.0.0/0").unwrap().trusts("2001:db8::1".parse().unwrap()));
        assert!(read("::/0").unwrap().trusts("2001:db8::1".parse().unwrap()));
        for address in ["192.0.2.1", "::ffff:192.0.2.1"] {
            assert!(!read("::/0").unwrap().trusts(address.parse().unwrap()), "{address} is IPv4");
        }
        assert!(read("::ffff:10.0.0.0/104").unwrap().trusts("10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn an_invalid_network_is_refused() {
        for text in ["proxy", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0", "10.0.0.1:80"] {
            let fault = read(text).expect_err(text);
            assert!(fault.starts_with("TRUSTED_PROXIES: must be a comma-separated list"), "{fault}");
        }
    }

    #[test]
    fn the_client_is_the_last_hop_that_is_not_a_trusted_proxy() {
        let proxies = read("127.0.0.0/8,10.0.0.0/8").expect("valid");
        for (forwarded, client) in [
            ("203.0.113.9", "203.0.113.9"),
            ("198.51.100.1, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
            ("nonsense, 10.1.1.1", "10.1.1.1"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("", "127.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_FOR, HeaderValue::from_static(forwarded));
            let found = proxies.client(&mut headers, "127.0.0.1".parse().unwrap());
            assert_eq!(found.to_string(), client, "{forwarded}");
            assert!(headers.contains_key(FORWARDED_FOR));
        }
    }

    #[test]
    fn an_untrusted_peer_cannot_set_the_client_address() {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("203.0.113.9"));
        headers.insert("x-forwarded-host", HeaderValue::from_static("bank.example"));
        let client = TrustedProxies::default().client(&mut headers, "::ffff:127.0.0.1".parse().unwrap());
        assert_eq!(client.to_string(), "127.0.0.1");
        assert!(headers.is_empty(), "{headers:?}");
    }
}
