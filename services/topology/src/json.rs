//! The serialized form of a topology, for `octet topology show` and the gateway's `/api/topology`.

use octet_fault::Fault;
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    edge::EdgeSettings,
    model::{Service, Topology},
    name::ServiceName,
};

/// The fields in their order of output; `order` is that of the greetings in the entry's answer.
#[derive(Serialize)]
struct Shown<'a> {
    entry: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    order: Vec<&'a ServiceName>,
    services: &'a [Service],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    edges: Vec<ShownEdge<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<ShownFault<'a>>,
}

/// A call whose settings differ from the default.
#[derive(Serialize)]
struct ShownEdge<'a> {
    from: &'a str,
    to: &'a str,
    #[serde(flatten)]
    settings: EdgeSettings,
}

/// The fields of the grammar, all as texts.
struct ShownFault<'a>(&'a Fault);

impl Serialize for ShownFault<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.0.fields();
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (key, value) in fields {
            map.serialize_entry(key, &value)?;
        }
        map.end()
    }
}

impl Serialize for Topology {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let edges = self.calls().filter_map(|(from, to)| {
            let settings = self.edge(from, to);
            (settings != EdgeSettings::default()).then_some(ShownEdge { from, to, settings })
        });
        Shown {
            entry: self.entry().name.as_str(),
            seed: self.seed().map(|seed| seed.0),
            order: self.greeting_order(),
            services: self.services(),
            edges: edges.collect(),
            faults: self.faults().iter().map(ShownFault).collect(),
        }
        .serialize(serializer)
    }
}
