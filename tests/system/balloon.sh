#!/bin/bash
# rig: level=stock mem=3G guests=7-cloud timeout=240
# The balloon: pages that a guest frees go back to the host by themselves, and a target takes some from it at its start. The console is hvc0 here.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"

GUEST=7-cloud

# MiB of guest RAM that are in use on the host
ram_mib() { awk '/^[0-9a-f]+-[0-9a-f]+ / { ram = /memfd:nidus-ram/ } /^Pss:/ && ram { sum += $2 } END { print int(sum / 1024) }' "/proc/$VM_PID/smaps"; }
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
mount -t tmpfs -o size=400m tmp /mnt
dd if=/dev/urandom of=/mnt/seed bs=1M count=1 2>/dev/null
for i in $(seq 180); do cat /mnt/seed; done >/mnt/big
mark filled
sleep 5
rm /mnt/big
mark freed
sleep 600
END
)
vm_start -k "$GUESTS/$GUEST/bzImage" -i "$initrd" -m 512 -p quiet --balloon on --console hvc:stdio
check "the guest's console is hvc0" vm_expect "guest: filled" 120
full=$(ram_mib)
check "the guest frees memory" vm_expect "guest: freed" 60
check "free page reporting gives it back" ram_below $((full - 120)) 60
note "guest RAM in use: $full MiB, then $(ram_mib) MiB"
vm_stop

initrd=$(guest_script $GUEST <<'END'
mount -t tmpfs -o size=400m tmp /mnt
dd if=/dev/urandom of=/mnt/seed bs=1M count=1 2>/dev/null
for i in $(seq 250); do cat /mnt/seed; done >/mnt/big
rm /mnt/big
mark filled
sleep 3
load virtio_balloon
for i in $(seq 60); do
	free=$(awk '/MemFree/ { print int($2 / 1024) }' /proc/meminfo)
	[ "$free" -lt 250 ] && break
	sleep 1
done
mark "free $free"
[ "$free" -lt 250 ] && mark inflated
sleep 600
END
)
vm_start -k "$GUESTS/$GUEST/bzImage" -i "$initrd" -m 512 -p quiet --balloon target=200M
check "the guest fills its memory" vm_expect "guest: filled" 120
full=$(ram_mib)
check "the guest's free memory shrinks" vm_expect "guest: inflated" 90
check "the balloon's pages are the host's again" ram_below $((full - 150)) 60
note "guest RAM in use: $full MiB, then $(ram_mib) MiB; in the guest: $(grep -aF 'guest: free' "$VM_CONSOLE" | tr -d '\r')"
vm_stop
vm_run 20 -k "$GUESTS/$GUEST/bzImage" -m 256 --balloon target=256M
expect_status "a target of all RAM is refused" 64
