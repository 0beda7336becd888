#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=7-generic qemu=-drive qemu=if=none,id=n0,driver=null-co,size=268435456,read-zeroes=on,snapshot=on qemu=-device qemu=nvme,serial=n,drive=n0 qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=pcie-pci-bridge,id=pb qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-device qemu=e1000e,mac=52:54:00:00:00:04,bus=pb,addr=1 qemu=-device qemu=edu,bus=pb,addr=2 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on timeout=300
# A disk behind the AMD-Vi unit with an assigned NVMe controller beside it. No released kernel nests AMD's tables, and this host's IOMMU is Intel's: the
# controller stays outside, one warning says so; who asks for it to be behind the unit is refused.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"

bdf=$(find_function 1b36:0010)
mke2fs -q -t ext4 /dev/nvme0n1
"$NIDUS" bind "$bdf"
disk=$(disk_image 64M ext4)
initrd=$(guest_script 7-generic <<'END'
load nvme
i=0
while [ ! -b /dev/nvme0n1 ] && [ $i -lt 60 ]; do sleep 1; i=$((i + 1)); done
disk_write /dev/nvme0n1
disk_write /dev/vda
for d in 0000:00:01.0 0000:01:00.0; do mark "domain $d $(cat /sys/bus/pci/devices/$d/iommu_group/type 2>/dev/null || echo none)"; done
dmesg | grep -F AMD-Vi | while read -r l; do mark "log: $l"; done
END
)
vm_run 200 -k "$GUESTS/7-generic/bzImage" -i "$initrd" -m 384 -p "quiet intremap=off" --vfio "$bdf,id=nvme0" --viommu amdvi \
	-d "$disk,viommu=on" --report "$TMP/report"
check "what was written to both is read back" [ "$(grep -c 'disk sum equal' "$VM_CONSOLE")" = 2 ]
expect_console "the disk is behind the unit" "domain 0000:00:01.0 DMA"
expect_console "the controller is not: no group" "domain 0000:01:00.0 none"
expect_console "HATDis is honoured" "Host Address Translation is not supported"
expect_stderr "a warning says so, and why" "warning: --vfio $bdf: behind no vIOMMU.*lacks"
check "in one line" [ "$(wc -l <"$VM_STDERR")" = 1 ]
check "the report says so" grep -q '"viommu":false' <(tr -d '\n ' <"$TMP/report" | grep -o '"nvme0":{[^}]*}')
check "the table does not list it" [ "$(od -An -v -tx1 -j88 <("$NIDUS" show acpi --vfio "$bdf" --viommu amdvi -d "$disk,viommu=on" --out "$TMP/acpi" && cat "$TMP/acpi/ivrs.dat") | tr -d ' \n')" = 02080000 ]
expect_status "the end" 0
expect_clean "outside the unit" "$bdf"

vm_run 60 -k "$GUESTS/7-generic/bzImage" -m 384 --vfio "$bdf,viommu=on" --viommu amdvi --report "$TMP/report"
expect_status "asked to be behind the unit: refused" 66
expect_stderr "with the reason and what to do" "error: --vfio $bdf: .*lacks .*viommu=off"
check "in one line" [ "$(wc -l <"$VM_STDERR")" = 1 ]
check "before there was RAM" grep -qE '"ram": null' "$TMP/report"
"$NIDUS" unbind "$bdf"
