# shellcheck shell=bash
# tests/rig/qemu.sh - the distribution's QEMU (10 or newer) as L0, without installing it.
# Sourced after lib.sh and apt.sh.
#
#   qemu_dist   prints a folder holding bin/qemu-system-x86_64 (a script that finds its
#               libraries) and share/ (BIOS and option ROMs)
#   qemu_libs   prints the LD_LIBRARY_PATH of its libraries, for another QEMU that needs the same ones
#
# On Debian 12 the package comes from bookworm-backports, elsewhere from the release itself.

qemu_suites()
{
	local name
	name=$(. /etc/os-release; echo "${VERSION_CODENAME:-sid}")
	case $name in
	bookworm) echo bookworm,bookworm-backports ;;
	trixie | forky | duke | sid) echo "$name" ;;
	*) echo trixie ;;
	esac
}

qemu_make()
{
	local out=$1 deb
	apt_closure "$(qemu_suites)" "$out/deb" qemu-system-x86
	for deb in "$out"/deb/*.deb; do
		case ${deb##*/} in
		libc6_* | libc-bin_* | libc6-*) ;;
		*) dpkg -x "$deb" "$out/root" ;;
		esac
	done
	rm -rf "$out/deb" "$out/root/usr/share/doc" "$out/root/usr/share/man"
	mkdir "$out/bin" "$out/share"
	# one flat folder of firmware: later names do not replace earlier ones
	cp -Ln "$out"/root/usr/share/seabios/* "$out/share/" 2>/dev/null || true
	cp -Lnr "$out"/root/usr/share/qemu/* "$out/share/" 2>/dev/null || true
	cp -Ln "$out"/root/usr/lib/ipxe/qemu/* "$out/share/" 2>/dev/null || true
	cat >"$out/bin/qemu-system-x86_64" <<-'END'
	#!/bin/sh
	# the unpacked QEMU with the libraries unpacked beside it
	top=$(dirname "$(dirname "$(readlink -f "$0")")")
	export LD_LIBRARY_PATH="$top/root/usr/lib/x86_64-linux-gnu:$top/root/lib/x86_64-linux-gnu"
	export QEMU_MODULE_DIR="$top/root/usr/lib/x86_64-linux-gnu/qemu"
	exec "$top/root/usr/bin/qemu-system-x86_64" -L "$top/share" "$@"
	END
	chmod +x "$out/bin/qemu-system-x86_64"
	"$out/bin/qemu-system-x86_64" --version
}

qemu_dist()
{
	local name dir
	name=qemu-$(qemu_suites | tr , +)-$(hash_of "$(declare -f qemu_make)")
	dir=$CACHE/$name
	# a library that was taken from the machine may be gone since
	if [ -d "$dir" ] && ! "$dir/bin/qemu-system-x86_64" --version >/dev/null 2>&1; then
		say "the cached QEMU no longer starts; unpacking it again"
		rm -rf "$dir"
	fi
	entry "$name" qemu_make
}

qemu_libs()
{
	local dir
	dir=$(qemu_dist)
	echo "$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu"
}
