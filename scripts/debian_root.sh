#!/usr/bin/env bash
# Unpacks a package of another Debian release, with all that it needs, into a directory:
#   scripts/debian_root.sh RELEASE DIRECTORY PACKAGE
# No script of a package runs.
set -euo pipefail

release=$1 root=$2 package=$3
# An older debootstrap does not know newer releases by name; all of them are unpacked as sid is.
script=/usr/share/debootstrap/scripts/sid
debootstrap --foreign --variant=minbase --include="$package" "$release" "$root" http://deb.debian.org/debian "$script"
for archive in "$root"/var/cache/apt/archives/*.deb; do
  dpkg-deb --extract "$archive" "$root"
done
rm -rf "$root"/debootstrap "$root"/var/cache/apt "$root"/usr/share/{doc,man,locale}
/sbin/ldconfig -r "$root"
