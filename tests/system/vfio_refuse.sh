#!/bin/bash
# rig: level=nest mem=3G smp=1 guests=rig qemu=-drive qemu=if=none,id=n0,driver=null-co,size=268435456,read-zeroes=on,snapshot=on qemu=-device qemu=nvme,serial=n,drive=n0 qemu=-netdev qemu=hubport,hubid=1,id=h0 qemu=-device qemu=e1000e,netdev=h0,mac=52:54:00:00:00:01 qemu=-netdev qemu=hubport,hubid=1,id=h1 qemu=-device qemu=pcie-pci-bridge,id=pb qemu=-device qemu=e1000e,netdev=h1,mac=52:54:00:00:00:02 qemu=-device qemu=e1000e,mac=52:54:00:00:00:04,bus=pb,addr=1 qemu=-device qemu=edu,bus=pb,addr=2 qemu=-netdev qemu=hubport,hubid=1,id=h2 qemu=-device qemu=virtio-net-pci,netdev=h2,mac=52:54:00:00:00:03,iommu_platform=on,disable-legacy=on timeout=300
# What the host lacks is named, with what to do, before anything is started; and nothing stays behind.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"

refused() # NAME STATUS REGEX COMMAND...
{
	local name=$1 status=$2 regex=$3
	shift 3
	timeout $((60 * ${RIG_SLOW:-1})) "$@" </dev/null >"$VM_CONSOLE" 2>"$VM_STDERR"
	VM_STATUS=$?
	expect_status "$name: status" "$status"
	expect_stderr "$name: what to do" "$regex"
	check "$name: one line" [ "$(wc -l <"$VM_STDERR")" = 1 ]
}

k=$GUESTS/rig/bzImage
bdf=$(find_function 1b36:0010)
refused "no such function" 65 "no such PCI function" "$NIDUS" run -k "$k" --vfio 0000:7f:00.0
refused "a host driver" 66 "nidus bind $bdf" "$NIDUS" run -k "$k" --vfio "$bdf"
refused "a bridge" 66 "bridge" "$NIDUS" run -k "$k" --vfio 0000:00:00.0
edu=$(find_function 1234:11e8)
other=$(card_with 52:54:00:00:00:04)
"$NIDUS" bind "$edu"
refused "a group member of a host driver" 66 "$other is in the same IOMMU group.*nidus bind $other" "$NIDUS" run -k "$k" --vfio "$edu"
check "check says so too" grep -q "FAIL  group .*nidus bind $other" <("$NIDUS" check "$edu")
"$NIDUS" unbind "$edu"
"$NIDUS" bind "$bdf"
refused "too little to lock" 66 "LimitMEMLOCK=" bash -c 'ulimit -l 65536; exec "$@"' - \
	setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock "$NIDUS" run -k "$k" -m 256 --vfio "$bdf"

# What sysfs looks like on a kernel without device files.
mount -t tmpfs none "/sys/bus/pci/devices/$bdf/vfio-dev"
refused "a kernel without device files" 66 "CONFIG_VFIO_DEVICE_CDEV" "$NIDUS" run -k "$k" --vfio "$bdf"
umount "/sys/bus/pci/devices/$bdf/vfio-dev"
mv /dev/iommu /dev/iommu.away
refused "no /dev/iommu" 66 "no /dev/iommu.*CONFIG_IOMMUFD" "$NIDUS" run -k "$k" --vfio "$bdf"
mv /dev/iommu.away /dev/iommu
exec 7</dev/null
refused "a descriptor of something else" 65 "descriptor 7 is not open or not its device file" "$NIDUS" run -k "$k" --vfio "fd:7,bdf=$bdf"

initrd=$(guest_script rig <<'END'
mark ready
sleep 600
END
)
vm_start -k "$k" -i "$initrd" -m 128 --vfio "$bdf"
check "a VM has it" vm_expect "guest: ready" 120
saved=$VM_PID
refused "in use" 66 "already in use" "$NIDUS" run -k "$k" -m 64 --vfio "$bdf"
check "check says so too" grep -q "FAIL  cdev .*in use" <("$NIDUS" check "$bdf")
VM_PID=$saved
vm_signal KILL
vm_wait 20
expect_clean "after it" "$bdf"
"$NIDUS" unbind "$bdf"
