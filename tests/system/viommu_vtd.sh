#!/bin/bash
# rig: level=stock mem=3G guests=rig,6.1-cloud,6.12-cloud timeout=400
# A disk behind the software VT-d unit: stock and rig kernels find it, translate, and the data is right; a guest that refuses scalable mode ignores
# the unit and its disk works all the same.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"

disk=$(disk_image 64M ext4)

# dmar_guest GUEST: an initrd that says what Linux made of the unit and checks the disk
dmar_guest()
{
	guest_script "$1" <<'END'
say_machine
dmesg | grep -iE 'dmar|iommu' | grep -v 'SECURITY\|\*\*' | while read -r l; do mark "dmar: $l"; done
d=$(readlink /sys/block/vda/device/..); mark "device $(basename "$(readlink -f /sys/block/vda/device/..)") group $(basename "$(readlink /sys/block/vda/device/../iommu_group)") type $(cat /sys/block/vda/device/../iommu_group/type)"
disk_write /dev/vda
END
}

# translated NAME GUEST REGEX-OF-TYPE OPTION...
translated()
{
	local name=$1 guest=$2 type=$3
	shift 3
	vm_run 100 -k "$GUESTS/$guest/bzImage" -i "$(dmar_guest "$guest")" -m 256 --viommu vtd -d "$disk,viommu=on" --report "$TMP/report" "$@"
	check "$name: Linux finds the unit and queued invalidation" grep -q 'dmar: .*[Qq]ueued invalidation' "$VM_CONSOLE"
	check "$name: the disk's domain is $type" grep -qE "device .* type ($type)" "$VM_CONSOLE"
	expect_console "$name: the disk's data is right" "disk sum equal"
	check "$name: no DMA fault" [ "$(grep -c 'DMAR:.*fault\|DRHD: handling fault' "$VM_CONSOLE")" = 0 ]
	expect_status "$name: ends well" 0
	note "$(tr -d '\n ' <"$TMP/report" | grep -o '"viommu-own":{[^}]*}')"
}

translated "rig kernel" rig 'DMA|DMA-FQ' -c 2 -p "quiet"
check "and the unit saw invalidations" grep -qE '"invalidations": *[1-9]' "$TMP/report"
translated "rig kernel, strict" rig DMA -p "quiet iommu.strict=1"
translated "rig kernel, pass-through" rig identity -p "quiet iommu=pt"
translated "stock 6.1" 6.1-cloud 'DMA|DMA-FQ' -p "quiet intel_iommu=on"
translated "stock 6.12, 4 CPUs" 6.12-cloud 'DMA|DMA-FQ' -c 4 -p "quiet intel_iommu=on"

vm_run 100 -k "$GUESTS/6.12-cloud/bzImage" -i "$(dmar_guest 6.12-cloud)" -m 256 --viommu vtd -d "$disk,viommu=on" -p "quiet intel_iommu=on,sm_off"
check "sm_off: the guest cannot get a valid agaw" grep -q 'agaw' "$VM_CONSOLE"
expect_console "sm_off: the disk works, the unit is ignored" "disk sum equal"
expect_status "sm_off: ends well" 0
