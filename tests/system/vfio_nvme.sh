#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=rig qemu=-drive qemu=if=none,id=n0,driver=null-co,size=268435456,read-zeroes=on,snapshot=on qemu=-device qemu=nvme,serial=n,drive=n0 qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=pcie-pci-bridge,id=pb qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-device qemu=e1000e,mac=52:54:00:00:00:04,bus=pb,addr=1 qemu=-device qemu=edu,bus=pb,addr=2 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on timeout=700
# An NVMe controller assigned: data written and verified, reboot in place, and again; bound and given back.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"

bdf=$(find_function 1b36:0010)
"$NIDUS" run -k "$GUESTS/rig/bzImage" --vfio "$bdf" 2>"$VM_STDERR"
VM_STATUS=$?
expect_status "a function of a host driver is refused" 66
expect_stderr "and what to do is said" "nidus bind $bdf"
check "bind" "$NIDUS" bind "$bdf"
check "bind again" "$NIDUS" bind "$bdf"
check "it is vfio-pci's" [ "$(driver_of "$bdf")" = vfio-pci ]

initrd=$(guest_script rig <<'END'
say_machine
mark "nvme $(cat /sys/block/nvme0n1/size)"
grep -i nvme /proc/interrupts | while read -r line; do mark "$line"; done
if [ -n "$(dd if=/dev/nvme0n1 bs=4 count=1 2>/dev/null | tr -d '\0')" ]; then
	mark "verified $(dd if=/dev/nvme0n1 bs=1M skip=1 count=64 2>/dev/null | md5sum)"
else
	dd if=/dev/urandom of=/tmp/d bs=1M count=64 2>/dev/null
	dd if=/tmp/d of=/dev/nvme0n1 bs=1M seek=1 oflag=direct 2>/dev/null
	echo yes | dd of=/dev/nvme0n1 conv=notrunc 2>/dev/null
	mark "written $(md5sum </tmp/d)"
	sync
	echo 3 >/proc/sys/vm/drop_caches
	mark "read $(dd if=/dev/nvme0n1 bs=1M skip=1 count=64 2>/dev/null | md5sum)"
	reboot -f
fi
END
)
vm_run 400 -k "$GUESTS/rig/bzImage" -i "$initrd" -c 2 -m 256 -p quiet --vfio "$bdf" --on-reboot reset
expect_console "the controller is there" "guest: nvme 524288"
sum=$(sed -n 's/.*guest: written //p' "$VM_CONSOLE" | tr -d '\r')
check "64 MiB were written" [ -n "$sum" ]
expect_console "and read back" "guest: read $sum"
expect_console "and read back after a reboot in place" "guest: verified $sum"
no_complaint nvme
expect_status "the end" 0
expect_quiet "nidus has nothing to say"
expect_clean "after it" "$bdf"

check "unbind" "$NIDUS" unbind "$bdf"
check "unbind again" "$NIDUS" unbind "$bdf"
check "it is nvme's" [ "$(driver_of "$bdf")" = nvme ]
