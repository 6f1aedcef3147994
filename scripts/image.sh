#!/usr/bin/env bash
# The image's last stage where no Docker engine runs: lays out what the Dockerfile copies, beside what its base image has
# (glibc's libraries, certificates), and runs the program there as uid 65532 on a read-only root. Needs root and Linux.
#
#   scripts/image.sh PROGRAM     such as target/release/octet; prints what it weighs
set -euo pipefail

readonly program=${1:?say which program, such as target/release/octet}
# An estimate of what gcr.io/distroless/cc-debian12 weighs, compressed, in KiB: it cannot be asked without a registry.
readonly base=11000

fail() {
  printf 'image: %s\n' "$*" >&2
  exit 1
}

[ "$(id -u)" -eq 0 ] || fail "needs root, to become uid 65532 on a root of its own"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# mktemp's own mode would shut uid 65532 out.
chmod 755 "$root"

install -D -m 755 "$program" "$root/usr/local/bin/octet"
# The libraries that the base image has: libc and what belongs to it, libgcc. Another one would be missing there.
while read -r library; do
  case "${library##*/}" in
    libc.so.6 | libm.so.6 | libgcc_s.so.1 | libpthread.so.0 | libdl.so.2 | librt.so.1 | ld-linux-*) ;;
    *) fail "the program wants ${library##*/}, which the base image lacks" ;;
  esac
  install -D -m 755 "$(readlink -f "$library")" "$root$library"
done < <(ldd "$program" | grep -o '/[^ ]*')
mkdir -p "$root/etc/ssl/certs"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"

# A mount namespace of its own: the root is read-only for the program, and nothing stays mounted.
contained() {
  # shellcheck disable=SC2016 # The inner shell's own.
  exec unshare --mount sh -ec '
    mount --bind "$0" "$0"
    mount -o remount,ro,bind "$0"
    exec chroot --userspec=65532:65532 "$0" /usr/local/bin/octet "$@"' "$root" "$@"
}

(contained --version)
(contained topology show) | head -n 3

# A process of the platform, until SIGTERM. It ends with this script, whatever happens.
PORT=127.0.0.1:0 ADMIN_PORT=127.0.0.1:0 contained collector >"$root.log" &
process=$!
trap 'kill "$process" 2>/dev/null || true; rm -rf "$root" "$root.log"' EXIT
for _ in $(seq 100); do
  ! grep -q '"message":"serving"' "$root.log" || break
  kill -0 "$process" 2>/dev/null || fail "the collector ended: $(cat "$root.log")"
  sleep 0.1
done
grep '"message":"serving"' "$root.log" || fail "the collector does not serve: $(cat "$root.log")"
grep -q '^Uid:.65532.65532.65532.65532$' "/proc/$process/status" || fail "it is not uid 65532"
! touch "/proc/$process/root/written" 2>/dev/null || fail "its root can be written"
kill -TERM "$process"
wait "$process" || fail "SIGTERM ended it with status $?"

own=$(($(gzip -9 --stdout "$program" | wc -c) / 1024))
total=$((own + base))
printf 'the layer with the program: %d KiB compressed; the image: about %d MiB\n' "$own" "$((total / 1024))"
[ "$total" -le $((40 * 1024)) ] || fail "more than 40 MiB"
