#!/bin/bash
# rig: level=nest nest=off mem=2G guests=rig qemu=-device qemu=edu timeout=120
# A host whose IOMMU cannot nest: refused before there is RAM, naming what is missing; outside a unit the device works.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"

bdf=$(find_function 1234:11e8)
"$NIDUS" bind "$bdf"
check "check says no" grep -q 'can nest: no, because dmar0 lacks .*ECAP\.' <("$NIDUS" check "$bdf")
check "and so in JSON" grep -q '"what":"nest","bdf":"'"$bdf"'","ok":true,"answer":false' <("$NIDUS" check "$bdf" --json | tr -d " \n")
vm_run 30 -k "$GUESTS/rig/bzImage" -m 256 --vfio "$bdf" --viommu vtd --report "$TMP/report"
expect_status "refused" 66
expect_stderr "with what is missing and what to do" 'lacks .*\(ECAP\.NEST\).*viommu=off'
check "in one line" [ "$(wc -l <"$VM_STDERR")" = 1 ]
check "after the VM was there in KVM" grep -qE '"kvm": [0-9]+' "$TMP/report"
check "before there was RAM" grep -qE '"ram": null' "$TMP/report"
check "and before a vCPU" grep -qE '"first_run": null' "$TMP/report"
initrd=$(guest_script rig <<'END'
mark "device $(cat /sys/bus/pci/devices/0000:01:00.0/device)"
END
)
vm_run 120 -k "$GUESTS/rig/bzImage" -i "$initrd" -m 128 --vfio "$bdf,viommu=off" --viommu vtd
expect_console "outside a unit it works" "guest: device 0x11e8"
expect_status "the end" 0
