#!/bin/bash
# rig: level=stock mem=3G guests=7-generic,7-cloud timeout=400
# Debian's stock 7.x: generic panics, cloud is switched off by SIGTERM; its vmlinux by PVH.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"

g=7-generic
initrd=$(guest_script $g <<'END'
say_machine
disk_write /dev/vda
echo c >/proc/sysrq-trigger
END
)
disk=$(disk_image 64M ext4)
vm_run 140 -k "$GUESTS/$g/bzImage" -i "$initrd" -c 2 -m 256 -p quiet -d "$disk"
expect_console "$g: up" "cpus 2"
expect_console "$g: what was written is read back" "disk sum equal"
no_complaint $g
expect_status "$g: a panic is status 80" 80

g=7-cloud
initrd=$(guest_script $g <<'END'
say_machine
powerbutton
END
)
vm_start -k "$GUESTS/$g/bzImage" -i "$initrd" -m 256 -p quiet --grace 60
if vm_expect "guest: waiting for" 120; then
	vm_signal TERM
fi
vm_wait 60
no_complaint $g
expect_status "$g: SIGTERM presses the power button, status 0" 0

initrd=$(guest_script $g <<'END'
say_machine
END
)
vm_run 120 -k "$GUESTS/$g/vmlinux" -i "$initrd" -m 256 -p quiet
expect_console "$g: vmlinux boots by PVH" "cpus 1"
no_complaint "$g vmlinux"
expect_status "$g: vmlinux powers off" 0
