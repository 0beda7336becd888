#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=rig qemu=-drive qemu=if=none,id=n0,driver=null-co,size=268435456,read-zeroes=on,snapshot=on qemu=-device qemu=nvme,serial=n,drive=n0 qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=pcie-pci-bridge,id=pb qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-device qemu=e1000e,mac=52:54:00:00:00:04,bus=pb,addr=1 qemu=-device qemu=edu,bus=pb,addr=2 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on timeout=900
# An NVMe controller behind the VT-d unit: the guest's own first-stage tables, walked by the host's IOMMU. Lazy, strict and pass-through,
# reboot in place, a disk behind the software unit beside it, kexec into a kernel without scalable mode and back, SIGKILL under load.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"

k=$GUESTS/rig/bzImage
bdf=$(find_function 1b36:0010)
"$NIDUS" bind "$bdf"

# What the unit NAME counted, from the report.
counted() { awk -v unit="\"viommu-$1\"" -v key="\"$2\":" '$1 == unit ":" { on = 1 } on && $1 == key { print $2 + 0; exit }' "$TMP/report"; }

io='
nvme_io()
{
	dd if=/dev/urandom of=/tmp/d bs=1M count=$1 2>/dev/null
	dd if=/tmp/d of=/dev/nvme0n1 bs=1M seek=1 oflag=direct 2>/dev/null
	echo 3 >/proc/sys/vm/drop_caches
	if [ "$(dd if=/dev/nvme0n1 bs=1M skip=1 count=$1 2>/dev/null | md5sum)" = "$(md5sum </tmp/d)" ]; then mark "$2: equal"; else mark "$2: differs"; fi
	rm /tmp/d
}
'
{ echo "$io"; cat <<'END'
say_machine
mark "domain $(cat /sys/bus/pci/devices/0000:01:00.0/iommu_group/type)"
nvme_io 64 "boot $(cat /proc/sys/kernel/random/boot_id | cut -c1-4)"
if [ "$(dd if=/dev/nvme0n1 bs=5 count=1 2>/dev/null)" != again ]; then
	printf again | dd of=/dev/nvme0n1 conv=notrunc 2>/dev/null
	sync
	reboot -f
fi
dd if=/dev/zero of=/dev/nvme0n1 bs=512 count=1 conv=notrunc 2>/dev/null
sync
END
} >"$TMP/script"
initrd=$(guest_script rig <"$TMP/script")

modes=("DMA-FQ:" "DMA:iommu.strict=1" "identity:iommu=pt")
for m in "${modes[@]}"; do
	vm_run 240 -k "$k" -i "$initrd" -c 2 -m 256 --vfio "$bdf" --viommu vtd --on-reboot reset --report "$TMP/report" -p "${m#*:}"
	expect_console "${m%%:*}: the domain's type" "guest: domain ${m%%:*}"
	check "${m%%:*}: 64 MiB are equal, before and after a reboot in place" [ "$(grep -c 'guest: boot ....: equal' "$VM_CONSOLE")" = 2 ]
	no_complaint "${m%%:*}"
	expect_status "${m%%:*}: the end" 0
	expect_quiet "${m%%:*}: nidus has nothing to say"
	check "${m%%:*}: no fault" [ "$(counted dmar0 faults)" = 0 ]
	check "${m%%:*}: attached" [ "$(counted dmar0 attaches)" -ge 2 ]
	expect_clean "${m%%:*}" "$bdf"
done

{ echo "$io"; cat <<'END'
disk_write /dev/vda &
nvme_io 64 "beside a disk"
wait
END
} >"$TMP/script"
initrd=$(guest_script rig <"$TMP/script")
disk=$(disk_image 64M ext4)
vm_run 240 -k "$k" -i "$initrd" -c 2 -m 256 --vfio "$bdf" -d "$disk,viommu=on" --viommu vtd --report "$TMP/report" -p "iommu.strict=1"
expect_console "NVMe beside a disk behind the software unit" "guest: beside a disk: equal"
expect_console "and the disk" "guest: disk sum equal"
expect_status "both: the end" 0
check "both units have worked" [ "$(counted own attaches)" -ge 1 -a "$(counted dmar0 attaches)" -ge 1 ]

{ echo "$io"; cat <<'END'
stage=$(sed 's/.*stage=\(.\).*/\1/' /proc/cmdline)
dmesg | grep -q 'Cannot get a valid agaw' && mark "stage $stage: the unit is ignored"
nvme_io 16 "stage $stage, $(cat /sys/bus/pci/devices/0000:01:00.0/iommu_group/type 2>/dev/null || echo none)"
case $stage in
1) kexecfile /bzImage /next "console=ttyS0 panic=-1 reboot=panic_warm stage=2 intel_iommu=sm_off" ;;
2) kexecfile /bzImage /next "console=ttyS0 panic=-1 reboot=panic_warm stage=3" ;;
esac
END
} >"$TMP/script"
third=$(guest_script rig <"$TMP/script")
cat "$(dirname "$0")/inc/guest.sh" "$TMP/script" >"$TMP/all"
second=$(guest_initrd rig bzImage="$k" next="$third" <"$TMP/all")
first=$(guest_initrd rig bzImage="$k" next="$second" <"$TMP/all")
vm_run 300 -k "$k" -i "$first" -m 640 --vfio "$bdf" --viommu vtd --report "$TMP/report" -p "stage=1"
expect_console "first kernel: translated" "guest: stage 1, DMA-FQ: equal"
expect_console "sm_off: the unit is ignored" "guest: stage 2: the unit is ignored"
expect_console "sm_off: pass-through" "guest: stage 2, none: equal"
expect_console "third kernel: translated again" "guest: stage 3, DMA-FQ: equal"
expect_status "kexec: the end" 0
expect_clean "kexec" "$bdf"

initrd=$(guest_script rig <<'END'
mark ready
dd if=/dev/urandom of=/dev/nvme0n1 bs=1M count=1000 2>/dev/null
END
)
for i in $(seq "${KILLS:-3}"); do
	vm_start -k "$k" -i "$initrd" -m 128 --vfio "$bdf" --viommu vtd
	check "start $i" vm_expect "guest: ready" 120
	sleep 1
	vm_signal KILL
	vm_wait 20
	expect_clean "after kill $i" "$bdf"
done
"$NIDUS" unbind "$bdf"
