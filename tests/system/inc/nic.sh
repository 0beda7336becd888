# shellcheck shell=bash
# tests/system/inc/nic.sh - assigned network cards: ping, and bulk data to a card of the host and back, compared; sourced after vfio.sh and sock.sh.

own_card 52:54:00:00:00:02
KIB=$((NET_MIB * 1024))
sock=$(host_sock rig)

# nic_initrd GUEST: with the word `twice` on its command line it does everything again after a reboot in place
nic_initrd()
{
	guest_script "$1" <<END
load e1000 igb igbvf
say_machine
i=0
while [ ! -d /sys/class/net/eth0 ] && [ \$i -lt 60 ]; do sleep 1; i=\$((i + 1)); done
ip link set eth0 up
ip addr add 10.9.0.2/24 dev eth0
while [ "\$(cat /sys/class/net/eth0/carrier)" != 1 ] && [ \$i -lt 60 ]; do sleep 1; i=\$((i + 1)); done
ping -c 3 -W 5 10.9.0.1 >/dev/null && mark "ping ok"
grep -E 'eth0|virtio' /proc/interrupts | while read -r line; do mark "irq \$line"; done
mark "bulk \$(sock pump tcp:10.9.0.1:7001 $KIB)"
mark "bad sums \$(awk '/^Tcp:/ { v = \$NF } END { print v }' /proc/net/snmp)"
mark "domain \$(cat /sys/class/net/eth0/device/iommu_group/type 2>/dev/null || echo none)"
f=/sys/class/net/eth0/device/rom
[ -f \$f ] && echo 1 >\$f && mark "rom \$(md5sum <\$f)"
grep -qw twice /proc/cmdline || exit 0
# The disk tells the second boot from the first.
[ -z "\$(dd if=/dev/vda bs=4 count=1 2>/dev/null | tr -d '\\0')" ] || exit 0
echo again >/dev/vda
sync
reboot -f
END
}

# nic_run NAME BDF GUEST BOOTS APPEND [OPTION...]: the guest's initrd is $TMP/initrd-GUEST, as a path in a file
nic_run()
{
	local name=$1 bdf=$2 guest=$3 boots=$4 append=$5
	shift 5
	# A server of its own: one that waits for a guest that is gone serves nobody.
	"$sock" echo tcp:0.0.0.0:7001 5 >"$TMP/echo" 2>&1 &
	local echo=$!
	vm_run $((360 + 10 * NET_MIB)) -k "$GUESTS/$guest/bzImage" -i "$(cat "$TMP/initrd-$guest")" -m 320 --rng off -p "quiet $append" "$@"
	kill $echo 2>/dev/null
	note "$name: $(sed -n 's/.*guest: bulk sock: //p' "$VM_CONSOLE" | tr '\r\n' ' ;')"
	check "$name: ping" [ "$(grep -c 'guest: ping ok' "$VM_CONSOLE")" = "$boots" ]
	check "$name: $NET_MIB MiB there and back are equal" [ "$(grep -c "guest: bulk sock: $KIB KiB" "$VM_CONSOLE")" = "$boots" ]
	check "$name: no wrong checksum" [ "$(grep -cE 'guest: bad sums 0'$'\r?$' "$VM_CONSOLE")" = "$boots" ]
	no_complaint "$name"
	expect_status "$name: the end" 0
	case $name in
	virtio* | *wired*) expect_stderr "$name: nidus says that it cannot be reset" "no function level reset" ;;
	*) expect_quiet "$name: nidus has nothing to say" ;;
	esac
	expect_clean "$name" "$bdf"
}
