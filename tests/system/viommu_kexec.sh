#!/bin/bash
# rig: level=stock mem=3G guests=rig timeout=240
# The case that a VMM with second-stage translation cannot serve without shadowing: kexec from scalable mode into sm_off and back, with the disk behind
# the software VT-d unit. All three kernels do their I/O; the second finds no usable address width and leaves the unit alone.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"

cat "$(dirname "$0")/inc/guest.sh" - >"$TMP/script" <<'END'
stage=$(sed 's/.*stage=\(.\).*/\1/' /proc/cmdline)
dmesg | grep -q 'Cannot get a valid agaw' && mark "stage $stage: the unit is ignored"
mark "stage $stage: type $(cat /sys/block/vda/device/../iommu_group/type 2>/dev/null || echo none)"
disk_write /dev/vda && mark "stage $stage: disk done"
case $stage in
1) kexecfile /bzImage /next "console=ttyS0 panic=-1 reboot=panic_warm quiet stage=2 intel_iommu=sm_off" ;;
2) kexecfile /bzImage /next "console=ttyS0 panic=-1 reboot=panic_warm quiet stage=3" ;;
esac
END
k=$GUESTS/rig/bzImage
third=$(guest_initrd rig <"$TMP/script")
second=$(guest_initrd rig bzImage="$k" next="$third" <"$TMP/script")
first=$(guest_initrd rig bzImage="$k" next="$second" <"$TMP/script")
disk=$(disk_image 64M ext4)
vm_run 200 -k "$k" -i "$first" -m 640 --viommu vtd -d "$disk,viommu=on" --report "$TMP/report" -p "quiet stage=1"
check "first kernel: translated" grep -q 'guest: stage 1: type DMA' "$VM_CONSOLE"
expect_console "sm_off: no valid agaw, the unit is ignored" "guest: stage 2: the unit is ignored"
expect_console "sm_off: the disk has no IOMMU" "guest: stage 2: type none"
check "third kernel: translated again" grep -q 'guest: stage 3: type DMA' "$VM_CONSOLE"
check "the disk's data is right in all three" [ "$(grep -c 'guest: disk sum equal' "$VM_CONSOLE")" = 3 ]
check "no DMA fault" [ "$(grep -c 'DRHD: handling fault' "$VM_CONSOLE")" = 0 ]
expect_status "the end" 0
note "$(tr -d '\n ' <"$TMP/report" | grep -o '"viommu-own":{[^}]*}')"
