# shellcheck shell=bash
# tests/bench/inc/net.sh - figures of a guest's network card on tap0; sourced after lib.sh.
#
#   net_ready [SCRIPT]                 the tap, its server, KERNEL and INITRD, whose guest runs SCRIPT at the end, and only
#                                      that where the command line has maps=
#   net_measure NAME                   runs VMM and takes its figures into the lists NAME_ping (ns), NAME_send and NAME_recv (KiB/s)
#   net_rows SUFFIX US PEER TIME RATE  prints them; TIME and RATE say what is wanted, if anything

MIB=${BENCH_NET_MIB:-16}

net_ready()
{
	KERNEL=$GUESTS/rig/bzImage
	INITRD=$(guest_initrd rig meter="$METER" <<X
ip addr add 10.9.0.2/24 dev eth0 && ip link set eth0 up
if ! grep -q maps= /proc/cmdline; then
/meter ping 10.9.0.1 20 >/dev/null
mark "ping \$(/meter ping 10.9.0.1 200 | sed 's/ping //') ns"
/meter send 10.9.0.1 7000 1 >/dev/null
mark "send \$(/meter send 10.9.0.1 7000 $MIB | sed 's/send //') KiB/s"
mark "recv \$(/meter recv 10.9.0.1 7000 $MIB | sed 's/recv //') KiB/s"
fi
${1:-}
X
	)
	ip tuntap add tap0 mode tap
	ip addr add 10.9.0.1/24 dev tap0
	ip link set tap0 up
	"$METER" serve 7000 &
	trap 'vm_stop; kill '$!'; ip tuntap del tap0 mode tap; rm -rf "$TMP"' EXIT
}

net_measure()
{
	local what
	vmm_run 180
	for what in ping send recv; do
		[ -n "$(said $what)" ] || vmm_failed
		printf -v "$1_$what" '%s' "$(eval echo "\${$1_$what:-}") $(said $what)"
	done
}

net_rows()
{
	local list
	list() { eval echo "\$$1"; }
	row "ping$1" us "$(for v in $(list "$2_ping"); do echo $((v / 1000)); done)" "$(for v in $(list "$3_ping"); do echo $((v / 1000)); done)" "${4:-}"
	row "bulk data out of the guest$1" KiB/s "$(list "$2_send")" "$(list "$3_send")" "${5:-}"
	row "bulk data into the guest$1" KiB/s "$(list "$2_recv")" "$(list "$3_recv")" "${5:-}"
}
