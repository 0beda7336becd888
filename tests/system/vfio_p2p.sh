#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=rig,7-generic qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on qemu=-netdev qemu=hubport,hubid=1,id=h3 qemu=-device qemu=pcie-root-port,id=rp,chassis=9,slot=9 qemu=-device qemu=igb,bus=rp,netdev=h3,mac=52:54:00:00:00:05 qemu=-netdev qemu=hubport,hubid=1,id=h4 qemu=-device qemu=e1000,netdev=h4,mac=52:54:00:00:00:06 qemu=-object qemu=memory-backend-ram,id=shm,size=1M qemu=-device qemu=ivshmem-plain,memdev=shm qemu=-object qemu=memory-backend-ram,id=big,size=8G,reserve=off qemu=-device qemu=ivshmem-plain,memdev=big qemu=-device qemu=edu,dma_mask=0xffffffffff timeout=200
# Peer to peer: a device with a DMA engine copies within the memory of another one, both assigned, with p2p=on and not without.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"

edu=$(find_function 1234:11e8)
shm=$(find_function 1af4:1110)
"$NIDUS" bind "$edu"
"$NIDUS" bind "$shm"
# The DMA engine's registers: source 0x80, destination 0x88, length 0x90, command 0x98 (1: into its buffer at 0x40000, 3: out of it).
initrd=$(guest_script rig <<'END'
say_machine
for d in /sys/bus/pci/devices/*; do
	case $(cat $d/vendor $d/device | tr -d '\n') in
	0x12340x11e8) edu=$(basename $d) ;;
	0x1af40x1110) shm=$(basename $d) ;;
	esac
done
echo 1 >/sys/bus/pci/devices/$edu/enable
echo 1 >/sys/bus/pci/devices/$shm/enable
printf '\006' | dd of=/sys/bus/pci/devices/$edu/config bs=1 seek=4 conv=notrunc 2>/dev/null
mmio $shm 2 0x100 0x12345678
mmio $shm 2 0x800 0
at=$(mmio $shm 2)
copy() # SOURCE DESTINATION COMMAND
{
	mmio $edu 0 0x80 $(($1))L
	mmio $edu 0 0x88 $(($2))L
	mmio $edu 0 0x90 4
	mmio $edu 0 0x98 $3
	i=0
	while [ $(($(mmio $edu 0 0x98) & 1)) = 1 ] && [ $i -lt 30 ]; do sleep 1; i=$((i + 1)); done
}
mark "at $at id $(mmio $edu 0 0)"
copy $((at + 0x100)) $((0x40000)) 1
copy $((0x40000)) $((at + 0x800)) 3
mark "copied $(mmio $shm 2 0x800)"
END
)
for p2p in off on; do
	vm_run 100 -k "$GUESTS/rig/bzImage" -i "$initrd" -m 128 --rng off -p quiet --vfio "$edu" --vfio "$shm,p2p=$p2p"
	case $p2p in
	on) expect_console "p2p=on: the copy is there" "guest: copied 0x12345678" ;;
	off) expect_console "p2p=off: there is none" "guest: copied 0x0" ;;
	esac
	no_complaint "p2p=$p2p"
	expect_status "p2p=$p2p: the end" 0
	check "p2p=$p2p: what nidus says is that they cannot be reset" [ "$(grep -c 'no function level reset' "$VM_STDERR")" = "$(wc -l <"$VM_STDERR")" ]
	if [ $p2p = off ]; then
		check "p2p=off: the host's IOMMU stopped it" grep -qi 'dmar.*fault' <(dmesg)
		dmesg -c >/dev/null
	fi
done
expect_clean "p2p=on" "$edu"
"$NIDUS" unbind "$shm"
"$NIDUS" unbind "$edu"
