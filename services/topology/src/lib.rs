//! Octet's graph: topology.toml, its raw form, its validated form.
