#!/bin/bash
# rig: level=stock mem=3G guests=7-cloud timeout=240 soak=only
# In make soak only: a limit within 5 % is a measurement, for a machine with nothing else to do.
# Rate limits of a disk and a NIC are held within 5 %. The limits are low enough for a guest that an emulated host runs slowly.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/sock.sh"

GUEST=7-cloud

# within NAME GOT WANT
within() { check "$1: $2, limit $3" [ $(($2 * 100)) -ge $(($3 * 95)) -a $(($2 * 100)) -le $(($3 * 105)) ]; }

sock=$(host_sock $GUEST)
initrd=$(guest_script $GUEST <<'END'
load virtio_net
now() { read -r up _ </proc/uptime; echo "${up%.*}${up#*.}"; }
# per_second DEVICE FIELD BLOCK: of /sys/block/DEVICE/stat, while it is read; the beginning does not count
stat() { awk "{ print \$$2 }" "/sys/block/$1/stat"; }
per_second()
{
	dd if="/dev/$1" of=/dev/null bs="$3" iflag=direct 2>/dev/null &
	sleep 3
	a=$(stat "$1" "$2") t=$(now)
	sleep 15
	b=$(stat "$1" "$2") t=$(($(now) - t))
	kill $!
	echo $(((b - a) * 100 / t))
}
mark "sectors $(per_second vda 3 16k) end"
mark "requests $(per_second vdb 1 4k) end"
ip addr add 10.9.0.2/24 dev eth0 && ip link set eth0 up
mark netready
sock pump tcp:10.9.0.1:7002 1000000
END
)
said() { grep -aoE "guest: $1 [0-9]+ end" "$VM_CONSOLE" | awk '{ print $3 }'; }

vm_start -k "$GUESTS/$GUEST/bzImage" -i "$initrd" -m 192 -p quiet -d "$(disk_image 64M),bps=512K" -d "$(disk_image 64M),iops=40" -n tap=tap0,bps=512K
for _ in $(seq 100); do [ -e /sys/class/net/tap0 ] && break; sleep 0.1; done
ip addr add 10.9.0.1/24 dev tap0
"$sock" echo tcp:0.0.0.0:7002 1 >/dev/null 2>&1 &
check "the guest measured its disks" vm_expect "guest: netready" 150
within "disk, bytes per second" "$(($(said sectors) * 512))" 524288
within "disk, requests per second" "$(said requests)" 40
rx=/sys/class/net/tap0/statistics/rx_bytes
for _ in $(seq 600); do [ "$(cat $rx)" -gt 300000 ] && break; sleep 0.1; done
a=$(cat $rx) t=$(t_now)
sleep 15
b=$(cat $rx) t=$(($(t_now) - t))
within "NIC, bytes per second" $(((b - a) * 10 / t)) 524288
vm_stop
