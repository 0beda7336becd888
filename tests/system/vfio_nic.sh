#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=rig,7-generic qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on qemu=-netdev qemu=hubport,hubid=1,id=h3 qemu=-device qemu=pcie-root-port,id=rp,chassis=9,slot=9 qemu=-device qemu=igb,bus=rp,netdev=h3,mac=52:54:00:00:00:05 qemu=-netdev qemu=hubport,hubid=1,id=h4 qemu=-device qemu=e1000,netdev=h4,mac=52:54:00:00:00:06 qemu=-object qemu=memory-backend-ram,id=shm,size=1M qemu=-device qemu=ivshmem-plain,memdev=shm qemu=-device qemu=edu,dma_mask=0xffffffffff timeout=900
# Network cards assigned: e1000e, igb, a virtual function of it, a virtio card, and an e1000 that has wired interrupts alone; one behind
# the VT-d unit, one by inherited files: ping, and bulk data there and back, compared.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"
. "$(dirname "$0")/inc/sock.sh"

own=$(basename "/sys/bus/pci/devices/$(card_with 52:54:00:00:00:02)"/net/*)
ip link set "$own" up
ip addr add 10.9.0.1/24 dev "$own"
KIB=$((NET_MIB * 1024))
sock=$(host_sock rig)
for g in rig 7-generic; do
	guest_script $g >"$TMP/initrd-$g" <<END
load e1000 igbvf
say_machine
i=0
while [ ! -d /sys/class/net/eth0 ] && [ \$i -lt 60 ]; do sleep 1; i=\$((i + 1)); done
ip link set eth0 up
ip addr add 10.9.0.2/24 dev eth0
while [ "\$(cat /sys/class/net/eth0/carrier)" != 1 ] && [ \$i -lt 60 ]; do sleep 1; i=\$((i + 1)); done
ping -c 3 -W 5 10.9.0.1 >/dev/null && mark "ping ok"
grep -E 'eth0|virtio' /proc/interrupts | while read -r line; do mark "irq \$line"; done
mark "bulk \$(sock pump tcp:10.9.0.1:7001 $KIB)"
mark "bad sums \$(awk '/^Tcp:/ { v = \$NF } END { print v }' /proc/net/snmp)"
mark "domain \$(cat /sys/class/net/eth0/device/iommu_group/type 2>/dev/null || echo none)"
f=/sys/class/net/eth0/device/rom
[ -f \$f ] && echo 1 >\$f && mark "rom \$(md5sum <\$f)"
END
done

card() # NAME BDF GUEST APPEND [OPTION...]
{
	local name=$1 bdf=$2 guest=$3 append=$4
	shift 4
	# A server of its own: one that waits for a guest that is gone serves nobody.
	"$sock" echo tcp:0.0.0.0:7001 5 >"$TMP/echo" 2>&1 &
	local echo=$!
	vm_run 400 -k "$GUESTS/$guest/bzImage" -i "$(cat "$TMP/initrd-$guest")" -m 320 --rng off -p "quiet $append" "$@"
	kill $echo 2>/dev/null
	expect_console "$name: ping" "guest: ping ok"
	expect_console "$name: bulk data there and back is equal" "guest: bulk sock: $KIB KiB"
	expect_console "$name: no wrong checksum" "guest: bad sums 0"
	no_complaint "$name"
	expect_status "$name: the end" 0
	case $name in
	virtio* | *wired*) expect_stderr "$name: nidus says that it cannot be reset" "no function level reset" ;;
	*) expect_quiet "$name: nidus has nothing to say" ;;
	esac
	expect_clean "$name" "$bdf"
}

e1000e=$(card_with 52:54:00:00:00:01)
echo 1 >"/sys/bus/pci/devices/$e1000e/rom"
rom=$(md5sum <"/sys/bus/pci/devices/$e1000e/rom")
echo 0 >"/sys/bus/pci/devices/$e1000e/rom"
check "e1000e: bind" "$NIDUS" bind "$e1000e"
card "e1000e" "$e1000e" rig "" --vfio "$e1000e"
expect_console "e1000e: its option ROM is the host's" "guest: rom $rom"
# The host resets this card by its power state, which the emulated one takes without losing anything. Its ring of the last guest would be read
# when the next driver switches bus mastering on, so the host's own driver, which resets it by its registers, has it in between.
"$NIDUS" unbind "$e1000e"
dmesg -C
check "e1000e without MSI: bind" "$NIDUS" bind "$e1000e"
exec 7<>"/dev/vfio/devices/$(ls "/sys/bus/pci/devices/$e1000e/vfio-dev")" 8<>/dev/iommu
card "e1000e without MSI, by inherited files" "$e1000e" rig pci=nomsi --vfio "fd:7,bdf=$e1000e" --iommufd fd:8
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
card "virtual function" "$vf" 7-generic "" --vfio "$vf"
"$NIDUS" unbind "$vf"
echo 0 >"/sys/bus/pci/devices/$igb/sriov_numvfs"
ip link set "$pf" down

if [ -z "${SOAK:-}" ]; then
	skip "igb behind the unit, virtio, e1000 with wired interrupts alone" "only in make soak, for time"
	exit 0
fi
check "igb: bind" "$NIDUS" bind "$igb"
card "igb behind the unit" "$igb" rig "" --vfio "$igb" --viommu vtd
expect_console "igb behind the unit: first-stage tables" "guest: domain DMA"
"$NIDUS" unbind "$igb"

virtio=$(card_with 52:54:00:00:00:03)
check "virtio: bind" "$NIDUS" bind "$virtio"
card "virtio" "$virtio" rig "" --vfio "$virtio"
"$NIDUS" unbind "$virtio"

e1000=$(find_function 8086:100e)
check "e1000, wired: bind" "$NIDUS" bind "$e1000"
card "e1000, wired" "$e1000" 7-generic "" --vfio "$e1000"
expect_console "e1000, wired: it has no other interrupt" "IO-APIC"
"$NIDUS" unbind "$e1000"
