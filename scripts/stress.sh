#!/usr/bin/env bash
# Runs every test suite many times beside one busy loop per core, to find tests that depend on an idle machine.
#
#   scripts/stress.sh              every suite 20 times; `make test-stress` installs what the suites need first
#   scripts/stress.sh --list       the names of the suites
#
#   ROUNDS=20      runs of each suite
#   SUITES=…       an extended regular expression; only suites whose name matches run: SUITES='gateway/edge|ui/'
#   ARGS="…"       arguments of the Rust test binaries, a test's name for instance
#   BUSY=…         busy loops; one per core unless set, 0 for none
#   LIMIT=1800     seconds after which a run is ended and counts as failed
#
# A suite is a test binary of the workspace (crate/lib, crate/bin, crate/<test>), the page's tests (ui/unit, ui/e2e) or
# the chart's (chart/processes, chart/planted). The log of each failing run is kept in target/stress/<time>/. The last
# output is a table; the exit status is 1 if a run failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH="$PWD/.tools/bin:$PATH"
exec </dev/null

readonly rounds=${ROUNDS:-20} suites=${SUITES:-.} busy=${BUSY:-$(nproc)} limit=${LIMIT:-1800}
read -r -a arguments <<<"${ARGS:-}"
readonly arguments

fail() {
  printf 'stress: %s\n' "$*" >&2
  exit 2
}

[[ $rounds =~ ^[1-9][0-9]*$ ]] || fail "ROUNDS=$rounds must be a whole number of at least 1"
[[ $busy =~ ^[0-9]+$ ]] || fail "BUSY=$busy must be a whole number"
[[ $limit =~ ^[1-9][0-9]*$ ]] || fail "LIMIT=$limit must be a whole number of seconds of at least 1"

# Prints the suites of the workspace, each with its package.
rust_suites() {
  cargo metadata --no-deps --format-version 1 --locked | python3 -c '
import json, sys

for package in json.load(sys.stdin)["packages"]:
    crate = package["name"].removeprefix("octet-")
    for target in package["targets"]:
        kind = target["kind"][0]
        if target["test"] and kind in ("lib", "bin", "test"):
            name = target["name"] if kind == "test" else kind
            print(f"{crate}/{name}", package["name"])
'
}

# Builds the tests of packages, or of the workspace, and prints suite, directory and program of each test binary.
built_suites() {
  cargo test --no-run --locked --message-format json-render-diagnostics "$@" | python3 -c '
import json, os, sys

for line in sys.stdin:
    message = json.loads(line)
    if message["reason"] != "compiler-artifact" or not message["profile"]["test"] or not message["executable"]:
        continue
    kind, name = message["target"]["kind"][0], message["target"]["name"]
    if kind not in ("lib", "bin", "test"):
        continue
    directory = os.path.dirname(message["manifest_path"])
    # The package id ends with "/directory#version" or "/directory#name@version".
    location, _, version = message["package_id"].rpartition("#")
    package = version.split("@")[0] if "@" in version else os.path.basename(location)
    crate = package.removeprefix("octet-")
    suite = name if kind == "test" else kind
    print(f"{crate}/{suite}", directory, message["executable"], sep="\t")
'
}

# The names of the suites that SUITES selects, and the packages to build for them.
names=() packages=()
while read -r name package; do
  [[ $name =~ $suites ]] || continue
  names+=("$name")
  [[ " ${packages[*]} " == *" $package "* ]] || packages+=("$package")
done < <(rust_suites)
for name in ui/unit ui/e2e chart/processes chart/planted; do
  [[ ! $name =~ $suites ]] || names+=("$name")
