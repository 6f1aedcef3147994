//! docs/configuration.md names every environment variable that a process reads, and no other.

use std::collections::BTreeSet;

use octet::variables::{SUBCOMMANDS, documented, read_by};

#[test]
fn the_reference_names_the_variables_that_the_subcommands_read() {
    let read = SUBCOMMANDS.iter().flat_map(|subcommand| read_by(subcommand));
    // One variable an upstream, of which the reference shows one of a service and that of the gateway.
    let url = |name: &String| {
        let is_shown = ["SERVICE_A_URL", "SERVICE_B_URL"].contains(&name.as_str());
        name.starts_with("SERVICE_") && name.ends_with("_URL") && !is_shown
    };
    let read: BTreeSet<_> = read.filter(|name| !url(name)).collect();
    let documented = documented();
    let missing: Vec<_> = read.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&read).collect();
    assert!(missing.is_empty(), "docs/configuration.md lacks {missing:?}");
    assert!(unknown.is_empty(), "no process reads {unknown:?}, which docs/configuration.md names");
    assert!(read.len() > 50, "{read:?}");
}
