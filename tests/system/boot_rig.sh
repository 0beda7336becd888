#!/bin/bash
# rig: level=stock mem=3G guests=rig timeout=300
# The rig's own kernel: both image kinds, the smallest memory, and every way to end.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"

k=$GUESTS/rig/bzImage
initrd=$(guest_script rig <<'END'
say_machine
END
)
vm_run 60 -k "$k" -i "$initrd" -m 64
expect_console "64 MiB are enough" "cpus 1"
no_complaint bzImage
expect_status "poweroff is status 0" 0
expect_quiet "nidus has nothing to say"

vm_run 60 -k "$GUESTS/rig/vmlinux" -i "$initrd" -m 128 -c 4
expect_console "vmlinux with 4 CPUs" "cpus 4"
no_complaint vmlinux
expect_status "vmlinux: poweroff is status 0" 0

initrd=$(guest_script rig <<'END'
reboot -f
END
)
vm_run 60 -k "$k" -i "$initrd" -m 128
expect_status "reboot is status 81" 81

vm_run 60 -k "$k" -m 128
expect_console "a kernel without init panics" "Kernel panic"
expect_status "a kernel without init is status 80" 80

initrd=$(guest_script rig <<'END'
mark "deaf"
sleep 600
END
)
vm_start -k "$k" -i "$initrd" -m 128 --grace 2
vm_expect "guest: deaf" 50
vm_signal TERM
vm_wait 20
expect_status "SIGTERM to a guest without a power button handler is status 82 after the grace period" 82

vm_start -k "$k" -i "$initrd" -m 128 --grace 100
vm_expect "guest: deaf" 50
vm_signal INT
sleep 0.5
vm_signal INT
vm_wait 3
expect_status "a second signal ends it within 2 seconds" 82
