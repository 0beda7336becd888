#!/bin/bash
# tests/rig/mkinitrd.sh - puts a test into a guest's initial RAM disk.
#
# usage: mkinitrd.sh GUEST TEST.SH OUT [NAME=FILE...]
# GUEST is a folder of guests.sh, or the initrd file itself. OUT is its initrd followed by a
# second archive with TEST.SH as /test.sh, and each FILE as /NAME (executable).

set -eu
[ $# -ge 3 ] || { echo "usage: mkinitrd.sh GUEST TEST.SH OUT [NAME=FILE...]" >&2; exit 64; }
base=$1 test=$2 out=$3
shift 3
[ ! -d "$base" ] || base=$base/initrd
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat "$test" >"$dir/test.sh"
for file; do
	mkdir -p "$dir/$(dirname "${file%%=*}")"
	cat "${file#*=}" >"$dir/${file%%=*}"
	chmod 755 "$dir/${file%%=*}"
done
{
	cat "$base"
	cd "$dir"
	find . -mindepth 1 | cpio --quiet -o -H newc -R 0:0
} >"$out"