done
[ ${#names[@]} -gt 0 ] || fail "no suite matches SUITES=$suites; $0 --list prints their names"
if [ "${1:-}" = --list ]; then
  printf '%s\n' "${names[@]}"
  exit
fi
[ $# -eq 0 ] || fail "unknown argument $1; --list is the only one"

# Built before the busy loops start. The packages are chosen as `make test` chooses them where everything runs: with
# another choice cargo builds dependencies again.
declare -A directory=() program=()
if [ ${#packages[@]} -gt 0 ]; then
  selection=(--workspace --features octet/lake --all-targets)
  if [ "$suites" != . ]; then
    selection=("${packages[@]/#/--package=}")
    # One suite of the crate needs the feature.
    [[ " ${names[*]} " != *" octet/lake "* ]] || selection+=(--features octet/lake)
  fi
  while IFS=$'\t' read -r name place executable; do
    directory[$name]=$place program[$name]=$executable
  done < <(built_suites "${selection[@]}")
fi
if [[ " ${names[*]} " == *" chart/"* ]]; then
  cargo build --workspace --features octet/lake --bins --examples --locked
elif [[ " ${names[*]} " == *" ui/e2e "* ]]; then
  cargo build --package octet --locked
fi

# Runs one suite once. `timeout` takes the process group of its own with it.
run() {
  local limited=(exec timeout --kill-after=10 "$limit")
  case $1 in
    ui/unit) cd ui && "${limited[@]}" npm run --silent test ;;
    ui/e2e) cd ui && "${limited[@]}" npm run --silent e2e ;;
    chart/*) "${limited[@]}" "helm/tests/${1#chart/}.py" ;;
    *) cd "${directory[$1]}" && "${limited[@]}" "${program[$1]}" "${arguments[@]}" ;;
  esac
}

runnable=()
for name in "${names[@]}"; do
  case $name in
    ui/* | chart/*) runnable+=("$name") ;;
    *)
      [ -n "${program[$name]:-}" ] || fail "$name was not built"
      # A binary without tests is no suite.
      listed=$("${program[$name]}" --list "${arguments[@]}" 2>/dev/null | grep -c ': test$' || true)
      [ "$listed" -eq 0 ] || runnable+=("$name")
      ;;
  esac
done
[ ${#runnable[@]} -gt 0 ] || fail "no suite has a test for ARGS=${ARGS:-}"

logs=${CARGO_TARGET_DIR:-target}/stress/$(date +%Y%m%d-%H%M%S)
mkdir -p "$logs"
readonly logs
declare -A runs=() failures=() total=() slowest=()
loops=() current=

seconds() {
  printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100))
}

report() {
  local name status=0
  printf '\n%-24s %5s %9s %9s %9s\n' suite runs failures seconds slowest
  for name in "${runnable[@]}"; do
    printf '%-24s %5d %9d %9s %9s\n' "$name" "${runs[$name]:-0}" "${failures[$name]:-0}" \
      "$(seconds "${total[$name]:-0}")" "$(seconds "${slowest[$name]:-0}")"
    [ "${failures[$name]:-0}" -eq 0 ] || status=1
  done
  if [ $status -ne 0 ]; then
    printf '\nfailed tests (runs, name); logs in %s\n' "$logs"
    grep -hoE '^test .+ \.\.\. FAILED$' "$logs"/*.log | sort | uniq -c | sort -rn || true
  fi
  return $status
}

finish() {
  trap '' INT TERM
  trap - EXIT
  [ ${#loops[@]} -eq 0 ] || kill "${loops[@]}" 2>/dev/null || true
  if [ -n "$current" ]; then
    kill "$current" 2>/dev/null || true
    wait "$current" || true
  fi
  rm -f "$logs/running.log"
  rmdir --ignore-fail-on-non-empty "$logs"
  report || exit 1
  exit "$1"
}
trap 'finish 2' EXIT
trap 'finish 130' INT TERM

# Each loop ends by itself soon after this script is gone.
for ((i = 0; i < busy; i++)); do
  while kill -0 $$ 2>/dev/null; do for ((n = 0; n < 500000; n++)); do :; done; done &
  loops+=($!)
done

for ((round = 1; round <= rounds; round++)); do
  for name in "${runnable[@]}"; do
    started=${EPOCHREALTIME/[^0-9]/}
    # In the background, since a trap waits for the end of what is in the foreground.
    run "$name" >"$logs/running.log" 2>&1 &
    current=$!
    status=0
    wait "$current" || status=$?
    current=
    took=$(((${EPOCHREALTIME/[^0-9]/} - started) / 1000))
    runs[$name]=$((${runs[$name]:-0} + 1)) total[$name]=$((${total[$name]:-0} + took))
    [ "$took" -le "${slowest[$name]:-0}" ] || slowest[$name]=$took
    outcome=ok
    if [ $status -ne 0 ]; then
      failures[$name]=$((${failures[$name]:-0} + 1))
      log=$logs/${name//\//-}-$round.log
      mv "$logs/running.log" "$log"
      outcome="FAILED, status $status: $log"
    fi
    printf 'round %d of %d: %s, %s s, %s\n' "$round" "$rounds" "$name" "$(seconds $took)" "$outcome"
  done
done
finish 0
