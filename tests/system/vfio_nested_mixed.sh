#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=rig qemu=-drive qemu=if=none,id=n0,driver=null-co,size=268435456,read-zeroes=on,snapshot=on qemu=-device qemu=nvme,serial=n,drive=n0 qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=pcie-pci-bridge,id=pb qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-device qemu=e1000e,mac=52:54:00:00:00:04,bus=pb,addr=1 qemu=-device qemu=edu,bus=pb,addr=2 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on timeout=200
# Several devices in one VM with --viommu auto: two assigned ones share the unit of their host's IOMMU, a third one stays outside by viommu=off, and a
# disk is behind the software unit. Each works, and each has the domain that it should have.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"

nvme=$(find_function 1b36:0010)
card=$(card_with 52:54:00:00:00:01)
outside=$(card_with 52:54:00:00:00:03)
own_card 52:54:00:00:00:02
mke2fs -q -t ext4 /dev/nvme0n1
"$NIDUS" check "$nvme" >"$TMP/check"
check "check on an unbound function: status 66" [ $? = 66 ]
check "check says what to type" grep -qE "^FAIL  function .*bound to nvme; nidus bind $nvme" "$TMP/check"
check "check knows by sysfs that it can nest" grep -q "can nest: yes (dmar0)" "$TMP/check"
for d in $nvme $card $outside; do "$NIDUS" bind "$d"; done
"$NIDUS" check "$nvme" >"$TMP/check"
check "check on a bound function: nothing stands in the way" [ $? = 0 ]
note "$(cat "$TMP/check")"
check "check asked the IOMMU itself" grep -q "ECAP.NEST: yes (needed, the IOMMU says so)" "$TMP/check"
check "and so in JSON" grep -q '"what":"nest","bdf":"'"$nvme"'","ok":true,"answer":true' <("$NIDUS" check "$nvme" --json | tr -d " \n")

initrd=$(guest_script rig <<'END'
say_machine
pings() # BDF
{
	n=$(ls /sys/bus/pci/devices/$1/net /sys/bus/pci/devices/$1/virtio*/net 2>/dev/null | grep eth)
	ip link set $n up
	ip addr add 10.9.0.2/24 dev $n
	i=0
	while [ "$(cat /sys/class/net/$n/carrier)" != 1 ] && [ $i -lt 60 ]; do sleep 1; i=$((i + 1)); done
	ping -c 3 -W 5 -s 1400 10.9.0.1 >/dev/null && mark "ping by $1"
	ip addr del 10.9.0.2/24 dev $n
	ip link set $n down
}
for d in 0000:01:00.0 0000:02:00.0 0000:03:00.0; do
	mark "domain $d $(cat /sys/bus/pci/devices/$d/iommu_group/type 2>/dev/null || echo none)"
done
( for i in 1 2; do disk_write /dev/vda 8 disk; done ) &
pings 0000:02:00.0
pings 0000:03:00.0
wait
disk_write /dev/nvme0n1 8 nvme
END
)
disk=$(disk_image 64M ext4)
vm_run 160 -k "$GUESTS/rig/bzImage" -i "$initrd" -m 256 --vfio "$nvme" --vfio "$card" --vfio "$outside,viommu=off" -d "$disk,viommu=on" \
	--viommu auto --report "$TMP/report" -p "quiet iommu.strict=1"
expect_console "NVMe: behind the unit" "guest: domain 0000:01:00.0 DMA"
expect_console "e1000e: behind it too" "guest: domain 0000:02:00.0 DMA"
expect_console "virtio card: outside" "guest: domain 0000:03:00.0 none"
expect_console "NVMe: what was written is read back" "guest: nvme sum equal"
expect_console "e1000e: ping" "guest: ping by 0000:02:00.0"
expect_console "virtio card: ping" "guest: ping by 0000:03:00.0"
check "disk: what was written is read back" [ "$(grep -c 'guest: disk sum equal' "$VM_CONSOLE")" = 2 ]
no_complaint "all of them"
expect_status "the end" 0
check "one unit for both assigned devices, one for the disk" [ "$(grep -c '"viommu-' "$TMP/report")" = 2 ]
check "each assigned device has its own tables" [ "$(($(counted_in viommu-dmar0 attaches) - $(counted_in viommu-dmar0 pass_through)))" -ge 2 ]
check "the disk's unit asked nothing of the host" [ "$(counted_in viommu-own host_calls)" = 0 ]
check "no fault" [ "$(counted_in viommu-dmar0 faults)" = 0 ]
check "memory was mapped once, for all" [ "$(counted_in iommufd maps)" = 1 ]
for d in $nvme $card $outside; do
	expect_clean "$d" "$d"
	"$NIDUS" unbind "$d"
done
