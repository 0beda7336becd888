#!/bin/bash
# rig: level=stock mem=3G guests=7-cloud timeout=240
# Rate limits of a disk and a NIC are held within 5 %.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"

GUEST=7-cloud

# within NAME GOT WANT
within() { check "$1: $2, limit $3" [ $(($2 * 100)) -ge $(($3 * 95)) -a $(($2 * 100)) -le $(($3 * 105)) ]; }

initrd=$(guest_script $GUEST <<'END'
load virtio_net
now() { read -r a _ </proc/uptime; echo "${a%.*}${a#*.}"; }
# per_second UNITS COMMAND...
per_second()
{
	units=$1
	shift
	t=$(now)
	"$@" 2>/dev/null
	t=$(($(now) - t))
	echo $((units * 100 / t))
}
mark "bps $(per_second 25165824 dd if=/dev/vda of=/dev/null bs=128k count=192 iflag=direct) end"
mark "iops $(per_second 1500 dd if=/dev/vdb of=/dev/null bs=4k count=1500 iflag=direct) end"
ip addr add 10.9.0.2/24 dev eth0 && ip link set eth0 up
mark netready
for i in $(seq 2000); do cat /modules/*; done | nc 10.9.0.1 7002
END
)
said() { grep -aoE "guest: $1 [0-9]+ end" "$VM_CONSOLE" | awk '{ print $3 }'; }

vm_start -k "$GUESTS/$GUEST/bzImage" -i "$initrd" -m 192 -p quiet -d "$(disk_image 64M),bps=4M" -d "$(disk_image 64M),iops=300" -n tap=tap0,bps=2M
for _ in $(seq 100); do [ -e /sys/class/net/tap0 ] && break; sleep 0.1; done
ip addr add 10.9.0.1/24 dev tap0
busybox nc -l -p 7002 >/dev/null 2>&1 </dev/null &
check "the guest measured its disks" vm_expect "guest: netready" 150
within "disk, bytes per second" "$(said bps)" 4194304
within "disk, requests per second" "$(said iops)" 300
sleep 3
a=$(cat /sys/class/net/tap0/statistics/rx_bytes) t=$(t_now)
sleep 8
b=$(cat /sys/class/net/tap0/statistics/rx_bytes) t=$(($(t_now) - t))
within "NIC, bytes per second" $(((b - a) * 10 / t)) 2097152
vm_stop
