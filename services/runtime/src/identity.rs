//! Who this process is: its name in the mesh, the host it runs on, the version it was built from.

/// The version of every crate of the workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The host's name; in Kubernetes the pod's.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
