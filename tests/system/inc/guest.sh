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

# disk_write DEVICE [MIB [NAME]]: 8 MiB or that many on its file system, synced, read back cold; the sum is kept on it for the next boot
disk_write()
{
	mount -t ext4 "$1" /mnt || { mark "no mount"; return 1; }
	dd if=/dev/urandom of=/mnt/data bs=64k count=$((${2:-8} * 16)) 2>/dev/null
	md5sum </mnt/data >/mnt/sum
	umount /mnt
	disk_verify "$1" "${3:-disk}"
}

# disk_verify DEVICE [NAME]
disk_verify()
{
	echo 3 >/proc/sys/vm/drop_caches
	mount -t ext4 "$1" /mnt || { mark "no mount"; return 1; }
	if [ -s /mnt/sum ] && [ "$(md5sum </mnt/data)" = "$(cat /mnt/sum)" ]; then mark "${2:-disk} sum equal"; else mark "${2:-disk} sum differs"; fi
	umount /mnt
}

# twice_booted DEVICE MIB: so many written and verified; a reboot; verified again, and new ones
twice_booted()
{
	mount -t ext4 "$1" /mnt || { mark "no mount"; return 1; }
	if [ -e /mnt/again ]; then
		rm /mnt/again
		umount /mnt
		disk_verify "$1" "over the reboot"
		disk_write "$1" "$2" "second boot"
	else
		touch /mnt/again
		umount /mnt
		disk_write "$1" "$2" "first boot"
		reboot -f
	fi
}
