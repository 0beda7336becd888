#!/bin/bash
# rig: level=stock mem=3G guests=rig timeout=600
# Boots in a row, and SIGKILL at random moments: nothing is left behind, the same disk works at the next start.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"

k=$GUESTS/rig/bzImage
disk=$(disk_image 64M ext4)
initrd=$(guest_script rig <<'END'
disk_write /dev/vda
END
)

available() { awk '/MemAvailable/ { print $2 }' /proc/meminfo; }
files() { cut -f1 /proc/sys/fs/file-nr; }

bad=0
vm_run 60 -k "$k" -i "$initrd" -m 128 -d "$disk"
mem=$(available) fds=$(files)
for _ in $(seq "$BOOTS"); do
	vm_run 60 -k "$k" -i "$initrd" -m 128 -d "$disk" -p quiet
	[ "$VM_STATUS" = 0 ] && grep -q 'disk sum equal' "$VM_CONSOLE" || bad=$((bad + 1))
done
check "$BOOTS boots in a row all end with status 0" [ $bad = 0 ]
check "no process is left" [ -z "$(pgrep -x nidus)" ]
check "no file descriptor is left ($fds before, $(files) after)" [ "$(files)" -le $((fds + 64)) ]
check "no memory is left behind ($mem KiB before, $(available) after)" [ "$(available)" -ge $((mem - 32768)) ]

bad=0
for _ in $(seq "$KILLS"); do
	vm_start -k "$k" -i "$initrd" -m 128 -d "$disk" -p quiet
	sleep "$((RANDOM % 6)).$((RANDOM % 10))"
	vm_stop
	e2fsck -fy "$disk" >/dev/null 2>&1 || [ $? = 1 ] || bad=$((bad + 1))
done
vm_run 60 -k "$k" -i "$initrd" -m 128 -d "$disk" -p quiet
check "$KILLS file systems could be mended after SIGKILL" [ $bad = 0 ]
expect_status "the next start with the same disk works" 0
expect_console "and the disk does" "disk sum equal"
check "no process is left after SIGKILL" [ -z "$(pgrep -x nidus)" ]
