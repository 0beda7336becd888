#!/bin/bash
# rig: level=stock mem=3G guests=6.12-generic,6.12-cloud timeout=300
# Debian's stock 6.12: generic with four CPUs, 6 GiB lazily touched and the exit byte; cloud through a real reboot.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"

g=6.12-generic
initrd=$(guest_script $g <<'END'
say_machine
exitcode 7
END
)
vm_run 140 -k "$GUESTS/$g/bzImage" -i "$initrd" -c 4 -m 6G -p quiet
expect_console "$g: up with 4 CPUs and 6 GiB on a host of 3" "cpus 4 memory 5"
no_complaint $g
expect_status "$g: the exit byte 7 is status 7" 7

g=6.12-cloud
initrd=$(guest_script $g <<'END'
if mount -t ext4 /dev/vda /mnt && [ -f /mnt/sum ]; then
	umount /mnt
	disk_verify /dev/vda
	mark "second boot"
	say_machine
else
	umount /mnt
	disk_write /dev/vda
	mark "first boot"
	reboot -f
fi
END
)
disk=$(disk_image 64M ext4)
vm_run 140 -k "$GUESTS/$g/bzImage" -i "$initrd" -c 2 -m 256 -p quiet -d "$disk" --on-reboot reset
expect_console "$g: reboots" "first boot"
expect_console "$g: comes up again" "second boot"
check "$g: the file is the same after the reboot" [ "$(grep -c 'disk sum equal' "$VM_CONSOLE")" = 2 ]
no_complaint $g
expect_status "$g: poweroff after a reboot is status 0" 0
clean_disk $g "$disk"
