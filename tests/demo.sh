#!/bin/bash
# tests/demo.sh - `make demo`: boots a stock Debian kernel in nidus, from nothing.
#
# Installs what is missing, builds ./nidus, fetches the kernel into the cache, and boots it
# with a disk and its console on the terminal. The guest checks the disk and powers itself
# off; the report follows. Where /dev/kvm is absent or cannot run a stock kernel, the same
# happens inside an emulated host (tests/rig/l1.sh), which takes a minute or two.
#
# NIDUS_DEMO_GUEST chooses another kernel (tests/rig/guests.sh --list), NIDUS_DEMO=rig the
# emulated host.

set -eu
cd "$(dirname "$0")/.."
guest=${NIDUS_DEMO_GUEST:-6.12-cloud}

# boots the kernel of folder $1, with everything else in folder $2
boot()
{
	local status=0
	cat >"$2/test.sh" <<-'END'
	mark "this is $(uname -sr) on $(nproc) CPUs, $(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo) MiB"
	mount -t ext4 /dev/vda /mnt || exitcode 1
	mark "the disk: $(df -h /mnt | awk 'END { print $2 " ext4 on " $1 }')"
	dd if=/dev/urandom of=/mnt/file bs=64k count=64 2>/dev/null
	sum=$(md5sum </mnt/file)
	umount /mnt
	echo 3 >/proc/sys/vm/drop_caches
	mount -t ext4 /dev/vda /mnt
	if [ "$sum" = "$(md5sum </mnt/file)" ]; then
		mark "4 MiB written and read back from the disk, checksum equal"
	else
		mark "the disk gave back other data"
		exitcode 1
	fi
	umount /mnt
	mark "powering off"
	END
	tests/rig/mkinitrd.sh "$1" "$2/test.sh" "$2/initrd"
	rm -f "$2/disk"
	truncate -s 64M "$2/disk"
	PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 "$2/disk"
	"${NIDUS:-./nidus}" run -k "$1/bzImage" -i "$2/initrd" -c 2 -m 512M -d "$2/disk" \
		-p quiet --report "$2/report.json" || status=$?
	echo
	echo "demo: exit status $status; the report:"
	cat "$2/report.json" || true
	echo
	return $status
}

if [ "${1:-}" = --inside ]; then
	boot "$GUESTS/$guest" /tmp
	exit
fi

tests/deps.sh build rig
make -s -j"$(nproc)"
why=""
if [ "${NIDUS_DEMO:-}" = rig ]; then
	why="NIDUS_DEMO=rig"
elif [ ! -e /dev/kvm ]; then
	why="/dev/kvm is absent (no virtualization in this CPU or VM, or the kvm modules are not loaded)"
elif ! why=$(./nidus check 2>&1); then
	# the first line that says no
	why=$(printf '%s\n' "$why" | grep -m 1 '^FAIL' | sed 's/^FAIL *[^ ]* *//' || true)
	why=${why:-nidus check says no}
else
	why=""
fi
dir=$(tests/rig/guests.sh "$guest")
if [ -z "$why" ]; then
	echo "demo: booting Debian's $(cat "$dir/release")"
	work=$(mktemp -d "${TMPDIR:-/tmp}/nidus-demo.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	status=0
	boot "$dir" "$work" || status=$?
	exit $status
fi
echo "demo: $why"
echo "demo: so Debian's $(cat "$dir/release") boots inside an emulated host instead; this takes a minute or two"
tty=""
if [ -t 0 ] && [ -t 1 ]; then
	tty=--tty
fi
# shellcheck disable=SC2086
exec tests/rig/l1.sh --dist-qemu $tty --guests "$guest" --timeout 600 --env NIDUS_DEMO_GUEST="$guest" -- tests/demo.sh --inside
