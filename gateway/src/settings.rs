//! Everything the gateway is told by its environment, parsed before it binds a port.

use std::borrow::Cow;

use octet_runtime::{
    environment::Environment,
    http_url::HttpUrl,
    process::{Defaults, ProcessSettings},
    serve::{Plain, Tls, Transport},
    upstream::UpstreamAddress,
};
use octet_topology::Topology;

use crate::{
    edge::{Origins, TrustedProxies},
    limits::Limits,
};

/// As many requests at once as two cores answer in about a fifth of a second.
const DEFAULTS: Defaults = Defaults { port: 8080, admin_port: 9000, max_concurrent: 512 };

/// The settings of the gateway.
#[derive(Debug)]
pub struct GatewaySettings {
    /// What every process is told.
    pub process: ProcessSettings,
    /// The serialized `FileDescriptorSet` of what is served, with its imports: Octet's own, unless a test or a platform
    /// built on this one serves another.
    pub descriptors: Cow<'static, [u8]>,
    pub(crate) topology: Topology,
    pub(crate) entry: UpstreamAddress,
    pub(crate) traces: Option<HttpUrl>,
    pub(crate) limits: Limits,
    pub(crate) origins: Option<Origins>,
    pub(crate) proxies: TrustedProxies,
    pub(crate) tls: Option<Tls>,
    /// Where the page asks; `None` where it asks the gateway that served it.
    pub(crate) api: Option<HttpUrl>,
}

impl GatewaySettings {
    /// Reads all of the gateway's variables; the address of the topology's entry is `SERVICE_A_URL`, if the
    /// entry is `service-a`.
    ///
    /// `topology` is `None` where it has faults of its own. Answers `None` after a fault that leaves nothing to call.
    pub fn from_environment(
        environment: &mut Environment<'_>,
        topology: impl Into<Option<Topology>>,
    ) -> Option<Self> {
        let topology = topology.into();
        let entry = topology.as_ref().and_then(|topology| {
            let name = &topology.entry().name;
            UpstreamAddress::from_environment(environment, name.as_str(), &name.env_prefix())
        });
        // Read even after a fault, so that all are reported at once.
        let process = ProcessSettings::from_environment(environment, DEFAULTS);
        let traces = environment.optional(
            "TRACE_QUERY_URL",
            "an http:// URL without user, query and fragment, for example http://zipkin:9411",
            |text| HttpUrl::parse_http(text).ok_or(()),
        );
        let limits = Limits::from_environment(environment);
        let origins = Origins::from_environment(environment);
        let proxies = TrustedProxies::from_environment(environment);
        let tls = Tls::from_environment(environment);
        let api = environment.optional(
            "UI_API_URL",
            "an http:// or https:// URL without user, query and fragment, for example https://api.example.com",
            |text| HttpUrl::parse(text).ok_or(()),
        );
        Some(Self {
            process,
            descriptors: Cow::Borrowed(octet_proto::DESCRIPTOR_SET),
            topology: topology?,
            entry: entry?,
            traces,
            limits,
            origins,
            proxies,
            tls,
            api,
        })
    }

    /// What the addresses of its port begin with: `https` with `TLS_CERT`, else `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { Tls::SCHEME } else { Plain::SCHEME }
    }
}
