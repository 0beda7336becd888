# shellcheck shell=bash
# tests/bench/inc/nvme.sh - an NVMe controller of the host given to guests; sourced after lib.sh.
#
#   NVME                       its BDF
#   nvme_ready                 KERNEL and INITRD, whose guest reads the disk and, where the command line has maps=SECONDS, runs the kernel's DMA map
#                              benchmark on the controller afterwards
#   nvme_qemu                  sets VMM to QEMU's q35 machine with the controller (iommufd, split irqchip)
#   nvme_qemu_nested [OPT...]  ... of the QEMU that can nest (11.1), behind its intel-iommu with first-stage translation
#   nvme_read NAME             runs VMM and adds microseconds for a read to the list NAME

. "$(dirname "${BASH_SOURCE[0]}")/../../system/inc/vfio.sh"
NVME=$(find_function 1b36:0010)
READS=${BENCH_READS:-1000}
MEM=256

nvme_ready()
{
	KERNEL=$GUESTS/rig/bzImage
	INITRD=$(guest_initrd rig meter="$METER" <<'X'
word() { sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
for d in /sys/bus/pci/devices/*; do
	[ "$(cat $d/class)" != 0x010802 ] || f=${d##*/}
done
mark "domain $(cat /sys/bus/pci/devices/$f/iommu_group/type 2>/dev/null || echo none)"
/meter read /dev/nvme0n1 4096 100 rand >/dev/null
mark "read $(/meter read /dev/nvme0n1 4096 $(word reads) rand | sed 's/read //') ns"
if [ -n "$(word maps)" ]; then
	mount -t debugfs debug /sys/kernel/debug 2>/dev/null
	mount -t tracefs trace /sys/kernel/tracing 2>/dev/null
	echo $f >/sys/bus/pci/drivers/nvme/unbind
	echo dma_map_benchmark >/sys/bus/pci/devices/$f/driver_override
	echo $f >/sys/bus/pci/drivers_probe
	mark "$(dmabench $(word maps))"
fi
X
	)
	"$NIDUS" bind "$NVME"
	trap 'vm_stop; "$NIDUS" unbind "$NVME"; rm -rf "$TMP"' EXIT
}

nvme_qemu() { q35 -object iommufd,id=f0 -device "vfio-pci,host=$NVME,iommufd=f0" "$@"; }

nvme_qemu_nested()
{
	q35 -device intel-iommu,scalable-mode=on,fsts=on,caching-mode=on -object iommufd,id=f0 -device "vfio-pci,host=$NVME,iommufd=f0" "$@"
	rigs_qemu
}

nvme_read()
{
	vmm_run 120
	[ -n "$(said read)" ] || vmm_failed
	printf -v "$1" '%s' "${!1:-} $(($(said read) / 1000))"
}
