//! A process's environment as in `/proc/PID/environ`: `NAME=value`, each ended by a NUL.

use std::{
    collections::BTreeMap, ffi::OsString, fmt::Debug, os::unix::ffi::OsStringExt, sync::LazyLock,
    time::Duration,
};

use octet_gateway::GatewaySettings;
use octet_greeting::ServiceSettings;
use octet_runtime::{
    drain::DrainSettings,
    environment::{Environment, Faults, Lookup},
    listen::ListenAddress,
};
use octet_topology::Topology;

use crate::checks::{SECRET, no_secret, one_line};

/// Errors about these repeat their value: names, which are public.
const PUBLIC: [&str; 2] = ["PROPAGATE_HEADERS", "SERVICE_NAME"];

/// Variables whose whole value is a secret. Errors about others repeat it, unless it has the form of credentials.
const SECRET_VARIABLES: [&str; 3] = ["CONN", "TOKEN", "OTLP_HEADERS"];

static TOPOLOGY: LazyLock<Topology> = LazyLock::new(|| Topology::built_in().expect("valid"));

pub(crate) fn run(bytes: &[u8]) {
    let plain = Block { bytes, plants: false };
    let planted = Block { bytes, plants: true };
    listens(&plain);
    ends(&plain);
    for read in [service, gateway] {
        let result = read(&plain);
        assert_eq!(read(&plain), result, "reading again gives another result");
        if let Err(faults) = read(&planted) {
            no_secret(&faults.to_string());
        }
        let Err(faults) = result else { continue };
        assert!(faults.iter().next().is_some());
        for fault in faults.iter().map(ToString::to_string) {
            one_line(&fault);
            let is_name =
                |name: &str| name.bytes().all(|byte| byte.is_ascii_uppercase() || b"_".contains(&byte));
            assert!(
                fault.split_once(": ").is_some_and(|(name, _)| is_name(name)),
                "names no variable: {fault}"
            );
        }
    }
}

/// The settings of a service, in a form that can be compared.
fn service(lookup: &Block<'_>) -> Result<String, Faults> {
    let mut environment = Environment::new(lookup);
    let settings = ServiceSettings::from_environment(&mut environment, TOPOLOGY.clone(), None);
    environment.finish(settings).map(|settings| comparable(&settings.expect("no fault, and so a service")))
}

/// The settings of the gateway, in a form that can be compared.
fn gateway(lookup: &Block<'_>) -> Result<String, Faults> {
    let mut environment = Environment::new(lookup);
    let settings = GatewaySettings::from_environment(&mut environment, TOPOLOGY.clone());
    environment.finish(settings).map(|settings| comparable(&settings.expect("no fault, and so a gateway")))
}

/// Settings without the id of the process's instance, which is random.
fn comparable(settings: &impl Debug) -> String {
    let text = format!("{settings:?}");
    let parts =
        text.split_once("instance: \"").and_then(|(before, id)| Some((before, id.split_once('"')?.1)));
    parts.map(|(before, after)| before.to_owned() + after).unwrap_or(text)
}

/// An address as text can be read back.
fn listens(lookup: &Block<'_>) {
    for variable in ["PORT", "ADMIN_PORT"] {
        let read = |lookup: &dyn Lookup| {
            let mut environment = Environment::new(lookup);
            let address = ListenAddress::from_environment(&mut environment, variable, 1);
            environment.finish(address)
        };
        let Ok(address) = read(lookup) else { continue };
        let text = BTreeMap::from([(variable.to_owned(), address.to_string())]);
        assert_eq!(read(&text), Ok(address));
    }
}

/// A process's shutdown time is within its bounds, even with invalid variables.
fn ends(lookup: &Block<'_>) {
    let drain = DrainSettings::from_environment(&mut Environment::new(lookup));
    assert!(drain.pause <= Duration::from_mins(5) && drain.grace <= Duration::from_hours(1), "{drain:?}");
}

/// The first value of a name is used, as by `getenv`.
struct Block<'a> {
    bytes: &'a [u8],
    /// Whether a secret is placed in each value that can contain one.
    plants: bool,
}

impl Lookup for Block<'_> {
    fn get(&self, name: &str) -> Option<OsString> {
        let mut entries = self.bytes.split(|byte| *byte == 0);
        let value = entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        let mut value = value.to_vec();
        if self.plants && !PUBLIC.contains(&name) {
            let at = self.bytes.len() % (value.len() + 1);
            let is_secret = SECRET_VARIABLES.iter().any(|part| name.contains(part));
            let planted = if is_secret { SECRET.to_owned() } else { format!("user:{SECRET}@") };
            value.splice(at..at, planted.bytes());
        }
        Some(OsString::from_vec(value))
    }
}
