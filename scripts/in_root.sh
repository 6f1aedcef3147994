#!/usr/bin/env bash
# Runs a program of this machine in another root directory, with this machine's files beside it:
#   scripts/in_root.sh ROOT PROGRAM ARGUMENTS
# In a mount namespace of its own, so that nothing stays mounted.
set -euo pipefail

root=$1
shift
# What tests use: the repository, temporary files and the locks of ports, toolchains below HOME, devices and names.
shared=(/proc /dev /sys /tmp "$HOME" "$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)")
export IN_ROOT_SHARED="${shared[*]}"
# shellcheck disable=SC2016 # The inner shells expand them.
exec unshare --mount --propagation private bash -euc '
  root=$1
  shift
  for directory in $IN_ROOT_SHARED; do
    mkdir -p "$root$directory"
    mount --rbind "$directory" "$root$directory"
  done
  cp /etc/hosts /etc/passwd /etc/nsswitch.conf "$root/etc/"
  exec chroot "$root" /bin/bash -c "cd \"\$1\" && shift && exec \"\$@\"" bash "$PWD" "$@"
' bash "$root" "$@"
