//! What the edge is told of origins and proxies, and what proxies tell it: `ALLOWED_ORIGINS` in the first line,
//! `TRUSTED_PROXIES` in the second, a header block below.

use std::{collections::BTreeMap, net::IpAddr};

use http::{HeaderValue, Uri};
use octet_gateway::{Origins, TrustedProxies};
use octet_runtime::environment::{Environment, Faults};

use crate::{
    headers::{first_line, parse},
    holds::{lossy, short_line},
};

pub(crate) fn run(bytes: &[u8]) {
    let (origins, rest) = first_line(bytes);
    let (proxies, block) = first_line(rest);
    origins_are_what_browsers_send(&lossy(origins));

    let peer: IpAddr = [127, 0, 0, 1].into();
    let mut headers = parse(block);
    let nobody = TrustedProxies::default();
    assert_eq!(nobody.client(&mut headers.clone(), peer), peer, "an untrusted end speaks for itself alone");
    match read("TRUSTED_PROXIES", &lossy(proxies), TrustedProxies::from_environment) {
        Err(faults) => short_line(&faults.to_string()),
        Ok(proxies) => {
            let client = proxies.client(&mut headers, peer);
            if !proxies.trusts(peer) {
                assert_eq!(client, peer, "a peer that is not trusted is the client");
                assert!(!headers.contains_key("x-forwarded-for"), "what it said goes no further");
            }
            assert_eq!(client, client.to_canonical());
        }
    }
}

fn origins_are_what_browsers_send(text: &str) {
    let origins = match read("ALLOWED_ORIGINS", text, Origins::from_environment) {
        Err(faults) => return short_line(&faults.to_string()),
        Ok(origins) => origins,
    };
    let Some(Origins::Listed(origins)) = origins else { return };
    assert!(!origins.is_empty());
    for origin in origins {
        let said = origin.to_str().expect("text").to_owned();
        let uri: Uri = said.parse().unwrap_or_else(|error| panic!("{said}: {error}"));
        assert!(uri.scheme().is_some() && uri.host().is_some_and(|host| !host.is_empty()), "{said}");
        assert!(uri.path() == "/" && uri.query().is_none() && !said.ends_with('/'), "{said}");
        assert!(!said.contains(['@', ',', ' ', '*']), "{said}");
        assert_eq!(said, said.to_ascii_lowercase());
        let again = read("ALLOWED_ORIGINS", &said, Origins::from_environment);
        let again = again.unwrap_or_else(|error| panic!("{said} is not read as it was said: {error}"));
        assert_eq!(again, Some(Origins::Listed(vec![HeaderValue::from_str(&said).expect("a value")])));
    }
}

fn read<T>(name: &str, text: &str, parse: impl Fn(&mut Environment<'_>) -> T) -> Result<T, Faults> {
    let variables = BTreeMap::from([(name.to_owned(), text.to_owned())]);
    let mut environment = Environment::new(&variables);
    let parsed = parse(&mut environment);
    environment.finish(parsed)
}
