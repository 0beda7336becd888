#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=6.12-generic,7-generic qemu=-drive qemu=if=none,id=n0,driver=null-co,size=268435456,read-zeroes=on,snapshot=on qemu=-device qemu=nvme,serial=n,drive=n0 qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=pcie-pci-bridge,id=pb qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-device qemu=e1000e,mac=52:54:00:00:00:04,bus=pb,addr=1 qemu=-device qemu=edu,bus=pb,addr=2 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on timeout=900
# Debian's stock 6.12 and 7.x as guests with an NVMe controller, outside and behind the VT-d unit: a file system, 8 MiB written and verified.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"

bdf=$(find_function 1b36:0010)
mke2fs -q -t ext4 /dev/nvme0n1
"$NIDUS" bind "$bdf"
for g in 6.12-generic 7-generic; do
	initrd=$(guest_script $g <<'END'
load nvme
say_machine
i=0
while [ ! -b /dev/nvme0n1 ] && [ $i -lt 60 ]; do sleep 1; i=$((i + 1)); done
disk_write /dev/nvme0n1
mark "domain $(cat /sys/bus/pci/devices/0000:01:00.0/iommu_group/type 2>/dev/null || echo none)"
END
)
	vm_run 200 -k "$GUESTS/$g/bzImage" -i "$initrd" -m 384 -p quiet --vfio "$bdf" --viommu vtd
	expect_console "$g behind the unit: first-stage tables" "guest: domain DMA"
	expect_console "$g behind the unit: what was written is read back" "guest: disk sum equal"
	no_complaint "$g behind the unit"
	expect_status "$g behind the unit: the end" 0
	vm_run 200 -k "$GUESTS/$g/bzImage" -i "$initrd" -m 384 -p quiet --vfio "$bdf"
	expect_console "$g outside: what was written is read back" "guest: disk sum equal"
	no_complaint "$g outside"
	expect_status "$g outside: the end" 0
	expect_clean "$g" "$bdf"
done
"$NIDUS" unbind "$bdf"
