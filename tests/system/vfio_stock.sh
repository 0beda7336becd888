#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=6.12-generic,7-generic qemu=-drive qemu=if=none,id=n0,driver=null-co,size=268435456,read-zeroes=on,snapshot=on qemu=-device qemu=nvme,serial=n,drive=n0 qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=pcie-pci-bridge,id=pb qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-device qemu=e1000e,mac=52:54:00:00:00:04,bus=pb,addr=1 qemu=-device qemu=edu,bus=pb,addr=2 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on timeout=900
# Debian's stock 6.12 and 7.x as guests with an NVMe controller and two CPUs, without a unit: a file system, NVME_MIB written and verified, reboot
# in place, again. Behind a unit: vfio_nested_stock.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"
. "$(dirname "$0")/inc/nvme.sh"

bdf=$(find_function 1b36:0010)
mke2fs -q -t ext4 /dev/nvme0n1
"$NIDUS" bind "$bdf"
for g in 6.12-generic 7-generic; do
	nvme_run "$g" $g "$(nvme_initrd $g)" none "" "$bdf"
done
"$NIDUS" unbind "$bdf"
i=0
while [ ! -b /dev/nvme0n1 ] && [ $i -lt 30 ]; do sleep 1; i=$((i + 1)); done
clean_disk "given back to the host" /dev/nvme0n1
