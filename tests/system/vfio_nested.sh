#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=rig qemu=-drive qemu=if=none,id=n0,driver=null-co,size=268435456,read-zeroes=on,snapshot=on qemu=-device qemu=nvme,serial=n,drive=n0 qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=pcie-pci-bridge,id=pb qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-device qemu=e1000e,mac=52:54:00:00:00:04,bus=pb,addr=1 qemu=-device qemu=edu,bus=pb,addr=2 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on timeout=1500
# An NVMe controller behind the VT-d unit: the guest's own first-stage tables, walked by the host's IOMMU. Lazy, strict and pass-through,
# reboot in place, a disk behind the software unit beside it, kexec into a kernel without scalable mode and back, reboots under load. (VMs that end
# under load: vfio_nested_cycles.sh.)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"

k=$GUESTS/rig/bzImage
bdf=$(find_function 1b36:0010)
mke2fs -q -t ext4 /dev/nvme0n1
"$NIDUS" bind "$bdf"

unit() { counted_in viommu-dmar0 "$1"; }

initrd=$(guest_script rig <<'END'
say_machine
mark "domain $(cat /sys/bus/pci/devices/0000:01:00.0/iommu_group/type)"
twice_booted /dev/nvme0n1 $(sed 's/.*mib=\([0-9]*\).*/\1/' /proc/cmdline)
END
)

# 64 MiB in lazy mode, fewer in the others but for make soak
few=$([ -n "${SOAK:-}" ] && echo 64 || echo 16)
modes=("DMA-FQ:mib=64" "DMA:mib=$few iommu.strict=1" "identity:mib=$few iommu=pt")
for m in "${modes[@]}"; do
	vm_run 400 -k "$k" -i "$initrd" -c 2 -m 256 --vfio "$bdf" --viommu vtd --on-reboot reset --report "$TMP/report" -p "${m#*:}"
	expect_console "${m%%:*}: the domain's type" "guest: domain ${m%%:*}"
	for when in "first boot" "over the reboot" "second boot"; do
		expect_console "${m%%:*}: a file system, $when" "guest: $when sum equal"
	done
	no_complaint "${m%%:*}"
	expect_status "${m%%:*}: the end" 0
	expect_quiet "${m%%:*}: nidus has nothing to say"
	expect_tables "${m%%:*}" "${m%%:*}"
	check "${m%%:*}: memory was mapped once, at the start" [ "$(counted_in iommufd maps)" = 1 ]
	expect_clean "${m%%:*}" "$bdf"
done

# Both at once; strict, so that each request of the disk is an invalidation. Every call to the host must be one that the controller's unit, or
# the start, accounts for: two per table made and dropped, one per group of invalidations.
initrd=$(guest_script rig <<'END'
( for i in 1 2 3 4; do disk_write /dev/vda 8 disk; done ) &
mkdir /nvme
mount -t ext4 /dev/nvme0n1 /nvme
dd if=/dev/urandom of=/nvme/data bs=1M count=64 2>/dev/null
md5sum </nvme/data >/nvme/sum
wait
umount /nvme
disk_verify /dev/nvme0n1 "beside a disk"
END
)
disk=$(disk_image 64M ext4)
vm_run 240 -k "$k" -i "$initrd" -c 2 -m 256 --vfio "$bdf" -d "$disk,viommu=on" --viommu vtd --report "$TMP/report" -p "iommu.strict=1"
expect_console "NVMe beside a disk behind the software unit" "guest: beside a disk sum equal"
check "and the disk" [ "$(grep -c 'guest: disk sum equal' "$VM_CONSOLE")" = 4 ]
expect_status "both: the end" 0
note "disk: $(counted_in viommu-own invalidations) invalidations; NVMe: $(unit invalidations) in $(unit host_calls) calls; all calls: $(counted_in iommufd calls)"
check "the disk's unit was kept busy" [ "$(counted_in viommu-own invalidations)" -ge 200 ]
check "and caused no call to the host" [ "$(counted_in viommu-own host_calls)" = 0 ]
check "all calls to the host are the controller's" [ "$(counted_in iommufd calls)" -le $((12 + $(unit host_calls) + 2 * $(unit attaches))) ]

