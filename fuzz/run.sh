#!/usr/bin/env bash
# Runs targets under libFuzzer: run.sh SECONDS [TARGET…], each for that many seconds; without targets, all of them.
# A failing input is kept in libfuzzer/artifacts and ends the run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/libfuzzer"

if ! cargo +nightly --version >/dev/null 2>&1 || ! cargo +nightly fuzz --version >/dev/null 2>&1; then
  echo 'fuzzing needs a nightly compiler, cargo-fuzz and g++:' \
    'rustup toolchain install nightly && cargo install cargo-fuzz --locked' >&2
  exit 1
fi

seconds=$1
shift
if [[ $# -eq 0 ]]; then
  for file in fuzz_targets/*.rs; do set -- "$@" "$(basename "$file" .rs)"; done
fi

# The platform's versions, to which libfuzzer-sys and its dependencies are added.
cp ../../Cargo.lock .
for target in "$@"; do
  mkdir -p "corpus/$target"
  cargo +nightly fuzz run --fuzz-dir . "$target" "corpus/$target" "../seeds/$target" -- \
    -max_total_time="$seconds" -max_len=8192 -timeout=5 -rss_limit_mb=1024 -print_final_stats=1
done
