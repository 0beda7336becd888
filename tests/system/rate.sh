#!/bin/bash
# rig: level=stock mem=3G guests=7-cloud timeout=300 soak=only
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
for i in 0 1; do ip addr add 10.9.$i.2/24 dev eth$i; ip link set eth$i up; done
# Data goes one way at a time: what comes back of an echo would be the limit for what goes out, with its own overhead.
sock sink tcp:0.0.0.0:7000 9 &
mark netready
for i in 0 1; do
	sock push tcp:10.9.$i.1:7002 1000000 & out=$!
	mark "out $i"
	read -r _
	kill $out
	mark "in $i"
	read -r _
done
END
)
said() { grep -aoE "guest: $1 [0-9]+ end" "$VM_CONSOLE" | awk '{ print $3 }'; }

# The guest waits for lines on its console.
mkfifo "$TMP/keys"
exec 7<>"$TMP/keys"
"$NIDUS" run -k "$GUESTS/$GUEST/bzImage" -i "$initrd" -m 256 -p quiet -d "$(disk_image 64M),bps=512K" -d "$(disk_image 64M),iops=40" \
	-n tap=tap0,bps=512K -n tap=tap1,pps=30 <"$TMP/keys" >"$VM_CONSOLE" 2>"$VM_STDERR" &
VM_PID=$!
for i in 0 1; do
	for _ in $(seq 100); do [ -e /sys/class/net/tap$i ] && break; sleep 0.1; done
	ip addr add 10.9.$i.1/24 dev tap$i
done
"$sock" sink tcp:0.0.0.0:7002 9 >/dev/null 2>&1 &
check "the guest measured its disks" vm_expect "guest: netready" 150
within "disk, bytes per second" "$(($(said sectors) * 512))" 524288
within "disk, requests per second" "$(said requests)" 40

# flows COUNTER LIMIT NAME: per second over 15 seconds, once the beginning is over. A frame that the guest sends is one that the tap receives.
flows()
{
	local counter=/sys/class/net/$1 a b t
	a=$(cat "$counter")
	for _ in $(seq 600); do [ $(($(cat "$counter") - a)) -gt $(($2 * 2)) ] && break; sleep 0.1; done
	a=$(cat "$counter") t=$(t_now)
	sleep 15
	b=$(cat "$counter") t=$(($(t_now) - t))
	within "$3" $(((b - a) * 10 / t)) "$2"
}
for i in 0 1; do
	what=bytes limit=524288
	[ $i = 0 ] || { what=packets limit=30; }
	check "the guest sends" vm_expect "guest: out $i" 30
	flows "tap$i/statistics/rx_$what" $limit "NIC, $what per second from the guest"
	echo >&7
	check "the guest listens" vm_expect "guest: in $i" 30
	"$sock" push tcp:10.9.$i.2:7000 1000000 >/dev/null 2>&1 &
	push=$!
	flows "tap$i/statistics/tx_$what" $limit "NIC, $what per second to the guest"
	kill $push
	echo >&7
done
vm_stop
