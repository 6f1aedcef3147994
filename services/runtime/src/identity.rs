//! The identity of this process: its version and its host; and the name of the gateway.

/// The version of every crate of the workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The gateway's name in the mesh.
pub const GATEWAY: &str = "gateway";

/// The host's name; in Kubernetes the pod's.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
