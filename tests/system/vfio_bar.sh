#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=rig,7-generic qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on qemu=-netdev qemu=hubport,hubid=1,id=h3 qemu=-device qemu=pcie-root-port,id=rp,chassis=9,slot=9 qemu=-device qemu=igb,bus=rp,netdev=h3,mac=52:54:00:00:00:05 qemu=-netdev qemu=hubport,hubid=1,id=h4 qemu=-device qemu=e1000,netdev=h4,mac=52:54:00:00:00:06 qemu=-object qemu=memory-backend-ram,id=shm,size=1M qemu=-device qemu=ivshmem-plain,memdev=shm qemu=-object qemu=memory-backend-ram,id=big,size=8G,reserve=off qemu=-device qemu=ivshmem-plain,memdev=big qemu=-device qemu=edu,dma_mask=0xffffffffff timeout=150
# A device with more memory than the guest, 8 GiB in one 64-bit BAR: it has a place, is mapped, and what the guest writes anywhere in it is what the
# host then finds in the device. Then the host wants the device back from a running VM.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"

big=$(find_function 1af4:1110 2)
size=$(stat -c %s "/sys/bus/pci/devices/$big/resource2")
check "the host's device is that big" [ "$size" = $((8 << 30)) ]
"$NIDUS" bind "$big"
initrd=$(guest_script rig <<'END'
say_machine
d=0000:01:00.0
echo 1 >/sys/bus/pci/devices/$d/enable
mark "at $(mmio $d 2)"
for off in 0x0 0x7ffff000 0xfffffffc 0x100000000 0x1fffffffc; do
	mmio $d 2 $off $((off / 4096 + 0x1000))
done
for off in 0x0 0x7ffff000 0xfffffffc 0x100000000 0x1fffffffc; do
	mark "read $off $(mmio $d 2 $off)"
done
mark ready
grep -qw once /proc/cmdline || sleep 600
END
)
vm_run 100 -k "$GUESTS/rig/bzImage" -i "$initrd" -m 128 --rng off -p "quiet once" --vfio "$big"
at=$(sed -n 's/.*guest: at //p' "$VM_CONSOLE" | tr -d '\r')
check "its place is above 4 GiB and aligned to its size ($at)" [ $((at >= 1 << 32 && at % size == 0)) = 1 ]
mmio=$TMP/mmio
cpio -i --quiet --to-stdout bin/mmio <"$GUESTS/rig/initrd" >"$mmio" && chmod +x "$mmio"
for off in 0x0 0x7ffff000 0xfffffffc 0x100000000 0x1fffffffc; do
	want=$(printf 0x%x $((off / 4096 + 0x1000)))
	expect_console "the guest reads at $off what it wrote" "guest: read $off $want"
done
no_complaint "8 GiB"
expect_status "the end" 0
expect_clean "8 GiB" "$big"
"$NIDUS" unbind "$big"
echo 1 >"/sys/bus/pci/devices/$big/enable"
for off in 0x0 0x7ffff000 0xfffffffc 0x100000000 0x1fffffffc; do
	want=$(printf 0x%x $((off / 4096 + 0x1000)))
	check "the host finds it at $off of the device" [ "$("$mmio" "$big" 2 $off)" = "$want" ]
done
echo 0 >"/sys/bus/pci/devices/$big/enable"

# Unbinding waits until nobody has the device, so it is nidus that must end.
"$NIDUS" bind "$big"
vm_start -k "$GUESTS/rig/bzImage" -i "$initrd" -m 128 --rng off -p quiet --vfio "$big"
check "wanted back: the guest uses it" vm_expect "guest: ready" 100
"$NIDUS" unbind "$big" &
unbind=$!
vm_wait 30
expect_status "wanted back: the VM ends" 70
expect_stderr "wanted back: and says why" "is wanted back by the host"
check "wanted back: the host has it" wait $unbind
check "wanted back: and nobody else" [ "$(driver_of "$big")" != vfio-pci ]
expect_clean "wanted back" "$big"
