#!/usr/bin/env bash
# Unpacks a package of Debian trixie, with all that it needs, into a directory: scripts/trixie.sh DIRECTORY PACKAGE
# No script of a package runs.
set -euo pipefail

root=$1 package=$2
debootstrap --foreign --variant=minbase --include="$package" trixie "$root"
for archive in "$root"/var/cache/apt/archives/*.deb; do
  dpkg-deb --extract "$archive" "$root"
done
rm -rf "$root"/debootstrap "$root"/var/cache/apt "$root"/usr/share/{doc,man,locale}
/sbin/ldconfig -r "$root"
