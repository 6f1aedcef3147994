#!/usr/bin/env bash
# Runs a program of another root directory, with this machine's files beside it:
#   scripts/in_root.sh ROOT PROGRAM ARGUMENTS
# In a mount namespace of its own, so that nothing stays mounted. The process becomes the program, so that its caller
# can signal it.
set -euo pipefail

root=$1
shift
# What tests use: the repository, temporary files and the locks of ports, devices and names.
shared=(/proc /dev /sys /tmp "$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)")
files=(/etc/hosts /etc/passwd /etc/nsswitch.conf)
export IN_ROOT_SHARED="${shared[*]}" IN_ROOT_FILES="${files[*]}"
# shellcheck disable=SC2016 # The inner shells expand them.
exec unshare --mount --propagation private bash -euc '
  root=$1
  shift
  for directory in $IN_ROOT_SHARED; do
    mkdir -p "$root$directory"
    mount --rbind "$directory" "$root$directory"
  done
  for file in $IN_ROOT_FILES; do
    [ -e "$root$file" ] || touch "$root$file"
    mount --bind "$file" "$root$file"
  done
  unset IN_ROOT_SHARED IN_ROOT_FILES
  exec chroot "$root" /bin/bash -c "cd \"\$1\" && shift && exec \"\$@\"" bash "$PWD" "$@"
' bash "$root" "$@"
