# shellcheck shell=bash
# tests/rig/kernel.sh - Debian's stock kernels, unpacked into the cache.
# Sourced after lib.sh and apt.sh.
#
#   kernel_stock SUITE FLAVOUR   prints a folder holding the newest kernel of the suite:
#       bzImage  vmlinux  config  release   the kernel, unpacked too, its .config, uname -r
#       ko/NAME.ko                          the modules below, not compressed
#       l1.order, guest.order               which of them L1 and a guest load, in order
#       guest.order.NAME                    and what a guest loads when it asks for NAME
#       absent                              what this kernel does not have at all

# what the emulated host loads, what a guest loads at boot, and what it loads when asked
L1_MODULES="virtio_pci virtio_console virtio_blk ext4 9p 9pnet_virtio kvm_amd tun
	vhost_net vhost_vsock"
GUEST_MODULES="virtio_pci virtio_blk virtio_rng ext4 8250 pvpanic pvpanic_pci button evdev"
GUEST_MORE="virtio_net virtio_console virtio_balloon vmw_vsock_virtio_transport
	nvme e1000e e1000 igb igbvf ahci sd_mod dma_map_benchmark"

# the little-endian number of SIZE bytes at OFFSET of FILE
le() { od -An -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '; }

# kernel_vmlinux BZIMAGE OUT: finds the payload by the boot protocol's header (offset and
# length count from the protected-mode code) and unpacks it by its magic. All but gzip
# carry the unpacked size in four bytes at the end.
kernel_vmlinux()
{
	local sects start length magic
	[ "$(od -An -c -j 514 -N 4 "$1" | tr -d ' ')" = HdrS ] || die "$1: not a bzImage"
	sects=$(le "$1" 497 1)
	start=$(((sects + 1) * 512 + $(le "$1" 584 4)))
	length=$(le "$1" 588 4)
	magic=$(od -An -t x1 -j "$start" -N 4 "$1" | tr -d ' ')
	payload() { tail -c "+$((start + 1))" "$1" | head -c "$2"; }
	case $magic in
	1f8b*) payload "$1" "$length" | gzip -dc ;;
	fd377a58) payload "$1" $((length - 4)) | xz -dc --single-stream ;;
	28b52ffd) payload "$1" $((length - 4)) | zstd -dcq ;;
	02214c18) payload "$1" $((length - 4)) | lz4 -dcq ;;
	*) die "$1: compressed in an unknown way (magic $magic)" ;;
	esac >"$2"
	[ "$(od -An -t x1 -N 4 "$2" | tr -d ' ')" = 7f454c46 ] || die "$1: no ELF inside"
}

# kernel_modules ROOT RELEASE OUT ORDER NAME...: copies the modules and those they need
kernel_modules()
{
	local root=$1 rel=$2 out=$3 order=$4 name word file base
	shift 4
	: >"$out/$order.tmp"
	for name; do
		modprobe -C /dev/null -d "$root" -S "$rel" --show-depends "$name" \
			>"$out/depends" 2>/dev/null || { echo "$name" >>"$out/absent"; continue; }
		while read -r word file _; do
			[ "$word" = insmod ] || continue
			base=$(basename "$file")
			base=${base%%.ko*}.ko
			[ -e "$out/ko/$base" ] || case $file in
			*.xz) xz -dc "$file" >"$out/ko/$base" ;;
			*.zst) zstd -dcq "$file" >"$out/ko/$base" ;;
			*.gz) gzip -dc "$file" >"$out/ko/$base" ;;
			*) cp "$file" "$out/ko/$base" ;;
			esac
			echo "$base" >>"$out/$order.tmp"
		done <"$out/depends"
	done
	awk '!seen[$0]++' "$out/$order.tmp" >"$out/$order"
	rm -f "$out/$order.tmp" "$out/depends"
}

# older packages have /boot/NAME-RELEASE, newer ones /usr/lib/modules/RELEASE/NAME
kernel_take()
{
	cp "$1/boot/$3-$2" "$4" 2>/dev/null || cp "$1/usr/lib/modules/$2/$3" "$4" 2>/dev/null
}

kernel_make()
{
	local out=$1 suite=$2 flavour=$3 meta pkg dep all="" rel
	meta=linux-image-$flavour
	pkg=$(apt_depends "$suite" "$meta" | grep -E '^linux-image-[0-9]' | head -n 1)
	[ -n "$pkg" ] || die "$suite has no $meta"
	all=$pkg
	# newer packages are split in four
	for dep in $(apt_depends "$suite" "$pkg" | grep -E '^linux-(base|binary|modules)-[0-9]' || true); do
		all="$all $dep"
	done
	# shellcheck disable=SC2086
	apt_fetch "$suite" "$out/deb" $all
	for dep in "$out"/deb/*.deb; do
		dpkg -x "$dep" "$out/root"
	done
	rm -rf "$out/deb"
	rel=${pkg#linux-image-}
	rel=${rel%-unsigned}
	[ -d "$out/root/lib/modules" ] || { mkdir -p "$out/root/lib"; ln -s ../usr/lib/modules "$out/root/lib/modules"; }
	kernel_take "$out/root" "$rel" vmlinuz "$out/bzImage" || die "$pkg holds no kernel"
	kernel_take "$out/root" "$rel" config "$out/config" || : >"$out/config"
	echo "$rel" >"$out/release"
	kernel_vmlinux "$out/bzImage" "$out/vmlinux"
	depmod -b "$out/root" "$rel"
	mkdir "$out/ko"
	: >"$out/absent"
	# shellcheck disable=SC2086
	kernel_modules "$out/root" "$rel" "$out" l1.order $L1_MODULES
	for dep in $GUEST_MORE; do
		kernel_modules "$out/root" "$rel" "$out" "guest.order.$dep" "$dep"
	done
	# shellcheck disable=SC2086
	kernel_modules "$out/root" "$rel" "$out" guest.order $GUEST_MODULES
	sort -u -o "$out/absent" "$out/absent"
	rm -rf "$out/root"
}

kernel_stock()
{
	local hash
	hash=$(hash_of "$L1_MODULES" "$GUEST_MODULES" "$GUEST_MORE" \
		"$(declare -f kernel_make kernel_modules kernel_take kernel_vmlinux)")
	entry "kernel-$1-$2-$hash" kernel_make "$1" "$2"
}
