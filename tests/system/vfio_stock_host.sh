#!/bin/bash
# rig: level=stock mem=3G guests=rig timeout=60
# A stock Debian kernel as host: iommufd is off, and that is said.
. "$(dirname "$0")/lib.sh"

bdf=$(basename "$(echo /sys/bus/pci/devices/*:00:01.0)")
vm_run 30 -k "$GUESTS/rig/bzImage" --vfio "$bdf"
expect_status "refused" 66
expect_stderr "with the reason" 'no /dev/iommu.*CONFIG_IOMMUFD.*Debian'
check "check says so too" grep -q 'FAIL  iommufd .*CONFIG_IOMMUFD' <("$NIDUS" check "$bdf")
