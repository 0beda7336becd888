#!/bin/bash
# rig: level=stock mem=3G guests=6.1-generic,6.1-cloud timeout=240
# Debian's stock 6.1: generic with one CPU and the smallest memory, cloud with two and the exit byte.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"

g=6.1-generic
initrd=$(guest_script $g <<'END'
say_machine
disk_write /dev/vda
END
)
disk=$(disk_image 64M ext4)
vm_run 110 -k "$GUESTS/$g/bzImage" -i "$initrd" -m 256 -p quiet -d "$disk"
expect_console "$g: up with 1 CPU" "cpus 1 memory 2"
expect_console "$g: what was written is read back" "disk sum equal"
no_complaint $g
expect_status "$g: poweroff is status 0" 0
expect_quiet "$g: nidus has nothing to say"
clean_disk $g "$disk"

g=6.1-cloud
initrd=$(guest_script $g <<'END'
say_machine
exitcode 7
END
)
vm_run 110 -k "$GUESTS/$g/bzImage" -i "$initrd" -c 2 -m 256 -p quiet
expect_console "$g: up with 2 CPUs" "cpus 2"
no_complaint $g
expect_status "$g: the exit byte 7 is status 7" 7
