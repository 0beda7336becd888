#!/bin/bash
# rig: level=nest mem=2G qemu=-device qemu=edu,dma_mask=0xffffffffffffffff qemu=-drive qemu=if=none,id=a0,driver=null-co,size=67108864,read-zeroes=on,snapshot=on qemu=-device qemu=pcie-root-port,id=ra,chassis=8,slot=8 qemu=-device qemu=ich9-ahci,id=ahci,bus=ra qemu=-device qemu=ide-hd,drive=a0,bus=ahci.0 qemu=-device qemu=pcie-root-port,id=rx,chassis=9,slot=9 qemu=-device qemu=nec-usb-xhci,bus=rx,msi=on,msix=off timeout=300
# DMA isolation: bare-metal guests program the unit themselves and have a device copy to and from every address that it must reach, or must
# not; and the machine is reset while the device is about to write.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/vfio.sh"

guests=build/x86_64/guests
edu=$(find_function 1234:11e8)
"$NIDUS" bind "$edu"

dmesg -C
vm_run 60 -k "$guests/edu_reset" -m 32 -p "boots=${RESETS:-4} run=1" --vfio "$edu" --viommu vtd --on-reboot reset
expect_status "reset with DMA in flight: the guest's verdict" 0
expect_console "reset with DMA in flight: it ran to its end" "PASS edu_reset"
check "reset with DMA in flight: memory was intact each time" [ "$(grep -c ': intact' "$VM_CONSOLE")" = "${RESETS:-4}" ]
note "of ${RESETS:-4} resets $(grep -c 'still writing' "$VM_CONSOLE") were survived by a transfer"
expect_clean "reset with DMA in flight" "$edu"

vm_run 150 -k "$guests/vtd_edu" -m 64 --vfio "$edu" --viommu vtd --report "$TMP/report"
expect_status "isolation: the guest's verdict" 0
expect_console "isolation: it ran to its end" "PASS vtd_edu"
note "$(grep -c ': reached' "$VM_CONSOLE") times reached, $(grep -cE ': (out of reach|blocked)' "$VM_CONSOLE") times not"
check "isolation: it tried what it should" [ "$(grep -cE ': (out of reach|blocked)' "$VM_CONSOLE")" -ge 40 ]
check "isolation: the host's hardware refused what its tables do not map" grep -q 'DMAR: \[DMA' <(dmesg)
check "isolation: bus mastering is off" [ "$(bus_master "$edu")" = 0 ]
check "isolation: memory was mapped once, at the start" [ "$(counted_in iommufd maps)" = 1 ]
"$NIDUS" unbind "$edu"
