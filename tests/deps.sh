#!/bin/bash
# tests/deps.sh - installs the packages that building and testing nidus needs, where missing.
#
# usage: deps.sh [GROUP...]     (default: build rig)
#   build         compiler, libraries and tables: what `make` and `make check` need
#   rig           what the emulated hosts and their guests need (QEMU itself is unpacked into
#                 the cache by tests/rig/qemu.sh, so no version of it is installed)
#   kernel-build  what building the rig's kernel needs, and
#   qemu-build    its QEMU: installed only where they are really built
# Where all is there it does nothing, without network. Needs root or sudo otherwise.

set -eu
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

BUILD="gcc make clang pkg-config libfdt-dev acpica-tools libcmocka-dev liburing-dev
	libseccomp-dev libjansson-dev zlib1g-dev groff-base"
RIG="busybox-static cpio kmod xz-utils zstd lz4 gzip e2fsprogs iproute2 binutils util-linux
	debian-archive-keyring ca-certificates"
KERNEL="gcc make flex bison bc libelf-dev libssl-dev rsync lz4 xz-utils cpio kmod perl python3"
QEMU="gcc make ninja-build pkg-config flex bison patch xz-utils python3 python3-venv libglib2.0-dev
	libpixman-1-dev libslirp-dev libfdt-dev libattr1-dev libcap-ng-dev zlib1g-dev device-tree-compiler"

command -v apt-get >/dev/null || {
	echo "deps: error: no apt-get here; install by hand: $(echo $BUILD $RIG)" >&2
	exit 65
}

[ $# -gt 0 ] || set -- build rig
wanted=""
for group; do
	case $group in
	build) wanted="$wanted $BUILD" ;;
	rig) wanted="$wanted $RIG" ;;
	kernel-build) wanted="$wanted $KERNEL" ;;
	qemu-build) wanted="$wanted $QEMU" ;;
	*) echo "deps: error: no group $group; build, rig, kernel-build and qemu-build exist" >&2; exit 64 ;;
	esac
done

missing=""
# shellcheck disable=SC2086
for pkg in $wanted; do
	case $(dpkg-query -W -f '${Status}' "$pkg" 2>/dev/null) in
	*" installed") ;;
	*) missing="$missing $pkg" ;;
	esac
done
[ -n "$missing" ] || exit 0

sudo=""
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "deps: error: missing:$missing; install them as root (no sudo here)" >&2
		exit 65
	}
	sudo="sudo"
fi
echo "deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
install() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $missing >"$log" 2>&1; }
update() { $sudo apt-get -q update >"$log" 2>&1 || { tail -n 5 "$log" >&2; echo "deps: cannot refresh the package lists; trying what is there" >&2; }; }

ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || update
install || { update; install; } || {
	tail -n 10 "$log" >&2
	echo "deps: error: apt-get cannot install$missing" >&2
	exit 65
}
