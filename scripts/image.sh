#!/usr/bin/env bash
# Tests the image's last stage without a Docker engine: lays out what the Dockerfile copies and what its base image has
# (glibc's libraries, certificates), and runs the program there as uid 65532 on a read-only root. Needs root and Linux.
#
#   scripts/image.sh PROGRAM     such as target/release/octet; prints its size
set -euo pipefail

readonly program=${1:?usage: scripts/image.sh PROGRAM, such as target/release/octet}
# The estimated compressed size of gcr.io/distroless/cc-debian12 in KiB; the exact one needs a registry.
readonly base=11000

fail() {
  printf 'image: %s\n' "$*" >&2
  exit 1
}

[ "$(id -u)" -eq 0 ] || fail "needs root, to run as uid 65532 on its own root directory"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# mktemp's own mode would exclude uid 65532.
chmod 755 "$root"

install -D -m 755 "$program" "$root/usr/local/bin/octet"
# The base image has libc's libraries and libgcc; others would be missing there.
while read -r library; do
  case "${library##*/}" in
    libc.so.6 | libm.so.6 | libgcc_s.so.1 | libpthread.so.0 | libdl.so.2 | librt.so.1 | ld-linux-*) ;;
    *) fail "the program needs ${library##*/}, which the base image lacks" ;;
  esac
  install -D -m 755 "$(readlink -f "$library")" "$root$library"
done < <(ldd "$program" | grep -o '/[^ ]*')
mkdir -p "$root/etc/ssl/certs"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"

# Runs in its own mount namespace: the root is read-only, and nothing stays mounted.
contained() {
  # shellcheck disable=SC2016 # For the inner shell.
  exec unshare --mount sh -ec '
    mount --bind "$0" "$0"
    mount -o remount,ro,bind "$0"
    exec chroot --userspec=65532:65532 "$0" /usr/local/bin/octet "$@"' "$root" "$@"
}

(contained --version)
(contained topology show) | head -n 3

# One process of the platform, until SIGTERM. The trap stops it in any case.
PORT=127.0.0.1:0 ADMIN_PORT=127.0.0.1:0 contained collector >"$root.log" &
process=$!
trap 'kill "$process" 2>/dev/null || true; rm -rf "$root" "$root.log"' EXIT
for _ in $(seq 100); do
  ! grep -q '"message":"serving"' "$root.log" || break
  kill -0 "$process" 2>/dev/null || fail "the collector ended: $(cat "$root.log")"
  sleep 0.1
done
grep '"message":"serving"' "$root.log" || fail "the collector does not serve: $(cat "$root.log")"
grep -q '^Uid:.65532.65532.65532.65532$' "/proc/$process/status" || fail "the process is not uid 65532"
! touch "/proc/$process/root/written" 2>/dev/null || fail "its root is writable"
kill -TERM "$process"
wait "$process" || fail "it exited with status $? on SIGTERM"

own=$(($(gzip -9 --stdout "$program" | wc -c) / 1024))
total=$((own + base))
printf 'program layer: %d KiB compressed; image: about %d MiB\n' "$own" "$((total / 1024))"
[ "$total" -le $((40 * 1024)) ] || fail "the image exceeds 40 MiB"
