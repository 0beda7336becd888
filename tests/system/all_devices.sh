#!/bin/bash
# rig: level=stock mem=3G guests=6.1-generic,6.12-generic,7-generic timeout=420
# Stock kernels with every virtio device at once, several queues each; all of them do something, and no driver complains.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/sock.sh"

ANY=4294967295

# everything GUEST
everything()
{
	local g=$1 initrd disk sock tcp vsock
	sock=$(host_sock "$g")
	disk=$(disk_image 64M ext4)
	initrd=$(guest_script "$g" <<'END'
load virtio_console virtio_net vmw_vsock_virtio_transport virtio_balloon
mark "queues $(ls /sys/block/vda/mq | wc -l) $(ls -d /sys/class/net/eth0/queues/rx-* | wc -l) read only $(cat /sys/block/vdb/ro)"
disk_write /dev/vda
ip addr add 10.9.0.2/24 dev eth0 && ip link set eth0 up
ping -c 3 -W 5 10.9.0.1 >/dev/null && mark "ping ok"
mark "tcp $(sock pump tcp:10.9.0.1:7001 1024)"
mark "vsock $(sock pump vsock:2:7001 1024)"
mark "entropy $(dd if=/dev/hwrng bs=512 count=8 iflag=fullblock 2>/dev/null | wc -c) from $(cat /sys/class/misc/hw_random/rng_current)"
# pages; the driver works in the background
for i in $(seq 60); do
	pages=$(awk '$1 == "balloon_inflate" { print $2 }' /proc/vmstat)
	[ "$pages" -ge 8192 ] && mark "ballooned" && break
	sleep 1
done
mark "consoles $(sed 's/ .*//' /proc/consoles | tr '\n' ' ')end"
say_machine
END
	)
	ip tuntap add tap0 mode tap multi_queue
	ip addr add 10.9.0.1/24 dev tap0
	ip link set tap0 up
	"$sock" echo tcp:0.0.0.0:7001 1 >/dev/null 2>&1 &
	tcp=$!
	"$sock" echo "vsock:$ANY:7001" 1 >/dev/null 2>&1 &
	vsock=$!
	vm_run 130 -k "$GUESTS/$g/bzImage" -i "$initrd" -m 384 -c 2 -p quiet -d "$disk,queues=2" -d "$(disk_image 1M),ro" \
		-n tap=tap0,queues=2 --vsock cid=42 --balloon target=32M --rng on --console hvc:stdio
	kill $tcp $vsock 2>/dev/null
	ip tuntap del tap0 mode tap multi_queue
	expect_status "$g: the guest powers off" 0
	expect_quiet "$g: nidus has nothing to say"
	no_complaint "$g"
	expect_console "$g: a disk and a card with two queues each, a second disk read-only" "queues 2 2 read only 1"
	expect_console "$g: the disk" "disk sum equal"
	expect_console "$g: ping" "guest: ping ok"
	expect_console "$g: TCP" "tcp sock: 1024 KiB"
	expect_console "$g: vsock" "vsock sock: 1024 KiB"
	expect_console "$g: entropy" "entropy 4096 from virtio_rng"
	expect_console "$g: the balloon takes its 8192 pages" "guest: ballooned"
	expect_console "$g: the console is hvc0" "consoles hvc0"
	clean_disk "$g" "$disk"
}

everything 6.1-generic
everything 6.12-generic
everything 7-generic
