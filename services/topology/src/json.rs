//! The topology as JSON and other formats show it: `octet topology show` and the gateway's `/api/topology`.

use serde::{Serialize, Serializer};

use crate::{
    model::{Service, Topology},
    name::ServiceName,
};

/// The fields in the order readers see them; `order` is what the entry answers.
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
