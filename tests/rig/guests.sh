#!/bin/bash
# tests/rig/guests.sh - the kernels that nidus boots in tests, with an initial RAM disk each.
#
# usage: guests.sh [NAME...]        makes what is missing, prints the folder of each guest
#        guests.sh --image NAME...  ... and prints a read-only ext4 image of that folder
#        guests.sh --list           prints the names
#
# A guest's folder holds bzImage, vmlinux, initrd (static busybox, the kernel's modules for
# nidus's devices, guest/*), config, release. NAMEs: Debian's stock kernels, generic and cloud,
# and `rig`, the kernel of the emulated host (level nest), which has everything built in.

. "$(dirname "$0")/lib.sh"
. "$RIG/apt.sh"
. "$RIG/kernel.sh"
. "$RIG/initrd.sh"
. "$RIG/nest.sh"

NAMES="6.1-generic 6.1-cloud 6.12-generic 6.12-cloud 7-generic 7-cloud rig"

# compiled programs of a guest: guest/*.c, static
guest_programs()
{
	local src
	for src in "$RIG"/guest/*.c; do
		[ -e "$src" ] || continue
		${CC:-gcc} -static -s -Os -Wall -o "$1/$(basename "$src" .c)" "$src" || die "cannot compile $src"
	done
}

guest_make()
{
	local out=$1 kernel=$2 order=$3 files=() f
	for f in bzImage vmlinux config release; do
		ln "$kernel/$f" "$out/$f" 2>/dev/null || cp "$kernel/$f" "$out/$f" || die "cannot copy $kernel/$f"
	done
	mkdir "$out/programs"
	guest_programs "$out/programs"
	for f in "$RIG"/guest/* "$out"/programs/*; do
		case $f in
		*/init | *.c | *'/*') ;;
		*) files+=("bin/$(basename "$f")=$f") ;;
		esac
	done
	initrd_make "$out/initrd" "$RIG/guest/init" "$order" guest.order "${files[@]}"
	rm -rf "$out/programs"
}

guest()
{
	local kernel suite flavour hash
	case $1 in
	*-generic) flavour=amd64 ;;
	*-cloud) flavour=cloud-amd64 ;;
	rig) flavour="" ;;
	*) die "no guest $1; there are: $NAMES" ;;
	esac
	case $1 in
	6.1-*) suite=bookworm ;;
	6.12-*) suite=trixie ;;
	7-*) suite=trixie-backports ;;
	esac
	if [ "$1" = rig ]; then
		kernel=$(nest_kernel)
	else
		kernel=$(kernel_stock "$suite" "$flavour")
	fi
	hash=$(hash_of "${kernel##*/}" @"$RIG/initrd.sh" "$(cat "$RIG"/guest/*)" "$(declare -f guest_make guest_programs)")
	entry "guest-$1-$hash" guest_make "$kernel" "$([ "$1" = rig ] || echo "$kernel")"
}

image_make()
{
	local size
	size=$(du -sm "$2" | cut -f1)
	[ -n "$size" ] || die "cannot tell the size of $2"
	truncate -s "$((size + size / 16 + 16))M" "$1/image"
	mke2fs -q -t ext4 -O ^has_journal,^metadata_csum -m 0 -d "$2" "$1/image"
}

what=folder
case ${1:-} in
--list) echo "$NAMES"; exit ;;
--image) what=image; shift ;;
esac
# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $NAMES
for name; do
	dir=$(guest "$name")
	if [ $what = image ]; then
		image=$(entry "image-${dir##*/}" image_make "$dir")
		echo "$image/image"
	else
		echo "$dir"
	fi
done
