#!/bin/bash
# tests/rig/build-qemu.sh - builds the QEMU of level `nest`, whose VT-d translates through two
# nested stages.
#
# usage: build-qemu.sh OUT
# Tries the mirror's QEMU source packages from the newest suite on, takes the first to which
# qemu-11.1-vtd-nest.patch applies, and leaves OUT/qemu-system-x86_64. The patch is a change
# to QEMU and keeps QEMU's licence (GPL-2.0-or-later); nothing of it is part of nidus.
# Takes about ten minutes on two cores.

. "$(dirname "$0")/lib.sh"
. "$RIG/apt.sh"

out=$1
"$TREE/tests/deps.sh" qemu-build
work=$(mktemp -d "$CACHE/.build-qemu.XXXXXX")
trap 'rm -rf "$work"' EXIT

src=""
for suite in sid trixie-backports forky; do
	rm -rf "$work/dsc"
	apt_source "$suite" "$work/dsc" qemu || continue
	rm -rf "$work/src"
	mkdir "$work/src"
	# the upstream tarball alone; Debian's changes are not wanted
	tar -C "$work/src" --strip-components=1 -xf "$(ls "$work"/dsc/qemu_*.orig.tar.* | grep -v '\.asc$' | head -n 1)"
	if (cd "$work/src" && patch -p1 --dry-run -s -f <"$RIG/qemu-11.1-vtd-nest.patch" >/dev/null); then
		src=$work/src
		break
	fi
	say "the patch does not apply to QEMU $(cat "$work/src/VERSION") of $suite"
done
[ -n "$src" ] || die "no QEMU source of the mirror takes the patch; set NIDUS_RIG_SEED to a folder with a built one"

cd "$src"
say "building QEMU $(cat VERSION) of $suite with the patch (about ten minutes on two cores)"
patch -p1 -s <"$RIG/qemu-11.1-vtd-nest.patch"
version=$(meson --version 2>/dev/null || echo 0)
if [ "$(printf '%s\n' 1.5.0 "$version" | sort -V | head -n 1)" != 1.5.0 ]; then
	# Debian 12's meson is too old; the package of a later suite is plain Python
	apt_fetch trixie "$work/meson" meson
	dpkg -x "$work"/meson/*.deb "$work/meson/root"
	export PATH="$work/meson/root/usr/bin:$PATH" PYTHONPATH="$work/meson/root/usr/lib/python3/dist-packages"
fi
mkdir build
cd build
../configure --python=/usr/bin/python3 --target-list=x86_64-softmmu --without-default-features \
	--enable-tcg --enable-kvm --enable-virtfs --enable-attr --enable-slirp \
	--enable-vhost-kernel --enable-vhost-net --disable-docs --disable-install-blobs \
	>"$work/config.log" 2>&1 || { tail -n 20 "$work/config.log" >&2; die "cannot configure QEMU"; }
ninja qemu-system-x86_64 >"$work/build.log" 2>&1 || { tail -n 20 "$work/build.log" >&2; die "QEMU does not build"; }
strip -o "$out/qemu-system-x86_64" qemu-system-x86_64
