//! What the driver is told where the URL says nothing.

use std::time::Duration;

use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern};

/// A call that meets no known server waits this long for one.
pub(super) const SERVER_SELECTION: Duration = Duration::from_secs(2);

/// How often the monitor looks, and so how soon it sees that a server is back.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// The limit of a connection's making and of a monitor's look. With [`HEARTBEAT`], what bounds the time from the
/// end of a silent outage to the first call that passes.
const CONNECT: Duration = Duration::from_secs(3);

/// Connections to a server. Inserts travel together, so few are used at once.
const POOL: u32 = 32;

/// Fills in what the URL left open.
pub(super) fn complete(mut options: ClientOptions) -> ClientOptions {
    options.app_name.get_or_insert_with(|| "octet".to_owned());
    options.server_selection_timeout.get_or_insert(SERVER_SELECTION);
    options.heartbeat_freq.get_or_insert(HEARTBEAT);
    options.connect_timeout.get_or_insert(CONNECT);
    options.max_pool_size.get_or_insert(POOL);
    options.min_pool_size.get_or_insert(0);
    options.read_concern.get_or_insert_with(ReadConcern::majority);
    options.write_concern.get_or_insert_default().w.get_or_insert(Acknowledgment::Majority);
    // Reads here ask what is stored, which a secondary may not know yet.
    options.selection_criteria = None;
    options
}
