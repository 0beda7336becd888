#!/bin/bash
# rig: level=stock mem=3G guests=7-cloud timeout=300
# The balloon: pages that a guest frees go back to the host by themselves; a target takes some from it, and it gets them back when it runs short.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"

GUEST=7-cloud

# MiB of guest RAM that are in use on the host
ram_mib() { awk '/^Size:/ { ram = $2 >= 65536 } /^Pss:/ && ram { sum += $2 } END { print int(sum / 1024) }' "/proc/$VM_PID/smaps"; }
# ram_below MIB SECONDS
ram_below()
{
	local end=$(($(t_now) + $2 * 10 * ${RIG_SLOW:-1}))
	while [ "$(ram_mib)" -ge "$1" ]; do
		[ "$(t_now)" -lt "$end" ] || return 1
		sleep 0.5
	done
}

initrd=$(guest_script $GUEST <<'END'
load virtio_console virtio_balloon
mount -t tmpfs -o size=200m tmp /mnt
dd if=/dev/zero of=/mnt/big bs=1M count=60 2>/dev/null
mark filled
sleep 3
rm /mnt/big
mark freed
sleep 600
END
)
vm_start -k "$GUESTS/$GUEST/bzImage" -i "$initrd" -m 256 -p quiet --balloon on --console hvc:stdio
check "the guest's console is hvc0" vm_expect "guest: filled" 120
full=$(ram_mib)
check "the guest frees memory" vm_expect "guest: freed" 60
check "free page reporting gives it back" ram_below $((full - 40)) 60
note "guest RAM in use: $full MiB, then $(ram_mib) MiB"
vm_stop

# What is written at the end is more than is free: the driver takes pages out of the balloon before the kernel kills anyone.
initrd=$(guest_script $GUEST <<'END'
pages() { awk -v what="balloon_$1" '$1 == what { print $2 }' /proc/vmstat; }
mount -t tmpfs -o size=240m tmp /mnt
dd if=/dev/zero of=/mnt/big bs=1M count=60 2>/dev/null
rm /mnt/big
mark filled
sleep 3
load virtio_balloon
for i in $(seq 90); do [ "$(pages inflate)" -ge 28160 ] && mark inflated && break; sleep 1; done
want=$(($(awk '/MemFree/ { print int($2 / 1024) }' /proc/meminfo) + 4))
mark "writes $want MiB, out of the balloon $(pages deflate) pages"
sleep 5
dd if=/dev/zero of=/mnt/big bs=1M count=$want 2>/dev/null
[ "$(wc -c </mnt/big)" = $((want * 1048576)) ] && mark "all written"
[ "$(pages deflate)" -gt 0 ] && mark "deflated $(pages deflate) pages"
dmesg | grep -q "Out of memory" || mark "nobody killed"
sleep 600
END
)
vm_start -k "$GUESTS/$GUEST/bzImage" -i "$initrd" -m 256 -p "quiet init_on_alloc=0" --balloon target=110M
check "the guest fills its memory" vm_expect "guest: filled" 120
full=$(ram_mib)
check "the balloon is inflated" vm_expect "guest: inflated" 90
check "its pages are the host's again" ram_below $((full - 40)) 60
low=$(ram_mib)
check "a guest that runs short takes pages out of the balloon" vm_expect "guest: deflated" 120
expect_console "and has the memory" "guest: all written"
check "which is the guest's again on the host" [ "$(ram_mib)" -ge $((low + 30)) ]
check "and nobody was killed for want of it" vm_expect "guest: nobody killed" 20
note "guest RAM in use: $full MiB, $low MiB, $(ram_mib) MiB; in the guest: $(grep -aE 'guest: (writes|deflated)' "$VM_CONSOLE" | tr -d '\r' | tr '\n' ' ')"
vm_stop
vm_run 20 -k "$GUESTS/$GUEST/bzImage" -m 256 --balloon target=256M
expect_status "a target of all RAM is refused" 64
