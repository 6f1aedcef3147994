//! Whose word about a client is believed: `TRUSTED_PROXIES`.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderName, header};
use octet_runtime::environment::Environment;

const VARIABLE: &str = "TRUSTED_PROXIES";

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What proxies say about who asked, and anyone else could.
const SAID_BY_PROXIES: [HeaderName; 6] = [
    header::FORWARDED,
    FORWARDED_FOR,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

/// Networks whose hosts are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// A network by its prefix; IPv4 as IPv6 maps it, so that there is one form to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    prefix: u128,
    mask: u128,
}

impl TrustedProxies {
    /// Reads `TRUSTED_PROXIES`: addresses and networks (`10.0.0.0/8`, `::1`), comma-separated. None by default.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        let allowed = "a comma-separated list of addresses and networks, such as 10.0.0.0/8,::1";
        environment.or(VARIABLE, allowed, Self::default(), |text| {
            let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
            entries.map(Network::parse).collect::<Option<_>>().map(Self).ok_or(())
        })
    }

    /// Whether what `address` says of others is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let bits = bits(address);
        self.0.iter().any(|network| bits & network.mask == network.prefix)
    }

    /// Who asks, as far as it can be known: behind trusted proxies, the last address in `x-forwarded-for` that is not
    /// one of theirs; else the connection's other end. What an untrusted end says about itself is taken out.
    pub fn client(&self, headers: &mut HeaderMap, peer: IpAddr) -> IpAddr {
        if !self.trusts(peer) {
            for name in SAID_BY_PROXIES {
                headers.remove(name);
            }
            return peer.to_canonical();
        }
        let mut client = peer;
        for hop in hops(headers).iter().rev() {
            // What comes before a hop that cannot be read was said by nobody that is known.
            let Some(address) = hop else { break };
            client = *address;
            if !self.trusts(client) {
                break;
            }
        }
        client.to_canonical()
    }
}

/// The addresses in `x-forwarded-for`, in the order of the way.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = headers.get_all(FORWARDED_FOR).iter();
    values.flat_map(|value| value.to_str().unwrap_or("-").split(',')).map(|hop| address(hop.trim())).collect()
}

/// An address, with a port or without: some proxies write `192.0.2.1:1234` and `[2001:db8::1]:1234`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(text, |(inner, _)| inner);
    bare.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let (most, mapped) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let length = match length {
            None => most,
            // `u32` would take a sign.
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        if length > most {
            return None;
        }
        let mask = u128::MAX.checked_shl(128 - (length + mapped)).unwrap_or(0);
        Some(Self { prefix: bits(address) & mask, mask })
    }
}

fn bits(address: IpAddr) -> u128 {
    let address: Ipv6Addr = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    address.to_bits()
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
        assert!(read("::/0").unwrap().trusts("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["proxy", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0", "10.0.0.1:80"] {
            let told = read(text).expect_err(text);
            assert!(told.starts_with("TRUSTED_PROXIES: must be a comma-separated list"), "{told}");
        }
    }

    #[test]
    fn the_client_is_the_last_hop_that_no_trusted_proxy_is() {
        let proxies = read("127.0.0.0/8,10.0.0.0/8").expect("valid");
        for (said, client) in [
            ("203.0.113.9", "203.0.113.9"),
            ("198.51.100.1, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
            ("nonsense, 10.1.1.1", "10.1.1.1"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("", "127.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_FOR, HeaderValue::from_static(said));
            let told = proxies.client(&mut headers, "127.0.0.1".parse().unwrap());
            assert_eq!(told.to_string(), client, "{said}");
            assert!(headers.contains_key(FORWARDED_FOR));
        }
    }

    #[test]
    fn an_untrusted_end_speaks_for_nobody() {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("203.0.113.9"));
        headers.insert("x-forwarded-host", HeaderValue::from_static("bank.example"));
        let client = TrustedProxies::default().client(&mut headers, "::ffff:127.0.0.1".parse().unwrap());
        assert_eq!(client.to_string(), "127.0.0.1");
        assert!(headers.is_empty(), "{headers:?}");
    }
}