cat >"$TMP/script" <<'END'
stage=$(sed 's/.*stage=\(.\).*/\1/' /proc/cmdline)
dmesg | grep -q 'Cannot get a valid agaw' && mark "stage $stage: the unit is ignored"
[ $stage = 1 ] || disk_verify /dev/nvme0n1 "stage $stage, the last one's file:"
disk_write /dev/nvme0n1 16 "stage $stage, $(cat /sys/bus/pci/devices/0000:01:00.0/iommu_group/type 2>/dev/null || echo none):"
case $stage in
1) kexecfile /bzImage /next "console=ttyS0 panic=-1 reboot=panic_warm stage=2 intel_iommu=sm_off" ;;
2) kexecfile /bzImage /next "console=ttyS0 panic=-1 reboot=panic_warm stage=3" ;;
esac
END
third=$(guest_script rig <"$TMP/script")
cat "$(dirname "$0")/inc/guest.sh" "$TMP/script" >"$TMP/all"
second=$(guest_initrd rig bzImage="$k" next="$third" <"$TMP/all")
first=$(guest_initrd rig bzImage="$k" next="$second" <"$TMP/all")
vm_run 300 -k "$k" -i "$first" -m 640 --vfio "$bdf" --viommu vtd --report "$TMP/report" -p "stage=1"
expect_console "first kernel: translated" "guest: stage 1, DMA-FQ: sum equal"
expect_console "sm_off: the unit is ignored" "guest: stage 2: the unit is ignored"
expect_console "sm_off: the first kernel's file" "guest: stage 2, the last one's file: sum equal"
expect_console "sm_off: pass-through" "guest: stage 2, none: sum equal"
expect_console "third kernel: translated again" "guest: stage 3, DMA-FQ: sum equal"
expect_console "third kernel: the second one's file" "guest: stage 3, the last one's file: sum equal"
expect_status "kexec: the end" 0
note "attaches $(unit attaches), of these to the parent $(unit pass_through); maps $(counted_in iommufd maps)"
check "kexec: attached to the parent for the kernel that ignores the unit" [ "$(unit pass_through)" -ge 1 ]
check "kexec: to tables for the other two" [ $(($(unit attaches) - $(unit pass_through))) -ge 2 ]
check "kexec: nothing was mapped since the start" [ "$(counted_in iommufd maps)" = 1 ]
check "kexec: no fault" [ "$(unit faults)" = 0 ]
expect_clean "kexec" "$bdf"

# Reboots, then a kill, while the controller writes to memory. What is kept in memory must be what was put there.
initrd=$(guest_script rig <<'END'
dd if=/dev/urandom of=/tmp/canary bs=1M count=24 2>/dev/null
sum=$(md5sum </tmp/canary)
mark ready
( while :; do dd if=/dev/nvme0n1 of=/dev/null bs=1M count=64 iflag=direct 2>/dev/null; done ) &
( while :; do dd if=/dev/zero of=/dev/nvme0n1 bs=1M seek=96 count=64 oflag=direct 2>/dev/null; done ) &
sleep 2
[ "$(md5sum </tmp/canary)" = "$sum" ] && mark intact || mark overwritten
grep -q resets /proc/cmdline && reboot -f
sleep 1000
END
)
resets=$([ -n "${SOAK:-}" ] && echo "$RESETS" || echo 1)
vm_start -k "$k" -i "$initrd" -c 2 -m 192 -p resets --vfio "$bdf" --viommu vtd --on-reboot reset
for i in $(seq $((resets + 1))); do
	until [ "$(grep -c 'guest: intact' "$VM_CONSOLE")" -ge "$i" ] || ! vm_running || grep -q overwritten "$VM_CONSOLE"; do sleep 0.5; done
done
check "memory is intact over $resets reboots under load" [ "$(grep -c 'guest: intact' "$VM_CONSOLE")" = $((resets + 1)) ]
vm_signal KILL
vm_wait 20
expect_clean "after reboots under load and a kill" "$bdf"
check "nothing is pinned" [ "$(awk '/^Mlocked|^Unevictable/ { n += $2 } END { print n + 0 }' /proc/meminfo)" -lt 1024 ]
"$NIDUS" unbind "$bdf"
