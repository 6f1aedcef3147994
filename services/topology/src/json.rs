//! The serialized form of a topology, for `octet topology show` and the gateway's `/api/topology`.

use serde::{Serialize, Serializer};

use crate::{
    model::{Service, Topology},
    name::ServiceName,
};

/// The fields in their order of output; `order` is that of the greetings in the entry's answer.
#[derive(Serialize)]
struct Shown<'a> {
    entry: &'a ServiceName,
    order: Vec<&'a ServiceName>,
    services: &'a [Service],
}

impl Serialize for Topology {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Shown { entry: &self.entry().name, order: self.greeting_order(), services: self.services() }
            .serialize(serializer)
    }
}
