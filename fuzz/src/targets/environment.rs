//! A process's environment as `/proc/PID/environ` has it: `NAME=value`, each ended by a NUL.

use std::{collections::BTreeMap, ffi::OsString, os::unix::ffi::OsStringExt, sync::LazyLock, time::Duration};

use octet_gateway::GatewaySettings;
use octet_greeting::ServiceSettings;
use octet_runtime::{
    drain::DrainSettings,
    environment::{Environment, Faults, Lookup},
    listen::ListenAddress,
};
use octet_topology::Topology;

use crate::holds::{SECRET, no_secret, one_line};

/// Their faults repeat what they hold: names, which are public.
const PUBLIC: [&str; 2] = ["PROPAGATE_HEADERS", "SERVICE_NAME"];

static TOPOLOGY: LazyLock<Topology> = LazyLock::new(|| Topology::built_in().expect("valid"));

pub(crate) fn run(bytes: &[u8]) {
    let plain = Block { bytes, plants: false };
    let planted = Block { bytes, plants: true };
    listens(&plain);
    ends(&plain);
    for read in [service, gateway] {
        let told = read(&plain);
        assert_eq!(read(&plain), told, "one environment, read twice");
        if let Err(faults) = read(&planted) {
            no_secret(&faults.to_string());
        }
        let Err(faults) = told else { continue };
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

/// What a service makes of it, in a form that can be compared.
fn service(lookup: &Block<'_>) -> Result<String, Faults> {
    let mut environment = Environment::new(lookup);
    let settings = ServiceSettings::from_environment(&mut environment, TOPOLOGY.clone(), None);
    environment
        .finish(settings)
        .map(|settings| format!("{:?}", settings.expect("no fault, and so a service")))
}

/// The same for the gateway.
fn gateway(lookup: &Block<'_>) -> Result<String, Faults> {
    let mut environment = Environment::new(lookup);
    let settings = GatewaySettings::from_environment(&mut environment, TOPOLOGY.clone());
    environment
        .finish(settings)
        .map(|settings| format!("{:?}", settings.expect("no fault, and so a gateway")))
}

/// An address says itself so that it can be read again.
fn listens(lookup: &Block<'_>) {
    for variable in ["PORT", "ADMIN_PORT"] {
        let read = |lookup: &dyn Lookup| {
            let mut environment = Environment::new(lookup);
            let address = ListenAddress::from_environment(&mut environment, variable, 1);
            environment.finish(address)
        };
        let Ok(address) = read(lookup) else { continue };
        let said = BTreeMap::from([(variable.to_owned(), address.to_string())]);
        assert_eq!(read(&said), Ok(address));
    }
}

/// No process takes longer to end than its variables may say, not even with a fault.
fn ends(lookup: &Block<'_>) {
    let drain = DrainSettings::from_environment(&mut Environment::new(lookup));
    assert!(drain.pause <= Duration::from_mins(5) && drain.grace <= Duration::from_hours(1), "{drain:?}");
}

/// The first of a name counts, as for `getenv`.
struct Block<'a> {
    bytes: &'a [u8],
    /// Whether a secret is put into each value that may hold one.
    plants: bool,
}

impl Lookup for Block<'_> {
    fn get(&self, name: &str) -> Option<OsString> {
        let mut entries = self.bytes.split(|byte| *byte == 0);
        let value = entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        let mut value = value.to_vec();
        if self.plants && !PUBLIC.contains(&name) {
            let at = self.bytes.len() % (value.len() + 1);
            value.splice(at..at, SECRET.bytes());
        }
        Some(OsString::from_vec(value))
    }
}
