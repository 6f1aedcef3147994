//! The edge's settings for origins and proxies: `ALLOWED_ORIGINS` in the first line, `TRUSTED_PROXIES` in the second, then
//! the headers of a request.

use std::{collections::BTreeMap, net::IpAddr};

use http::{HeaderValue, Uri};
use octet_gateway::{Origins, TrustedProxies};
use octet_runtime::environment::{Environment, Faults};

use crate::{
    checks::{lossy, short_line},
    headers::{first_line, parse},
};

pub(crate) fn run(bytes: &[u8]) {
    let (origins, rest) = first_line(bytes);
    let (proxies, block) = first_line(rest);
    origins_are_what_browsers_send(&lossy(origins));

    let peer: IpAddr = [127, 0, 0, 1].into();
    let mut headers = parse(block);
    let nobody = TrustedProxies::default();
    assert_eq!(
        nobody.client(&mut headers.clone(), peer),
        peer,
        "without trusted proxies the peer is the client"
    );
    match read("TRUSTED_PROXIES", &lossy(proxies), TrustedProxies::from_environment) {
        Err(faults) => short_line(&faults.to_string()),
        Ok(proxies) => {
            let client = proxies.client(&mut headers, peer);
            if !proxies.trusts(peer) {
                assert_eq!(client, peer, "a peer that is not trusted is the client");
                assert!(!headers.contains_key("x-forwarded-for"), "its headers are removed");
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
        let text = origin.to_str().expect("text").to_owned();
        let uri: Uri = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(uri.scheme().is_some() && uri.host().is_some_and(|host| !host.is_empty()), "{text}");
        assert!(uri.path() == "/" && uri.query().is_none() && !text.ends_with('/'), "{text}");
        assert!(!text.contains(['@', ',', ' ', '*']), "{text}");
        assert_eq!(text, text.to_ascii_lowercase());
        let again = read("ALLOWED_ORIGINS", &text, Origins::from_environment);
        let again = again.unwrap_or_else(|error| panic!("{text} is not read back: {error}"));
        assert_eq!(again, Some(Origins::Listed(vec![HeaderValue::from_str(&text).expect("a value")])));
    }
}

fn read<T>(name: &str, text: &str, parse: impl Fn(&mut Environment<'_>) -> T) -> Result<T, Faults> {
    let variables = BTreeMap::from([(name.to_owned(), text.to_owned())]);
    let mut environment = Environment::new(&variables);
    let parsed = parse(&mut environment);
    environment.finish(parsed)
}
