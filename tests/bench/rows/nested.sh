#!/bin/bash
# rig: level=nest mem=3G guests=rig qemu=-drive qemu=if=none,id=n0,driver=null-co,size=268435456,read-zeroes=on qemu=-device qemu=nvme,serial=n,drive=n0 timeout=1200
# bench: an assigned NVMe controller behind the VT-d unit, nested on the host's, beside QEMU's intel-iommu with fsts=on
# 4 KiB random reads with O_DIRECT, one at a time. Maps and unmaps by the kernel's DMA map benchmark, a page at a time; each unmap with iommu.strict=1 is one flush.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../inc/nvme.sh"

nvme_ready
n="" q="" plain=""
nested() { nidus_vm --vfio "$NVME" --viommu vtd "$@"; }
once()
{
	nested
	nvme_read n
	translated nidus
	nidus_vm --vfio "$NVME"
	nvme_read plain
	nvme_qemu_nested
	nvme_read q
	translated QEMU
}
translated() { grep -aqE 'guest: domain DMA' "$VM_CONSOLE" || { echo "$1: the guest does not translate"; exit 1; }; }
APPEND="quiet reads=$READS"
times once
row "4 KiB random reads, nested" us/read "$n" "$q" "<= 1"
row "the same: nested beside plain passthrough (second column)" us/read "$n" "$plain" "about 1"

# maps MODE: costs and counts of the DMA map benchmark, into MODE_what
maps()
{
	local mode=$1
	nested --report "$TMP/report"
	vmm_run 120
	figures "n_$mode"
	printf -v "n_${mode}_calls" '%s' "$(per "$(counted host_calls)" "$(mapped pairs)")"
	printf -v "n_${mode}_accesses" '%s' "$(per "$(counted accesses)" "$(mapped pairs)")"
	nvme_qemu_nested
	vmm_run 120
	figures "q_$mode"
	# tracing slows it, so in a run of its own
	nvme_qemu_nested -trace iommufd_backend_invalidate_cache -D "$TMP/trace"
	vmm_run 120
	printf -v "q_${mode}_calls" '%s' "$(per "$(grep -c iommufd_backend_invalidate_cache "$TMP/trace")" "$(mapped pairs)")"
	rm -f "$TMP/trace"
}
figures() { printf -v "$1_map" '%s' "$(mapped map)"; printf -v "$1_unmap" '%s' "$(mapped unmap)"; }

APPEND="quiet reads=100 maps=2 iommu.strict=1"
maps strict
APPEND="quiet reads=100 maps=2"
maps lazy

# shellcheck disable=SC2154
{
	row "map, strict" ns "$n_strict_map" "$q_strict_map" "<= 1"
	row "unmap, strict" ns "$n_strict_unmap" "$q_strict_unmap" "<= 1"
	row "map, lazy" ns "$n_lazy_map" "$q_lazy_map" "<= 1"
	row "unmap, lazy" ns "$n_lazy_unmap" "$q_lazy_unmap" "<= 1"
	row "invalidation ioctls for a flush (an unmap, strict)" "" "$n_strict_calls" "$q_strict_calls" "<= 1"
	row "invalidation ioctls for an unmap, lazy" "" "$n_lazy_calls" "$q_lazy_calls"
	row "register accesses of the unit for an unmap, strict" "" "$n_strict_accesses" - 1
	row "register accesses of the unit for an unmap, lazy" "" "$n_lazy_accesses" - "far below 1"
}
