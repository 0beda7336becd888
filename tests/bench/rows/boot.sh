#!/bin/bash
# rig: level=stock mem=3G guests=rig timeout=600
# bench: boot and footprint, beside QEMU's microvm machine
# The same kernel, initrd, memory and devices (a disk, entropy). microvm as its manual advises for least start time: virtio-mmio, no option ROMs, PIT, PIC or RTC.
. "$(dirname "$0")/../lib.sh"

KERNEL=$GUESTS/rig/bzImage APPEND=quiet
INITRD=$(guest_initrd rig <<'X'
mark ready
sleep 600
X
)
disk=$(disk_image 64M)
peer() { microvm -drive "if=none,id=d0,format=raw,file=$disk" -device virtio-blk-device,drive=d0 -device virtio-rng-device; }
peer_pci()
{
	microvm -drive "if=none,id=d0,format=raw,file=$disk" -device virtio-blk-pci,drive=d0 -device virtio-rng-pci
	VMM=("${VMM[@]/#microvm,/microvm,pcie=on,}")
}

# appends the time until init's first line, and the CPU time, to the variables NAME and NAME_cpu
boot() # NAME
{
	local try
	for try in 1 2 3; do
		! "$METER" until $((40 * RIG_SLOW)) "guest: up" "${VMM[@]}" >"$TMP/until" 2>"$TMP/err" || break
		echo "# attempt $try: $(tail -n 1 "$TMP/err")"
	done
	[ -s "$TMP/until" ] || exit 1
	printf -v "$1" '%s' "${!1} $(awk '/^until/ { print int($2 / 1000) }' "$TMP/until")"
}
nidus="" micro="" pci=""
once()
{
	nidus_vm -d "$disk"
	boot nidus
	peer
	boot micro
	peer_pci
	boot pci
}
once
nidus="" micro="" pci=""
times once

# Pss of every mapping but guest RAM, KiB; threads without the kernel's workers
footprint()
{
	vmm_start
	vm_expect "guest: ready" 120 || vmm_failed
	pss=$(awk -v ram=$((MEM * 1024)) '/^Size:/ { big = $2 >= ram } /^Pss:/ && !big { sum += $2 } END { print sum }' \
		"/proc/$VM_PID/smaps")
	threads=$(cat "/proc/$VM_PID"/task/*/comm | grep -vcE '^(iou-|vhost-|kvm-)')
	vm_stop
}
nidus_vm -d "$disk"
footprint
n_pss=$pss n_threads=$threads
peer
footprint

row "exec to init's first line" ms "$nidus" "$micro" "<= 0.5"
row "the same, microvm with pcie=on" ms "$nidus" "$pci" "<= 0.5"
row "memory beside guest RAM (Pss)" KiB "$n_pss" "$pss" "< 2048"
row "threads at 1 vCPU" "" "$n_threads" "$threads" 2
row "stripped binary" KiB "${SIZES% *}" "$(($(stat -Lc %s "$PEER/root/usr/bin/qemu-system-x86_64") / 1024))"
row "stripped static binary (make STATIC=1)" KiB "${SIZES#* }" - "< 1024"
