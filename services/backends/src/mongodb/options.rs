//! The defaults of the driver's options.

use std::time::Duration;

use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern};

/// How long a call waits for a server.
pub(super) const SERVER_SELECTION: Duration = Duration::from_secs(2);

/// The interval of the monitor's checks: it notices within it that a server is back.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// The timeout of a new connection and of a monitor's check. With [`HEARTBEAT`], it bounds the time from the end of a
/// silent outage to the first call that passes.
const CONNECT: Duration = Duration::from_secs(3);

/// Connections to a server. Inserts are sent together, so few are used at once.
const MAX_POOL: u32 = 32;

/// Sets the options that the URL omits.
pub(super) fn complete(mut options: ClientOptions) -> ClientOptions {
    options.app_name.get_or_insert_with(|| "octet".to_owned());
    options.server_selection_timeout.get_or_insert(SERVER_SELECTION);
    options.heartbeat_freq.get_or_insert(HEARTBEAT);
    options.connect_timeout.get_or_insert(CONNECT);
    options.max_pool_size.get_or_insert(MAX_POOL);
    options.min_pool_size.get_or_insert(0);
    options.read_concern.get_or_insert_with(ReadConcern::majority);
    options.write_concern.get_or_insert_default().w.get_or_insert(Acknowledgment::Majority);
    // Reads check what is stored; a secondary may not have it yet.
    options.selection_criteria = None;
    options
}
