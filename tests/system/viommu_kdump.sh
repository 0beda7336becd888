#!/bin/bash
# rig: level=stock mem=3G guests=6.12-cloud,7-generic timeout=500
# A guest panics while its disk behind a software unit is at work, and its crash kernel takes over: it finds the unit translating, takes the old
# tables over by the registers it reads back, and its own I/O through the unit is right; it sees the first kernel's memory. Once more with
# the panic told to nidus before, which must not end the guest, and with a crash kernel that ignores the unit.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"

cat >"$TMP/crash.sh" <<'END'
dmesg | grep -E 'DMAR|AMD-Vi' | while read -r l; do mark "crash log: $l"; done
mark "crash type $(cat /sys/block/vda/device/../iommu_group/type 2>/dev/null || echo none)"
[ "$(dd if=/proc/vmcore bs=1 skip=1 count=3 2>/dev/null)" = ELF ] && mark "crash kernel sees the old memory"
disk_write /dev/vda
mark "crash faults $(dmesg | grep -c 'DMAR:.*fault\|DRHD: handling fault\|Event logged')"
exitcode 7
END
cat >"$TMP/first.sh" <<'END'
mark "first type $(cat /sys/block/vda/device/../iommu_group/type 2>/dev/null || echo none)"
word() { sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
kexecfile -p /bzImage /next "console=ttyS0 panic=-1 reboot=panic_warm quiet nr_cpus=1 reset_devices $(word crash | tr + ' ')" && mark "crash kernel loaded"
mount -t ext4 /dev/vda /mnt
# Always some megabytes written and some read on their way.
dd if=/dev/urandom of=/mnt/in bs=64k count=64 2>/dev/null
sync
while :; do dd if=/dev/vda of=/dev/null bs=256k iflag=direct 2>/dev/null; done &
while :; do dd if=/mnt/in of=/mnt/out bs=256k oflag=direct conv=notrunc 2>/dev/null; mark "written"; done &
sleep 2
echo c >/proc/sysrq-trigger
END

# crashed NAME UNIT GUEST CRASH-CMDLINE(+ for a blank) CMDLINE
crashed()
{
	local guest=$3 crash
	crash=$(guest_script "$guest" <"$TMP/crash.sh")
	disk=$(disk_image 64M ext4)
	vm_run 300 -k "$GUESTS/$guest/bzImage" -i "$(guest_script "$guest" bzImage="$GUESTS/$guest/bzImage" next="$crash" <"$TMP/first.sh")" -m 768 \
		-p "quiet crashkernel=256M crash=$4 $5" --viommu "$2" -d "$disk,viommu=on" --report "$TMP/report"
	expect_console "$1: a crash kernel is loaded" "guest: crash kernel loaded"
	expect_console "$1: the first kernel translates" "guest: first type DMA"
	expect_console "$1: the disk was at work" "guest: written"
	expect_console "$1: the crash kernel sees the first one's memory" "guest: crash kernel sees the old memory"
	expect_console "$1: the crash kernel's data on the disk is right" "guest: disk sum equal"
	expect_console "$1: no DMA fault in the crash kernel" "guest: crash faults 0"
	expect_status "$1: the crash kernel's own code is the exit status" 7
	clean_disk "$1" "$disk"
	grep -a 'guest: crash' "$VM_CONSOLE" | tr -d '\r' | sed 's/^/# /'
	note "$(tr -d '\n ' <"$TMP/report" | grep -o '"viommu-own":{[^}]*}')"
}

crashed "same unit" vtd 6.12-cloud intel_iommu=on intel_iommu=on
check "same unit: the crash kernel copies the tables" grep -q 'crash log: .*Copied translation tables from previous kernel' "$VM_CONSOLE"
check "same unit: it translates" grep -q 'guest: crash type DMA' "$VM_CONSOLE"
expect_quiet "same unit: nidus has nothing to say"

crashed "panic told, unit ignored" vtd 6.12-cloud intel_iommu=sm_off "intel_iommu=on crash_kexec_post_notifiers"
check "panic told, unit ignored: the crash kernel cannot get a valid agaw" grep -q 'crash log: .*Cannot get a valid agaw' "$VM_CONSOLE"
expect_console "panic told, unit ignored: the disk has no IOMMU" "guest: crash type none"
expect_stderr "panic told, unit ignored: nidus says that the crash kernel takes over" "crash kernel takes over"

crashed AMD-Vi amdvi 7-generic intremap=off intremap=off
check "AMD-Vi: the crash kernel goes on with the device table" grep -q 'crash log: .*Reused DEV table from previous kernel' "$VM_CONSOLE"
check "AMD-Vi: it translates" grep -q 'guest: crash type DMA' "$VM_CONSOLE"
expect_quiet "AMD-Vi: nidus has nothing to say"
