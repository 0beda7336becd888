#!/bin/bash
# rig: level=stock mem=3G guests=rig timeout=300
# What Linux makes of the disk and the entropy device: queues, cache, discard, a disk that is cut, io_uring forbidden.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"

k=$GUESTS/rig/bzImage

# Four writers at once to a quarter each, read back cold; what the kernel sees; the host's view is compared afterwards.
initrd=$(guest_script rig <<'END'
q=/sys/block/vda
mark "queues $(ls $q/mq | wc -l) sectors $(cat $q/size) serial $(cat $q/serial)"
mark "blocks $(cat $q/queue/logical_block_size) $(cat $q/queue/physical_block_size) cache $(cat $q/cache_type)"
mark "discard $(cat $q/queue/discard_max_bytes) zeroes $(cat $q/queue/write_zeroes_max_bytes)"
dd if=/dev/urandom of=/quarter bs=64k count=64 2>/dev/null
for i in 0 1 2 3; do dd if=/quarter of=/dev/vda bs=4k seek=$((i * 1024)) conv=fsync 2>/dev/null & done
wait
echo 3 >/proc/sys/vm/drop_caches
want=$(md5sum </quarter)
for i in 0 1 2 3; do
	[ "$(dd if=/dev/vda bs=4k skip=$((i * 1024)) count=1024 2>/dev/null | md5sum)" = "$want" ] && mark "quarter $i equal"
done
echo "write through" >$q/cache_type
mark "now $(cat $q/cache_type)"
dd if=/quarter of=/dev/vda bs=4k conv=fsync 2>/dev/null && mark "written through"
blkdiscard -o 4194304 -l 8388608 /dev/vda && mark "discarded"
echo 3 >/proc/sys/vm/drop_caches
cmp -n 4194304 /dev/zero /dev/vda 0 6291456 && mark "reads zero"
mark "random $(dd if=/dev/hwrng bs=512 count=8 iflag=fullblock 2>/dev/null | md5sum | cut -c1-32) bytes $(dd if=/dev/hwrng bs=512 count=8 iflag=fullblock 2>/dev/null | wc -c)"
END
)
disk=$(disk_image 16M)
vm_run 120 -k "$k" -i "$initrd" -m 128 -c 2 -p quiet -d "$disk,id=serial-7"
expect_console "a queue per CPU, the size, the id as serial number" "queues 2 sectors 32768 serial serial-7"
expect_console "512-byte sectors in 4 KiB blocks, write back" "blocks 512 4096 cache write back"
for i in 0 1 2 3; do expect_console "writer $i reads back what it wrote" "quarter $i equal"; done
expect_console "the cache can be switched off" "now write through"
expect_console "and the disk written then" "written through"
expect_console "discard is taken" "discarded"
expect_console "and reads zero" "reads zero"
check "the host's file has the hole" test "$(du -k "$disk" | cut -f1)" -le 9000
expect_console "entropy arrives" "bytes 4096"
expect_status "poweroff is status 0" 0
expect_quiet "nidus has nothing to say"

# Read only; who wants to write must wait.
initrd=$(guest_script rig <<'END'
mark "ro $(cat /sys/block/vda/ro)"
dd if=/dev/zero of=/dev/vda count=1 2>/dev/null || mark "write refused"
mark "sum $(md5sum </dev/vda | cut -c1-32)"
END
)
before=$(md5sum <"$disk" | cut -c1-32)
vm_start -k "$k" -i "$initrd" -m 128 -p quiet -d "$disk,ro"
vm_expect "guest: up" 50
status=0
"$NIDUS" run -k "$k" -m 128 -d "$disk" </dev/null >/dev/null 2>&1 || status=$?
check "a writer is refused while another VM reads" test $status = 65
vm_wait 50
expect_console "the guest sees a read-only disk" "ro 1"
expect_console "and cannot write it" "write refused"
expect_console "the guest reads what the host has" "sum $before"

# The image shrinks under the guest, and another's disk is full: I/O errors there, and nothing else.
initrd=$(guest_script rig <<'END'
mark "waiting"
while dd if=/dev/vda of=/dev/null bs=4k skip=4000 count=1 2>/dev/null; do
	sleep 0.2
	echo 3 >/proc/sys/vm/drop_caches
done
mark "end is gone"
dd if=/dev/vda of=/dev/null bs=4k count=1 2>/dev/null && mark "start is there"
dd if=/dev/zero of=/dev/vdb bs=64k count=128 conv=fsync 2>/dev/null || mark "full is an error"
echo 3 >/proc/sys/vm/drop_caches
dd if=/dev/vdb of=/dev/null bs=64k 2>/dev/null && mark "full is read"
dd if=/dev/zero of=/dev/vdb bs=64k count=1 conv=fsync 2>/dev/null && mark "what is there is written"
END
)
mkdir "$TMP/small"
mount -t tmpfs -o size=1M none "$TMP/small"
truncate -s 8M "$TMP/small/disk"
vm_start -k "$k" -i "$initrd" -m 128 -p quiet -d "$disk" -d "$TMP/small/disk"
vm_expect "guest: waiting" 50
truncate -s 1M "$disk"
vm_wait 50
expect_console "reading what was cut off is an I/O error" "end is gone"
expect_console "the rest is still served" "start is there"
expect_console "writing where the host's disk is full is an I/O error" "full is an error"
expect_console "reading it is not" "full is read"
expect_console "nor writing to what it has already" "what is there is written"
expect_status "and the guest ends as ever" 0
umount "$TMP/small"

# Without io_uring.
if [ -e /proc/sys/kernel/io_uring_disabled ]; then
	initrd=$(guest_script rig <<'END'
disk_write /dev/vda
END
	)
	echo 2 >/proc/sys/kernel/io_uring_disabled
	disk=$(disk_image 32M ext4)
	vm_run 60 -k "$k" -i "$initrd" -m 128 -c 2 -p quiet -d "$disk" -d "$(disk_image 1M)"
	echo 0 >/proc/sys/kernel/io_uring_disabled
	expect_console "without io_uring a file system works" "disk sum equal"
	expect_status "and poweroff is status 0" 0
	expect_stderr "nidus says that it uses a thread" 'io_uring is not available'
	check "once, for two disks" test "$(wc -l <"$VM_STDERR")" = 1
	clean_disk "without io_uring" "$disk"
else
	skip "without io_uring" "this kernel has no io_uring_disabled"
fi
