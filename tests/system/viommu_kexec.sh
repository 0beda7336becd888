#!/bin/bash
# rig: level=stock mem=3G guests=rig,7-generic timeout=400
# A disk behind a software unit, of either kind, over all that starts a kernel anew in the same VM; each kernel reads what the one before wrote. By kexec
# into a kernel that refuses the unit, and back: with VT-d that is sm_off, the case that a VMM with second-stage translation cannot serve without
# shadowing. By a reset with the unit on and requests in flight. (After a crash: viommu_kdump.sh.)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/kexec.sh"

# vm GUEST INITRD UNIT MEMORY CMDLINE [OPTION...]
vm()
{
	vm_run 200 -k "$GUESTS/$1/bzImage" -i "$2" --viommu "$3" -m "$4" -p "quiet $5" -d "$(disk_image 64M ext4),viommu=on" --report "$TMP/report" "${@:6}"
}

ended() # NAME
{
	check "$1: no DMA fault" [ "$(grep -cE 'DRHD: handling fault|Event logged' "$VM_CONSOLE")" = 0 ]
	expect_status "$1: the end" 0
	note "$(tr -d '\n ' <"$TMP/report" | grep -o '"viommu-own":{[^}]*}')"
}

# kexec UNIT REFUSE: three kernels, the second one with REFUSE on its command line
kexec()
{
	vm rig "$(kexec_chain rig quiet "$2" <<'END'
dmesg | grep -q 'Cannot get a valid agaw' && mark "stage $stage: the unit is ignored"
mark "stage $stage: type $(cat /sys/block/vda/device/../iommu_group/type 2>/dev/null || echo none)"
[ $stage = 1 ] || disk_verify /dev/vda
disk_write /dev/vda && mark "stage $stage: disk done"
END
)" "$1" 640 stage=1
	check "$1, first kernel: translated" grep -q 'guest: stage 1: type DMA' "$VM_CONSOLE"
	expect_console "$1, $2: the disk has no IOMMU" "guest: stage 2: type none"
	check "$1, third kernel: translated again" grep -q 'guest: stage 3: type DMA' "$VM_CONSOLE"
	check "$1: each kernel's data is right, and what it finds" [ "$(grep -c 'guest: disk sum equal' "$VM_CONSOLE")" = 5 ]
	ended "$1, kexec"
}

# reset UNIT CMDLINE
reset()
{
	vm 7-generic "$(guest_script 7-generic <<'END'
mark "type $(cat /sys/block/vda/device/../iommu_group/type 2>/dev/null || echo none)"
reboot()
{
	( while :; do dd if=/dev/vda of=/dev/null bs=64k count=256 iflag=direct 2>/dev/null; done ) &
	sleep 1
	echo b >/proc/sysrq-trigger
	sleep 100
}
twice_booted /dev/vda 8
END
)" "$1" 256 "$2" --on-reboot reset
	check "$1, reset in place: translated both times" [ "$(grep -c 'guest: type DMA' "$VM_CONSOLE")" = 2 ]
	for when in "first boot" "over the reboot" "second boot"; do
		expect_console "$1, reset in place: 8 MiB, $when" "guest: $when sum equal"
	done
	ended "$1, reset in place"
}

kexec vtd intel_iommu=sm_off
expect_console "sm_off: no valid agaw, the unit is ignored" "guest: stage 2: the unit is ignored"
kexec amdvi amd_iommu=off
reset vtd intel_iommu=on
reset amdvi intremap=off
