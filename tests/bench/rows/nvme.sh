#!/bin/bash
# rig: level=nest mem=3G guests=rig qemu=-drive qemu=if=none,id=n0,driver=null-co,size=268435456,read-zeroes=on qemu=-device qemu=nvme,serial=n,drive=n0 timeout=900
# bench: an assigned NVMe controller without a unit, beside QEMU's vfio-pci
# 4 KiB random reads with O_DIRECT, one at a time. L1 is the host's own driver on the same controller.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../inc/nvme.sh"

native=""
on_host() { native="$native $(($("$METER" read /dev/nvme0n1 4096 "$READS" rand | sed 's/read //') / 1000))"; }
times on_host
nvme_ready
echo 160 >/proc/sys/vm/nr_hugepages
huge=$(cat /proc/sys/vm/nr_hugepages)
APPEND="quiet reads=$READS"
n="" q="" nh="" qh=""
once()
{
	nidus_vm --vfio "$NVME"
	nvme_read n
	nvme_qemu
	nvme_read q
	if [ "$huge" -ge 128 ]; then
		MEM=256,hugepages=on nidus_vm --vfio "$NVME"
		nvme_read nh
		nvme_qemu -object memory-backend-memfd,id=m0,size=256M,hugetlb=on -machine memory-backend=m0
		nvme_read qh
	fi
}
times once
echo 0 >/proc/sys/vm/nr_hugepages
row "4 KiB random reads" us/read "$n" "$q" "<= 1"
row "the same, guest RAM on huge pages" us/read "$nh" "$qh" "<= 1"
row "the same, nidus beside the host's own driver" us/read "$n" "$native"
row "the same, QEMU beside the host's own driver" us/read "$q" "$native"
remark "the last two lines have the host in the peer's column, the last QEMU in that of nidus"
