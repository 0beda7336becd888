#!/bin/bash
# rig: level=stock mem=3G guests=rig timeout=120
# What nidus itself costs: memory beside guest RAM under 2 MiB, two threads at one vCPU.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"

initrd=$(guest_script rig <<'END'
disk_write /dev/vda
mark "ready"
sleep 600
END
)
disk=$(disk_image 64M ext4)
vm_start -k "$GUESTS/rig/bzImage" -i "$initrd" -m 128 -d "$disk" -p quiet
check "the guest is up" vm_expect "guest: ready" 60
# Pss of every mapping but guest RAM, the only one that large
pss=$(awk '/^Size:/ { ram = $2 >= 65536 } /^Pss:/ && !ram { sum += $2 } END { print sum }' "/proc/$VM_PID/smaps")
threads=$(cat /proc/"$VM_PID"/task/*/comm | grep -vcE '^(iou-|vhost-|kvm-)')
note "Pss beside guest RAM: $pss KiB; threads: $threads ($(cat /proc/"$VM_PID"/task/*/comm | tr '\n' ' '))"
check "less than 2 MiB beside guest RAM ($pss KiB)" [ "$pss" -lt 2048 ]
check "two threads at one vCPU" [ "$threads" = 2 ]
