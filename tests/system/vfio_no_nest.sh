#!/bin/bash
# rig: level=nest nest=off mem=2G guests=rig qemu=-device qemu=edu timeout=120
# A host whose IOMMU cannot nest: refused before there is RAM, naming what is missing; outside a unit the device works.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"

bdf=$(find_function 1234:11e8)
"$NIDUS" bind "$bdf"
check "check says no" grep -q 'can nest: no, because dmar0 lacks .*ECAP\.' <("$NIDUS" check "$bdf")
# More RAM than the host has: it would be refused for that if it came to it.
vm_run 30 -k "$GUESTS/rig/bzImage" -m 100G --vfio "$bdf" --viommu vtd
expect_status "refused" 66
expect_stderr "with what is missing and what to do" 'lacks .*\(ECAP\.[A-Z]*\).*viommu=off'
initrd=$(guest_script rig <<'END'
mark "device $(cat /sys/bus/pci/devices/0000:01:00.0/device)"
END
)
vm_run 120 -k "$GUESTS/rig/bzImage" -i "$initrd" -m 128 --vfio "$bdf,viommu=off" --viommu vtd
expect_console "outside a unit it works" "guest: device 0x11e8"
expect_status "the end" 0
