# tests/system/inc/guest.sh - what test scripts inside a guest share; put before them by guest_script().

# Kernel messages at warning level and above that speak of what the VMM describes or emulates.
complaints()
{
	dmesg -r | sed -n 's/^<\([0-9]*\)>/\1 /p' | awk '$1 % 8 <= 4' |
		grep -iE 'acpi|pci|firmware|bios|virtio|dmar|iommu|apic|irq|tsc|timer|clocksource|8250|serial|ttyS|e820|mmconfig|ecam|resource' |
		grep -viE "$1"
}

# Known lines that have nothing to do with the machine: the kernel's own age, its mitigations, and the slowness of the emulated CPU below.
QUIET='mitigat|vulnerab|spectre|retbleed|srso|unknown kernel command line|user .*will be passed to user space|tainted|module verification|debugfs support|iommu data structures|interrupt took|clocksource watchdog|readout interval|read-back delay|rcu_|sched: '

say_machine()
{
	mark "kernel $(uname -r) cpus $(nproc) memory $(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo)"
	complaints "$QUIET" | while read -r line; do mark "complaint: $line"; done
}

# 8 MiB on the file system of $1, synced, read back cold; the sum is kept on it for the next boot
disk_write()
{
	mount -t ext4 "$1" /mnt || { mark "no mount"; return 1; }
	dd if=/dev/urandom of=/mnt/data bs=64k count=128 2>/dev/null
	md5sum </mnt/data >/mnt/sum
	umount /mnt
	disk_verify "$1"
}

disk_verify()
{
	echo 3 >/proc/sys/vm/drop_caches
	mount -t ext4 "$1" /mnt || { mark "no mount"; return 1; }
	if [ "$(md5sum </mnt/data)" = "$(cat /mnt/sum)" ]; then mark "disk sum equal"; else mark "disk sum differs"; fi
	umount /mnt
}
