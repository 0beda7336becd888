#!/bin/bash
# rig: level=stock mem=3G guests=7-generic timeout=300
# Suspend and resume with disks and a NIC behind the software VT-d unit. In hibernation Linux flushes and turns the unit off, saves its registers, and
# afterwards brings queue, root, translation and fault interrupt back; in suspend to idle only devices stop. Done: Linux's own tests of both
# (suspend to devices and platform, hibernation to the core and back), an image written through the unit and taken up again by the same kernel, and
# one that a new VM takes up, whose unit knows nothing. Data is right before and after each.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/sock.sh"

GUEST=7-generic
disk=$(disk_image 64M ext4)
swap=$(disk_image 512M)
mkswap "$swap" >/dev/null 2>&1
sock=$(host_sock $GUEST)
ip tuntap add tap0 mode tap
ip addr add 10.9.0.1/24 dev tap0
"$sock" echo tcp:0.0.0.0:7001 9 >"$TMP/echo" 2>&1 &
server=$!

initrd=$(guest_script $GUEST <<'END'
load virtio_net
ip addr add 10.9.0.2/24 dev eth0 && ip link set eth0 up
io()
{
	disk_write /dev/vda 4 "$1: disk"
	mark "$1: $(sock pump tcp:10.9.0.1:7001 512 2>&1)"
}
# A kernel that finds an image here does not come back.
cat /sys/block/vdb/dev >/sys/power/resume
mark "first boot: type $(cat /sys/block/vda/device/../iommu_group/type)"
io "first boot"
swapon /dev/vdb
echo 0 >/sys/power/image_size
# sleeps NAME STATE PM_TEST [DISK]
sleeps()
{
	[ -z "$4" ] || echo "$4" >/sys/power/disk
	echo "$3" >/sys/power/pm_test
	if echo "$2" >/sys/power/state; then mark "$1: came back"; else mark "$1: refused"; fi
	io "$1"
}
sleeps devices freeze devices
sleeps platform freeze platform
sleeps core disk core shutdown
sleeps image disk none test_resume
sleeps "new VM" disk none shutdown
mark "faults $(dmesg | grep -c 'DMAR:.*fault\|DRHD: handling fault')"
END
)
boot()
{
	vm_run 150 -k "$GUESTS/$GUEST/bzImage" -i "$initrd" -p "quiet intel_iommu=on" -m 256 --viommu vtd -d "$disk,viommu=on" -d "$swap,viommu=on" \
		-n tap=tap0,viommu=on
	expect_status "$1: ends well" 0
	expect_quiet "$1: nidus has nothing to say"
}

# slept NAME: data went right after it
slept()
{
	expect_console "$1: comes back" "guest: $1: came back"
	expect_console "$1: the disk's data is right" "guest: $1: disk sum equal"
	expect_console "$1: the network's data is right" "guest: $1: sock: 512 KiB"
}

boot "first VM"
check "first VM: translated" grep -q 'guest: first boot: type DMA' "$VM_CONSOLE"
for name in devices platform core image; do
	slept $name
done
check "first VM: hibernates at the end" sh -c "! grep -q 'guest: new VM: came back' '$VM_CONSOLE'"
boot "new VM"
slept "new VM"
check "new VM: it is the old kernel that goes on" sh -c "! grep -q 'guest: first boot' '$VM_CONSOLE'"
expect_console "no DMA fault in all that time" "guest: faults 0"

kill "$server"
ip tuntap del tap0 mode tap
