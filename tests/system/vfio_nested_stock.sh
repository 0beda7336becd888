#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=6.12-generic,7-generic qemu=-drive qemu=if=none,id=n0,driver=null-co,size=268435456,read-zeroes=on,snapshot=on qemu=-device qemu=nvme,serial=n,drive=n0 qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=pcie-pci-bridge,id=pb qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-device qemu=e1000e,mac=52:54:00:00:00:04,bus=pb,addr=1 qemu=-device qemu=edu,bus=pb,addr=2 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on timeout=1500
# Debian's stock 6.12 and 7.x as guests with an NVMe controller behind the VT-d unit and two CPUs: a file system, NVME_MIB written and verified,
# reboot in place, again; strict with the one, lazy with the other (make soak: lazy, strict and pass-through with both).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"
. "$(dirname "$0")/inc/nvme.sh"

bdf=$(find_function 1b36:0010)
mke2fs -q -t ext4 /dev/nvme0n1
"$NIDUS" bind "$bdf"

modes_of()
{
	if [ -n "${SOAK:-}" ]; then
		echo "DMA-FQ:iommu.strict=0 DMA:iommu.strict=1 identity:iommu=pt"
	elif [ "$1" = 7-generic ]; then
		echo "DMA-FQ:iommu.strict=0"
	else
		echo "DMA:iommu.strict=1"
	fi
}

for g in 6.12-generic 7-generic; do
	initrd=$(nvme_initrd $g)
	for m in $(modes_of $g); do
		name="$g behind the unit, ${m#*:}"
		nvme_run "$name" $g "$initrd" "${m%%:*}" "intel_iommu=on ${m#*:}" "$bdf" --viommu vtd
		expect_tables "$name" "${m%%:*}"
	done
done
"$NIDUS" unbind "$bdf"
