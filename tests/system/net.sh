#!/bin/bash
# rig: level=stock mem=3G guests=7-cloud timeout=300
# A NIC over a tap: ping, TCP both ways with bulk data, one queue and four, by vhost and in user space; what happens to the tap.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/sock.sh"

GUEST=7-cloud
KIB=$((NET_MIB * 1024))
sock=$(host_sock $GUEST)

initrd=$(guest_script $GUEST <<END
load virtio_net
ip addr add 10.9.0.2/24 dev eth0 && ip link set eth0 up
mark "channels \$(ls -d /sys/class/net/eth0/queues/rx-* | wc -l) mac \$(cat /sys/class/net/eth0/address)"
ping -c 3 -W 5 10.9.0.1 >/dev/null && mark "ping ok"
sock echo tcp:0.0.0.0:7000 5 &
echo=\$!
sleep 1
mark "bulk out \$(sock pump tcp:10.9.0.1:7001 $KIB)"
many=
for i in 1 2 3 4; do sock pump tcp:10.9.0.1:7001 256 >/tmp/p\$i & many="\$many \$!"; done
wait \$many
mark "parallel \$(cat /tmp/p? | grep -c KiB)"
mark "bad sums \$(awk '/^Tcp:/ { v = \$NF } END { print v }' /proc/net/snmp)"
mark ready
wait \$echo
mark "served"
complaints "\$QUIET" | while read -r line; do mark "complaint: \$line"; done
END
)

# try NAME PATTERN_OF_CHANNELS NET_OPTION [VM_OPTION...]
try()
{
	local name=$1 channels=$2 net=$3
	shift 3
	vm_start -k "$GUESTS/$GUEST/bzImage" -i "$initrd" -m 192 -p quiet -n "$net" "$@"
	for _ in $(seq 100); do [ -e /sys/class/net/tap0 ] && break; sleep 0.1; done
	ip addr add 10.9.0.1/24 dev tap0 2>/dev/null
	ip link set tap0 up
	"$sock" echo tcp:0.0.0.0:7001 5 >"$TMP/echo" 2>&1 &
	local echo=$!
	check "$name: the guest did its part" vm_expect "guest: ready" $((120 + 8 * NET_MIB))
	for i in 1 2 3 4 5; do "$sock" pump tcp:10.9.0.2:7000 "$KIB" >>"$TMP/in" 2>&1; done
	vm_wait 60
	kill "$echo" 2>/dev/null
	expect_status "$name: the guest powers off" 0
	expect_console "$name: queue pairs" "channels $channels "
	expect_console "$name: ping" "guest: ping ok"
	expect_console "$name: bulk data from the guest and back" "bulk out sock: $KIB KiB"
	expect_console "$name: four connections at once" "guest: parallel 4"
	expect_console "$name: no wrong checksum" "guest: bad sums 0"
	expect_console "$name: connections from the host" "guest: served"
	check "$name: bulk data from the host and back" [ "$(grep -c "sock: $KIB KiB" "$TMP/in")" = 5 ]
	no_complaint "$name"
	note "$(grep -aF 'bulk out' "$VM_CONSOLE" | tr -d '\r'); from the host: $(tail -n 1 "$TMP/in")"
	rm -f "$TMP/in"
}

try "vhost, one queue" 1 tap=tap0
expect_quiet "vhost: no message"
check "a tap that nidus made is gone" [ ! -e /sys/class/net/tap0 ]

ip tuntap add tap0 mode tap multi_queue
try "vhost, four queues" 4 tap=tap0,queues=4,mac=02:00:00:00:aa:01 -c 4
expect_console "the MAC is the one given" "mac 02:00:00:00:aa:01"
check "a tap that was there stays" [ -e /sys/class/net/tap0 ]
check "and is down again" [ "$(($(cat /sys/class/net/tap0/flags) & 1))" = 0 ]
ip tuntap del tap0 mode tap multi_queue

try "user space" 1 tap=tap0,pps=1000000

try "behind the unit" 1 tap=tap0,viommu=on --viommu vtd -p "quiet intel_iommu=on"
expect_quiet "behind the unit: no message"
