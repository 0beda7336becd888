#!/bin/bash
# rig: level=nest iommu=off mem=2G guests=rig qemu=-device qemu=edu timeout=60
# A host without an IOMMU: that is said, by run and by check.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/vfio.sh"

bdf=$(find_function 1234:11e8)
vm_run 30 -k "$GUESTS/rig/bzImage" --vfio "$bdf"
expect_status "refused" 66
expect_stderr "with what to do" 'no IOMMU in front of it: switch it on in the firmware.*intel_iommu=on'
check "in one line" [ "$(wc -l <"$VM_STDERR")" = 1 ]
check "check says so too" grep -q 'FAIL  iommu .*no IOMMU' <("$NIDUS" check "$bdf")
check "check speaks JSON" grep -q '"what": "iommu"' <("$NIDUS" check "$bdf" --json)
