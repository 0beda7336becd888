#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=rig,7-generic qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on qemu=-netdev qemu=hubport,hubid=1,id=h3 qemu=-device qemu=pcie-root-port,id=rp,chassis=9,slot=9 qemu=-device qemu=igb,bus=rp,netdev=h3,mac=52:54:00:00:00:05 qemu=-netdev qemu=hubport,hubid=1,id=h4 qemu=-device qemu=e1000,netdev=h4,mac=52:54:00:00:00:06 qemu=-object qemu=memory-backend-ram,id=shm,size=1M qemu=-device qemu=ivshmem-plain,memdev=shm qemu=-object qemu=memory-backend-ram,id=big,size=8G,reserve=off qemu=-device qemu=ivshmem-plain,memdev=big qemu=-device qemu=edu,dma_mask=0xffffffffff timeout=900
# Network cards assigned: e1000e (by MSI-X and by wired interrupts, and by inherited files), igb, a virtual function of it, a virtio card, and an
# e1000 that has wired interrupts alone: ping, and bulk data there and back, compared. Behind a unit: vfio_nested_nic.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"
. "$(dirname "$0")/inc/sock.sh"
. "$(dirname "$0")/inc/nic.sh"

for g in rig 7-generic; do
	nic_initrd $g >"$TMP/initrd-$g"
done

e1000e=$(card_with 52:54:00:00:00:01)
echo 1 >"/sys/bus/pci/devices/$e1000e/rom"
rom=$(md5sum <"/sys/bus/pci/devices/$e1000e/rom")
echo 0 >"/sys/bus/pci/devices/$e1000e/rom"
check "e1000e: bind" "$NIDUS" bind "$e1000e"
nic_run "e1000e" "$e1000e" rig 1 "" --vfio "$e1000e"
expect_console "e1000e: its option ROM is the host's" "guest: rom $rom"
# The host resets this card by its power state, which the emulated one takes without losing anything. Its ring of the last guest would be read
# when the next driver switches bus mastering on, so the host's own driver, which resets it by its registers, has it in between.
"$NIDUS" unbind "$e1000e"
dmesg -C
check "e1000e without MSI: bind" "$NIDUS" bind "$e1000e"
exec 7<>"/dev/vfio/devices/$(ls "/sys/bus/pci/devices/$e1000e/vfio-dev")" 8<>/dev/iommu
nic_run "e1000e without MSI, by inherited files" "$e1000e" rig 1 pci=nomsi --vfio "fd:7,bdf=$e1000e" --iommufd fd:8
expect_console "e1000e without MSI: the interrupt is a wired one" "IO-APIC"
exec 7>&- 8>&-
"$NIDUS" unbind "$e1000e"
dmesg -C

igb=$(card_with 52:54:00:00:00:05)
pf=$(basename "/sys/bus/pci/devices/$igb"/net/*)
ip link set "$pf" up
echo 1 >"/sys/bus/pci/devices/$igb/sriov_numvfs"
ip link set "$pf" vf 0 mac 52:54:00:00:00:15
vf=$(basename "$(readlink "/sys/bus/pci/devices/$igb/virtfn0")")
check "the virtual function has a group of its own" [ "$(ls "/sys/bus/pci/devices/$vf/iommu_group/devices" | wc -l)" = 1 ]
check "virtual function: bind" "$NIDUS" bind "$vf"
nic_run "virtual function" "$vf" 7-generic 1 "" --vfio "$vf"
"$NIDUS" unbind "$vf"
echo 0 >"/sys/bus/pci/devices/$igb/sriov_numvfs"
ip link set "$pf" down

if [ -z "${SOAK:-}" ]; then
	skip "igb, virtio, e1000 with wired interrupts alone" "only in make soak, for time"
	exit 0
fi
check "igb: bind" "$NIDUS" bind "$igb"
nic_run "igb" "$igb" rig 1 "" --vfio "$igb"
expect_console "igb: it has several interrupts" "eth0-rx-0"
"$NIDUS" unbind "$igb"

virtio=$(card_with 52:54:00:00:00:03)
check "virtio: bind" "$NIDUS" bind "$virtio"
nic_run "virtio" "$virtio" rig 1 "" --vfio "$virtio"
"$NIDUS" unbind "$virtio"

e1000=$(find_function 8086:100e)
check "e1000, wired: bind" "$NIDUS" bind "$e1000"
nic_run "e1000, wired" "$e1000" 7-generic 1 "" --vfio "$e1000"
expect_console "e1000, wired: it has no other interrupt" "IO-APIC"
"$NIDUS" unbind "$e1000"
