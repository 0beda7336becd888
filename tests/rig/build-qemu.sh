#!/bin/bash
# tests/rig/build-qemu.sh - builds the rig's QEMU: its VT-d translates through two nested stages, and its SVM
# delivers every event to a nested guest once.
#
# usage: build-qemu.sh OUT
# Tries the mirror's QEMU source packages from the newest suite on, then a pinned version, takes
# the first to which all of qemu-*.patch apply, and leaves OUT/qemu-system-x86_64, whose --version names nest_qemu_id().
# The patches are changes to QEMU and keep QEMU's licence (see there); nothing of them is part of nidus.
# Takes about six minutes on two cores.

. "$(dirname "$0")/lib.sh"
. "$RIG/apt.sh"
. "$RIG/qemu.sh"
. "$RIG/nest.sh"

out=$1
"$TREE/tests/deps.sh" qemu-build
work=$(mktemp -d "$CACHE/.build-qemu.XXXXXX")
trap 'rm -rf "$work"' EXIT

# A version known to take the patches, for mirrors whose index is ahead of their pool.
pinned=qemu_11.1.1+ds.orig.tar.xz
pinned_sha256=0b1376e75dbe3e2fea4e408f8669f88a723f419f36a5b7d74cc6a4cfe07e4f5e
pinned_sha1=9633de273d1f490bace13017db2905d8e31e9795

# source SUITE: leaves the upstream tarball (Debian's changes are not wanted) as $work/orig
source_of()
{
	local url f
	rm -rf "$work/dsc" "$work/orig"
	if [ "$1" != pinned ]; then
		apt_source "$1" "$work/dsc" qemu || return 1
		for f in "$work"/dsc/qemu_*.orig.tar.?z; do
			mv "$f" "$work/orig"
			return
		done
		return 1
	fi
	for url in "$(apt_mirror)/pool/main/q/qemu/${pinned/+/%2b}" "https://snapshot.debian.org/file/$pinned_sha1"; do
		say "downloading $pinned"
		/usr/lib/apt/apt-helper download-file "$url" "$work/orig" "SHA256:$pinned_sha256" \
			>"$work/download.log" 2>&1 && return
	done
	return 1
}

src=""
for suite in sid trixie-backports forky pinned; do
	source_of "$suite" || continue
	rm -rf "$work/src"
	mkdir "$work/src"
	tar -C "$work/src" --strip-components=1 -xf "$work/orig"
	if (cd "$work/src" && cat "$RIG"/qemu-*.patch | patch -p1 -s -f >/dev/null); then
		src=$work/src
		break
	fi
	say "the patches do not apply to QEMU $(cat "$work/src/VERSION") of $suite"
done
[ -n "$src" ] || die "no QEMU source of the mirror takes the patches; set NIDUS_RIG_SEED to a folder with a built one"

cd "$src"
say "building QEMU $(cat VERSION) of $suite with the rig's patches (about six minutes on two cores)"
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
	--with-pkgversion="$(nest_qemu_id)" \
	>"$work/config.log" 2>&1 || { tail -n 20 "$work/config.log" >&2; die "cannot configure QEMU"; }
ninja qemu-system-x86_64 >"$work/build.log" 2>&1 || { tail -n 20 "$work/build.log" >&2; die "QEMU does not build"; }
strip -o "$out/qemu-system-x86_64" qemu-system-x86_64
