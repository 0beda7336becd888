#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=rig,6.12-generic,7-generic qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on qemu=-netdev qemu=hubport,hubid=1,id=h3 qemu=-device qemu=pcie-root-port,id=rp,chassis=9,slot=9 qemu=-device qemu=igb,bus=rp,netdev=h3,mac=52:54:00:00:00:05 qemu=-netdev qemu=hubport,hubid=1,id=h4 qemu=-device qemu=e1000,netdev=h4,mac=52:54:00:00:00:06 qemu=-object qemu=memory-backend-ram,id=shm,size=1M qemu=-device qemu=ivshmem-plain,memdev=shm qemu=-object qemu=memory-backend-ram,id=big,size=8G,reserve=off qemu=-device qemu=ivshmem-plain,memdev=big qemu=-device qemu=edu,dma_mask=0xffffffffff timeout=900
# A network card (igb) behind the VT-d unit, with two CPUs: ping and bulk data there and back, compared, a reboot in place, and again; by a stock
# 7.x, lazily (make soak: that, stock 6.12 and the rig's kernel, each lazy, strict and pass-through).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"
. "$(dirname "$0")/inc/sock.sh"
. "$(dirname "$0")/inc/nic.sh"

igb=$(card_with 52:54:00:00:00:05)
"$NIDUS" bind "$igb"
guests=7-generic modes="DMA-FQ:iommu.strict=0"
if [ -n "${SOAK:-}" ]; then
	guests="rig 6.12-generic 7-generic" modes="$modes DMA:iommu.strict=1 identity:iommu=pt"
fi
for g in $guests; do
	nic_initrd $g >"$TMP/initrd-$g"
	for m in $modes; do
		name="igb, $g behind the unit, ${m#*:}"
		nic_run "$name" "$igb" $g 2 "twice intel_iommu=on ${m#*:}" -c 2 --vfio "$igb" --viommu vtd --on-reboot reset \
			--report "$TMP/report" -d "$(disk_image 1M)"
		check "$name: the domain's type in both boots" [ "$(grep -cE "guest: domain ${m%%:*}"$'\r?$' "$VM_CONSOLE")" = 2 ]
		expect_tables "$name" "${m%%:*}"
	done
done
"$NIDUS" unbind "$igb"
