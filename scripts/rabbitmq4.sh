#!/usr/bin/env bash
# Runs tests with Debian trixie's RabbitMQ 4 in place of this machine's. Needs root and debootstrap.
#   scripts/rabbitmq4.sh                        what uses a broker: contract suite, cluster, mesh, drills
#   scripts/rabbitmq4.sh ARGUMENTS              those of `cargo test`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$PWD/.tools/rabbitmq4
if [[ ! -f $root/complete ]]; then
  if ! command -v debootstrap >/dev/null || [[ $(id -u) != 0 ]]; then
    echo "RabbitMQ 4 needs root and debootstrap (apt-get install debootstrap)" >&2
    exit 1
  fi
  rm -rf "$root"
  scripts/trixie.sh "$root" rabbitmq-server
  touch "$root/complete"
fi

export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="$PWD/scripts/in_root.sh $root"
test() { cargo test --workspace --features octet/lake --locked "$@"; }
if (($# > 0)); then
  test "$@"
  exit
fi
test --test contract -- rabbitmq --include-ignored
test --test servers -- broker
test --test mesh -- servers:: drills::broker drills::messages
