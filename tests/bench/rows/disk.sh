#!/bin/bash
# rig: level=stock mem=3G guests=rig timeout=900
# bench: a virtio disk, beside QEMU's microvm machine
# Reads with O_DIRECT in the guest, one at a time, of a file on tmpfs. QEMU with its own thread for the disk and io_uring, as nidus has it; virtio-mmio as in the
# boot figures, and virtio-pci. How often user space was entered for each request: the exits of a run that reads more, less those of one that reads less.
. "$(dirname "$0")/../lib.sh"

KERNEL=$GUESTS/rig/bzImage
N=${BENCH_READS:-1500}
INITRD=$(guest_initrd rig meter="$METER" <<'X'
word() { sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
/meter read /dev/vda 4096 100 rand >/dev/null
mark "rand $(/meter read /dev/vda 4096 $(word rand) rand | sed 's/read //') ns"
mark "seq $(/meter read /dev/vda 131072 $(word seq) seq | sed 's/read //') ns"
mark ready
exec sleep $(word hold)
X
)
disk=$(disk_image 64M)
dd if=/dev/urandom of="$disk" bs=1M count=64 conv=notrunc 2>/dev/null

drive() { printf '%s\n' -object iothread,id=t0 -drive "if=none,id=d0,format=raw,aio=io_uring,file=$disk"; }
peer()
{
	# shellcheck disable=SC2046
	microvm $(drive) -device virtio-blk-device,drive=d0,iothread=t0
}
peer_pci()
{
	# shellcheck disable=SC2046
	microvm $(drive) -device virtio-blk-pci,drive=d0,iothread=t0
	VMM=("${VMM[@]/#microvm,/microvm,pcie=on,}")
}

# measures VMM into the lists NAME_rand and NAME_seq, microseconds
measure() # NAME
{
	vmm_run 120
	printf -v "$1_rand" '%s' "$(eval echo "\$$1_rand") $(($(said rand) / 1000))"
	printf -v "$1_seq" '%s' "$(eval echo "\$$1_seq") $(($(said seq) / 1000))"
}
n_rand="" n_seq="" m_rand="" m_seq="" p_rand="" p_seq=""
once()
{
	nidus_vm -d "$disk"
	measure n
	peer
	measure m
	peer_pci
	measure p
}
APPEND="quiet rand=$N seq=$((N / 4)) hold=0"
times once
row "4 KiB random reads" us/read "$n_rand" "$m_rand" "<= 1"
row "128 KiB sequential reads" us/read "$n_seq" "$m_seq" "<= 1"
row "4 KiB random reads, microvm with pcie=on" us/read "$n_rand" "$p_rand" "<= 1"
row "128 KiB sequential reads, microvm with pcie=on" us/read "$n_seq" "$p_seq" "<= 1"

# exits of COUNT reads, from the report and from KVM
user_exits() { sed -n 's/.*"exits": \([0-9]*\).*/\1/p' "$TMP/report"; }
count_exits() # READS
{
	APPEND="quiet rand=$1 seq=1 hold=0"
	nidus_vm -d "$disk" --report "$TMP/report"
	vmm_run 120
	user_exits
}
all_exits() # COMMAND READS: of KVM, in whole, while the guest waits after its reads
{
	APPEND="quiet rand=$2 seq=1 hold=600"
	$1
	vmm_start
	vm_expect "guest: ready" 120 || vmm_failed
	kvm_exits
	vm_stop
}
few=$(count_exits 100) many=$(count_exits $((100 + 2 * N)))
nidus_disk() { nidus_vm -d "$disk"; }
more() { per $(($(all_exits "$1" $((100 + 2 * N))) - $(all_exits "$1" 100))) $((2 * N)); }
n_all=$(more nidus_disk) m_all=$(more peer) p_all=$(more peer_pci)

row "exits to user space for a read" "" "$(per $((many - few)) $((2 * N)))" - 0
row "exits of any kind for a read" "" "$n_all" "$m_all"
row "exits of any kind for a read, microvm with pcie=on" "" "$n_all" "$p_all"
