#!/bin/bash
# rig: level=stock mem=3G guests=7-cloud timeout=240
# vsock by the host's kernel and by Unix sockets: bulk data both ways, from either side; half-closed connections; the socket file.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/sock.sh"

GUEST=7-cloud
KIB=$((NET_MIB * 1024))
ANY=4294967295
sock=$(host_sock $GUEST)

initrd=$(guest_script $GUEST <<END
load vmw_vsock_virtio_transport
sock echo vsock:$ANY:7000 2 &
echo=\$!
mark "out \$(sock pump vsock:2:7001 $KIB)"
mark "refused \$(sock pump vsock:2:7777 1)"
mark ready
wait \$echo
mark served
complaints "\$QUIET" | while read -r line; do mark "complaint: \$line"; done
END
)

# try NAME HOST_LISTEN HOST_CONNECT VSOCK_OPTION
try()
{
	rm -f "$TMP"/in
	"$sock" echo "$2" 1 >"$TMP/echo" 2>&1 &
	local echo=$!
	vm_start -k "$GUESTS/$GUEST/bzImage" -i "$initrd" -m 192 -p quiet --vsock "$4"
	check "$1: the guest did its part" vm_expect "guest: ready" 120
	for _ in 1 2; do "$sock" pump "$3" "$KIB" >>"$TMP/in" 2>&1; done
	vm_wait 60
	kill "$echo" 2>/dev/null
	expect_status "$1: the guest powers off" 0
	expect_console "$1: bulk data from the guest and back" "guest: out sock: $KIB KiB"
	expect_console "$1: nobody listens: refused" "guest: refused sock: connect: Connection reset"
	expect_console "$1: connections from the host" "guest: served"
	check "$1: bulk data from the host and back" [ "$(grep -c "sock: $KIB KiB" "$TMP/in")" = 2 ]
	expect_quiet "$1: no message"
	no_complaint "$1"
	note "$(grep -aF 'guest: out' "$VM_CONSOLE" | tr -d '\r'); from the host: $(tail -n 1 "$TMP/in")"
}

try "vhost" "vsock:$ANY:7001" vsock:42:7000 cid=42
try "uds" "unix:$TMP/v_7001" "hybrid:$TMP/v:7000" "cid=43,uds=$TMP/v"
check "the socket file is gone" [ ! -e "$TMP/v" ]
: >"$TMP/plain"
vm_run 20 -k "$GUESTS/$GUEST/bzImage" --vsock "cid=43,uds=$TMP/plain"
expect_status "a path that is no socket is refused" 65
check "and left alone" [ -f "$TMP/plain" ]
