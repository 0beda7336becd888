#!/bin/bash
# tests/rig/build-kernel.sh - builds the kernel of the emulated host of level `nest`.
#
# usage: build-kernel.sh OUT
# Takes the newest linux-source-7.x package that the mirror has, configures it from nothing
# plus kernel-common.config and kernel-x86_64.config, and leaves OUT/bzImage, OUT/config and
# OUT/release. Debian's own kernels have IOMMUFD off, which is why this one is built. Takes
# about ten minutes on two cores.

. "$(dirname "$0")/lib.sh"
. "$RIG/apt.sh"

out=$1
suite=""
for s in trixie-backports sid; do
	apt_lists "$s"
	pkg=$(apt_in "$s" apt-cache pkgnames linux-source-7 | grep -E '^linux-source-7\.[0-9]+$' |
		sort -V | tail -n 1)
	if [ -n "$pkg" ]; then
		suite=$s
		break
	fi
done
[ -n "$suite" ] || die "no suite of the mirror has a linux-source-7.x package"

"$TREE/tests/deps.sh" kernel-build
work=$(mktemp -d "$CACHE/.build-kernel.XXXXXX")
trap 'rm -rf "$work"' EXIT
apt_fetch "$suite" "$work/deb" "$pkg"
dpkg -x "$work"/deb/*.deb "$work/root"
say "unpacking $pkg"
mkdir "$work/src"
tar -C "$work/src" --strip-components=1 -xf "$work"/root/usr/src/linux-source-*.tar.*
rm -rf "$work/root" "$work/deb"
cd "$work/src"
say "building $pkg with the rig's configuration (about ten minutes on two cores)"
{
	make -s allnoconfig
	scripts/kconfig/merge_config.sh -m .config "$RIG/kernel-common.config" "$RIG/kernel-x86_64.config"
	make -s olddefconfig
} >"$work/config.log" 2>&1 || { tail -n 20 "$work/config.log" >&2; die "cannot configure $pkg"; }
for option in IOMMUFD VFIO_PCI INTEL_IOMMU KVM_AMD 9P_FS VIRTIO_CONSOLE; do
	grep -q "^CONFIG_$option=y" .config || die "$pkg does not take CONFIG_$option=y"
done
make -s -j"$(nproc)" bzImage >"$work/build.log" 2>&1 ||
	{ tail -n 20 "$work/build.log" >&2; die "$pkg does not build"; }
cp arch/x86/boot/bzImage "$out/bzImage"
cp .config "$out/config"
make -s kernelrelease >"$out/release"
