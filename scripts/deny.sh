#!/usr/bin/env bash
# Checks every dependency against deny.toml. Known vulnerabilities are checked where their database can be reached;
# elsewhere the output says so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# An unused wrapper is allowed, because not every version uses every crate of a boundary. A skip that is no longer
# needed is an error.
cargo-deny --locked check --hide-inclusion-graph \
  --allow unused-wrapper --deny unmatched-skip --deny unnecessary-skip \
  bans licenses sources

if refusal=$(cargo-deny fetch db 2>&1); then
  cargo-deny --locked check --disable-fetch --hide-inclusion-graph advisories
else
  printf 'advisories SKIPPED: the advisory database cannot be reached (%s)\n' \
    "$(tail -n 1 <<<"$refusal")"
fi
