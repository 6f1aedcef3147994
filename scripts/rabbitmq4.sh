#!/usr/bin/env bash
# Runs tests with RabbitMQ 4 of a newer Debian release in place of this machine's. Needs root and debootstrap.
#   scripts/rabbitmq4.sh                what uses a broker, with 4.0 (trixie) and then 4.3 (forky): contract suite,
#                                       cluster, mesh, drills, and the chart's containers as processes
#   scripts/rabbitmq4.sh RELEASE        one of the two
#   scripts/rabbitmq4.sh RELEASE ARGUMENTS      those of `cargo test`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

test() { cargo test --workspace --features octet/lake --locked "$@"; }

# Makes the release's root directory, once.
unpack() {
  export RABBITMQ_ROOT=$PWD/.tools/debian/$1
  [[ ! -f $RABBITMQ_ROOT/complete ]] || return 0
  if ! command -v debootstrap >/dev/null || [[ $(id -u) != 0 ]]; then
    echo "RabbitMQ 4 needs root and debootstrap (apt-get install debootstrap)" >&2
    exit 1
  fi
  rm -rf "$RABBITMQ_ROOT"
  scripts/debian_root.sh "$1" "$RABBITMQ_ROOT" rabbitmq-server
  touch "$RABBITMQ_ROOT/complete"
}

everything() {
  unpack "$1"
  echo "== RabbitMQ of Debian $1: $(basename "$RABBITMQ_ROOT"/usr/lib/rabbitmq/lib/rabbitmq_server-*)"
  test --test contract -- rabbitmq --include-ignored
  test --test servers -- broker
  # `octet up` against it, and the drills that use a broker.
  test --test mesh -- audit::servers_are events:: on_servers drills::broker drills::database
  helm/tests/processes.py
}

case $# in
  0)
    # Not joined by &&, which would hide a failure inside.
    everything trixie
    everything forky
    ;;
  1) everything "$1" ;;
  *)
    unpack "$1"
    shift
    test "$@"
    ;;
esac
