#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=rig qemu=-drive qemu=if=none,id=n0,driver=null-co,size=268435456,read-zeroes=on,snapshot=on qemu=-device qemu=nvme,serial=n,drive=n0 qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=pcie-pci-bridge,id=pb qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-device qemu=e1000e,mac=52:54:00:00:00:04,bus=pb,addr=1 qemu=-device qemu=edu,bus=pb,addr=2 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on timeout=500
# A VM with an assigned NVMe controller ended in every way while the controller does DMA: powered off, stopped, killed. The next start works, and
# nothing is left: no page pinned, no DMA, no object in the kernel, no complaint in its log.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"

bdf=$(find_function 1b36:0010)
"$NIDUS" bind "$bdf"
# Reads without end; the second word of a mark tells that it is under way.
initrd=$(guest_script rig <<'END'
(while :; do dd if=/dev/nvme0n1 of=/dev/null bs=1M count=64 iflag=direct 2>/dev/null && mark "read on"; done) &
dd if=/dev/nvme0n1 of=/dev/null bs=1M count=4 iflag=direct 2>/dev/null && mark "loaded"
grep -qw once /proc/cmdline || sleep 600
END
)

# Pages that the kernel has pinned for devices, less those it has let go.
pinned() { awk '/^nr_foll_pin_acquired/ { n += $2 } /^nr_foll_pin_released/ { n -= $2 } END { print n }' /proc/vmstat; }

nothing_left() # NAME
{
	local p
	check "$1: bus mastering is off" [ "$(bus_master "$bdf")" = 0 ]
	check "$1: nothing is pinned" [ "$(pinned)" = "$before" ]
	for p in /proc/[0-9]*; do
		[ "$(readlink "$p"/fd/* 2>/dev/null | grep -cE '^/dev/(iommu|vfio)')" = 0 ] || { not_ok "$1: no file of the device is open: ${p#/proc/}"; return; }
	done
	ok "$1: no file of the device is open"
	if dmesg | grep -iE 'dmar.*fault|WARNING|BUG:|leak|vfio.*(fail|error)' >"$TMP/dmesg"; then
		sed 's/^/# /' "$TMP/dmesg"
		not_ok "$1: the host's kernel has nothing to complain of"
	else
		ok "$1: the host's kernel has nothing to complain of"
	fi
}

before=$(pinned)
vm_start -k "$GUESTS/rig/bzImage" -i "$initrd" -m 128 --rng off -p quiet --vfio "$bdf"
check "reading" vm_expect "guest: loaded" 120
check "all RAM is pinned meanwhile" [ $(($(pinned) - before)) -ge $((128 * 256 - 512)) ]
vm_stop
for i in $(seq "$CYCLES"); do
	vm_run 120 -k "$GUESTS/rig/bzImage" -i "$initrd" -m 128 --rng off -p "quiet once" --log debug --vfio "$bdf"
	expect_status "cycle $i: it works and ends" 0
	expect_console "cycle $i: reading" "guest: loaded"
	check "cycle $i: every iommufd object was given back by name" [ "$(grep -c 'was left over' "$VM_STDERR")" = 0 ]
	nothing_left "cycle $i"
done
for i in $(seq "$KILLS"); do
	vm_start -k "$GUESTS/rig/bzImage" -i "$initrd" -m 128 --rng off -p quiet --vfio "$bdf"
	check "kill $i: the start before it works" vm_expect "guest: loaded" 120
	vm_signal KILL
	vm_wait 20
	nothing_left "kill $i"
done
check "the host's driver takes the device back" "$NIDUS" unbind "$bdf"
i=0
while [ ! -b /dev/nvme0n1 ] && [ $i -lt 30 ]; do sleep 1; i=$((i + 1)); done
check "and reads from it" dd if=/dev/nvme0n1 of=/dev/null bs=1M count=4 iflag=direct status=none
