#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=6.12-generic,7-generic qemu=-drive qemu=if=none,id=n0,driver=null-co,size=268435456,read-zeroes=on,snapshot=on qemu=-device qemu=nvme,serial=n,drive=n0 qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=pcie-pci-bridge,id=pb qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-device qemu=e1000e,mac=52:54:00:00:00:04,bus=pb,addr=1 qemu=-device qemu=edu,bus=pb,addr=2 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on timeout=1500
# Debian's stock 6.12 and 7.x as guests with an NVMe controller behind the VT-d unit and two CPUs: a file system, 64 MiB verified, reboot in
# place, again; strict with the one, lazy with the other (make soak: lazy, strict and pass-through with both).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"

bdf=$(find_function 1b36:0010)
mke2fs -q -t ext4 /dev/nvme0n1
"$NIDUS" bind "$bdf"

wait='
load nvme
say_machine
i=0
while [ ! -b /dev/nvme0n1 ] && [ $i -lt 60 ]; do sleep 1; i=$((i + 1)); done
'
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
	initrd=$({ echo "$wait"; echo 'mark "domain $(cat /sys/bus/pci/devices/0000:01:00.0/iommu_group/type 2>/dev/null || echo none)"
twice_booted /dev/nvme0n1 64'; } | guest_script $g)
	for m in $(modes_of $g); do
		name="$g behind the unit, ${m#*:}"
		vm_run 400 -k "$GUESTS/$g/bzImage" -i "$initrd" -c 2 -m 384 -p "quiet intel_iommu=on ${m#*:}" --vfio "$bdf" --viommu vtd \
			--on-reboot reset --report "$TMP/report"
		expect_console "$name: the domain's type" "guest: domain ${m%%:*}"
		for when in "first boot" "over the reboot" "second boot"; do
			expect_console "$name: 64 MiB, $when" "guest: $when sum equal"
		done
		no_complaint "$name"
		expect_status "$name: the end" 0
		if [ "${m%%:*}" = identity ]; then
			check "$name: attached to the parent in both boots" [ "$(counted_in viommu-dmar0 pass_through)" -ge 2 ]
		else
			check "$name: first-stage tables in both boots" \
				[ $(($(counted_in viommu-dmar0 attaches) - $(counted_in viommu-dmar0 pass_through))) -ge 2 ]
		fi
		check "$name: no fault" [ "$(counted_in viommu-dmar0 faults)" = 0 ]
	done
	expect_clean "$g" "$bdf"
done
"$NIDUS" unbind "$bdf"
