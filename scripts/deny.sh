#!/usr/bin/env bash
# Checks every dependency against deny.toml. What needs no network is always checked; known
# vulnerabilities are checked where their database can be reached, and where not this says so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Not every boundary's crate is in use in every version: an unused wrapper is no fault. A skip that
# nothing needs any more is one.
cargo-deny --locked check --hide-inclusion-graph \
  --allow unused-wrapper --deny unmatched-skip --deny unnecessary-skip \
  bans licenses sources

if refusal=$(cargo-deny fetch db 2>&1); then
  cargo-deny --locked check --disable-fetch --hide-inclusion-graph advisories
else
  printf 'advisories SKIPPED: the advisory database cannot be reached (%s)\n' \
    "$(tail -n 1 <<<"$refusal")"
fi
