#!/bin/bash
# rig: level=nest nest=off mem=2G guests=rig qemu=-device qemu=edu timeout=60
# Invalidation of a buffer under a disk that stands still: its image is on a file system that is frozen while the guest's write is under way. The
# bare-metal guest vtd_stall finds that its invalidation's wait does not complete, that its other CPU runs on, and that the write is whole.
. "$(dirname "$0")/lib.sh"

guest=$(dirname "$0")/../../build/x86_64/guests/vtd_stall
mkdir "$TMP/fs"
fs=$(disk_image 16M ext4)
# In two steps: mount itself would keep the device open for writing, which kernels may refuse.
loop=$(losetup -f --show "$fs")
mount "$loop" "$TMP/fs"
truncate -s 1M "$TMP/fs/disk"
sync

# stall NAME OPTION...
stall()
{
	local name=$1
	shift
	fsfreeze -f "$TMP/fs"
	vm_start -k "$guest" -m 64 -c 2 --viommu vtd -d "$TMP/fs/disk,viommu=on" "$@"
	check "$name: the wait is not over while the disk stands still" vm_expect stalled 60
	# Longer than anything takes that does not wait for the disk.
	check "$name: nor a while later" [ "$(sleep 2; grep -c over "$VM_CONSOLE")" = 0 ]
	fsfreeze -u "$TMP/fs"
	vm_wait 30
	expect_console "$name: it is over with the disk's write" "over"
	expect_console "$name: the write is whole" "PASS vtd_stall"
	expect_status "$name: the end" 0
}

stall io_uring
expect_quiet "io_uring: no message"
echo 2 >/proc/sys/kernel/io_uring_disabled
stall "a thread"
expect_stderr "a thread serves where io_uring is forbidden" "using a thread"
echo 0 >/proc/sys/kernel/io_uring_disabled
umount "$TMP/fs"
losetup -d "$loop"
