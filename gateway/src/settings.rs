//! The gateway's settings, parsed from its environment before it binds a port.

use std::{borrow::Cow, path::PathBuf, sync::Arc};

use octet_fault::{Fault, GATEWAY};
use octet_runtime::{
    environment::Environment,
    faults::{FaultSettings, Faults, Identity, draw_seed},
    http_url::HttpUrl,
    metrics::Metrics,
    process::{Defaults, ProcessSettings},
    serve::{Plain, Tls, Transport},
    upstream::UpstreamAddress,
};
use octet_topology::Topology;

use crate::{
    edge::{Origins, TrustedProxies},
    limits::Limits,
    processes::AdminAddresses,
};

/// `max_concurrent`: what two cores answer in about a fifth of a second.
const DEFAULTS: Defaults = Defaults { port: 8080, admin_port: 9000, max_concurrent: 512 };

/// The settings of the gateway.
#[derive(Debug)]
pub struct GatewaySettings {
    /// The settings that every process has.
    pub process: ProcessSettings,
    /// The serialized `FileDescriptorSet` of the served protos, with imports: Octet's own, unless a test or a platform built
    /// on this one replaces it.
    pub descriptors: Cow<'static, [u8]>,
    /// The program `octet`, which runs the page's loads and scenarios: this program, unless a test replaces it. `None`
    /// without `LOAD_RUNS`.
    pub run_program: Option<PathBuf>,
    /// The data directory of the `octet up`, for its scenarios.
    pub(crate) scenario_data: Option<PathBuf>,
    pub(crate) topology: Topology,
    pub(crate) entry: UpstreamAddress,
    pub(crate) traces: Option<HttpUrl>,
    pub(crate) processes: AdminAddresses,
    pub(crate) limits: Limits,
    pub(crate) origins: Option<Origins>,
    pub(crate) proxies: TrustedProxies,
    pub(crate) tls: Option<Tls>,
    /// The API's address for the page; `None` if it is the gateway that served the page.
    pub(crate) api: Option<HttpUrl>,
}

impl GatewaySettings {
    /// Reads all of the gateway's variables. The address of the topology's entry is `SERVICE_A_URL` if the entry is
    /// `service-a`.
    ///
    /// `topology` is `None` if it has faults itself. Returns `None` if the topology or the entry's address is invalid.
    pub fn from_environment(
        environment: &mut Environment<'_>,
        topology: impl Into<Option<Topology>>,
    ) -> Option<Self> {
        let topology = topology.into();
        let entry = topology.as_ref().and_then(|topology| {
            let name = &topology.entry().name;
            UpstreamAddress::from_environment(environment, name.as_str(), &name.env_prefix())
        });
        // Read also after a fault, so that all faults are reported together.
        let mut process = ProcessSettings::from_environment(environment, DEFAULTS);
        process.faults = FaultSettings::from_environment(environment);
        if let Some(topology) = &topology {
            process.faults.check(environment, |fault| topology.check_fault(fault));
        }
        let traces = environment.optional(
            "TRACE_QUERY_URL",
            "an http:// URL without user, query and fragment, for example http://zipkin:9411",
            |text| HttpUrl::parse_http(text).ok_or(()),
        );
        let processes = AdminAddresses::from_environment(environment, topology.as_ref());
        let limits = Limits::from_environment(environment);
        let origins = Origins::from_environment(environment);
        let proxies = TrustedProxies::from_environment(environment);
        let tls = Tls::from_environment(environment);
        let api = environment.optional(
            "UI_API_URL",
            "an http:// or https:// URL without user, query and fragment, for example https://api.example.com",
            |text| HttpUrl::parse(text).ok_or(()),
        );
        let has_loads = environment.or("LOAD_RUNS", "on or off", false, |text| match text {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(()),
        });
        let scenario_data = environment.optional("SCENARIO_DATA", "an absolute path", |text| {
            let path = PathBuf::from(text);
            if path.is_absolute() { Ok(path) } else { Err(()) }
        });
        // Read at the start: after a rebuild the path is gone, and a new program has its place.
        let run_program = has_loads.then(std::env::current_exe).and_then(Result::ok);
        Some(Self {
            process,
            descriptors: Cow::Borrowed(octet_proto::DESCRIPTOR_SET),
            run_program,
            scenario_data,
            topology: topology?,
            entry: entry?,
            traces,
            processes,
            limits,
            origins,
            proxies,
            tls,
            api,
        })
    }

    /// The faults of the gateway's own calls, and of those that a request asks for.
    pub(crate) fn faults(&self, metrics: &Metrics) -> Result<Faults, prometheus::Error> {
        let settings = &self.process.faults;
        let identity = Identity { service: GATEWAY.to_owned(), replica: settings.replica };
        let seed = settings.seed.or(self.topology.seed()).unwrap_or_else(draw_seed);
        let topology = self.topology.clone();
        let check = Arc::new(move |fault: &Fault| topology.check_fault(fault));
        Faults::new(settings, identity, (seed, self.topology.faults()), check, metrics)
    }

    /// The URL scheme of its port: `https` with `TLS_CERT`, otherwise `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { Tls::SCHEME } else { Plain::SCHEME }
    }
}
