# shellcheck shell=bash
# tests/bench/lib.sh - helpers of the benchmarks. It takes in tests/system/lib.sh, whose helpers may be used but for those that print results.
#
#   row WHAT UNIT NIDUS PEER [WANTED]  a line of the table: medians of two lists of numbers ("-": none), and their ratio
#   remark TEXT                        a line below it
#   times COMMAND...                   runs COMMAND BENCH_RUNS times; what it measures in one go is then taken in turn
#   median NUMBER...                   prints it
#   said NAME                          the number in the console's line `guest: NAME NUMBER`
#   microvm [OPTION...]                sets VMM to QEMU's microvm machine with KERNEL, INITRD, MEM (MiB) and the words APPEND
#   q35 [OPTION...]                    ... to its PCI Express machine
#   rigs_qemu                          makes VMM, a machine of QEMU's, one of the rig's own QEMU (11.1)
#   nidus_vm [OPTION...]               ... to nidus with the same
#   vmm_start_held                     starts VMM with an input, descriptor 5, on which its guest can wait: a line by each vmm_go
#   vmm_run SECONDS                    runs VMM to its end; console in VM_CONSOLE
#   per A B                            A for each B
#   mapped pairs|map|unmap             what the guest's dmabench printed: how many, nanoseconds
#   counted KEY                        the number of that name of the first IOMMU unit in the report $TMP/report
#   kvm_exits                          all exits of the VM that runs, those that KVM handles itself too (debugfs)
#
# Environment: METER (the program meter.c), BENCH_RUNS, PEER (folder of the distribution's QEMU), PEER_NEST (of the rig's own), SIZES (see bench.sh).

. "$(dirname "${BASH_SOURCE[0]}")/../system/lib.sh"
trap 'vm_stop; rm -rf "$TMP"' EXIT

APPEND="" MEM=128 VMM=()
# what nidus adds where a user gave nothing
PEER_APPEND="console=ttyS0 panic=-1 reboot=panic_warm"

median() { printf '%s\n' "$@" | sort -g | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)]; else print "-" }'; }

row()
{
	local a b
	# shellcheck disable=SC2086
	a=$(median $3) b=$(median $4)
	printf 'row\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$a" "$b" \
		"$(awk -v a="$a" -v b="$b" 'BEGIN { if (a + 0 == a && b + 0 == b && b) printf "%.2f", a / b; else print "-" }')" "${5:-}"
}

remark() { printf 'remark\t%s\n' "$1"; }
times() { local i; for ((i = 0; i < BENCH_RUNS; i++)); do "$@"; done; }
said() { sed -n "s/.*guest: $1 \([0-9.][0-9.]*\).*/\1/p" "$VM_CONSOLE" | head -n 1; }

nidus_vm() { VMM=("$NIDUS" run -k "$KERNEL" -i "$INITRD" -m "$MEM" -p "$APPEND" "$@"); }

microvm()
{
	VMM=("$PEER/bin/qemu-system-x86_64" -accel kvm -cpu host -smp 1 -m "$MEM" -nodefaults -no-user-config -display none -serial stdio -no-reboot
		-M "${MICROVM:-microvm,x-option-roms=off,pit=off,pic=off,rtc=off}" -bios qboot.rom -kernel "$KERNEL" -initrd "$INITRD"
		-append "$PEER_APPEND $APPEND" "$@")
}

q35()
{
	VMM=("$PEER/bin/qemu-system-x86_64" -accel kvm -cpu host -smp 1 -m "$MEM" -nodefaults -no-user-config -display none -serial stdio -no-reboot
		-kernel "$KERNEL" -initrd "$INITRD" -append "$PEER_APPEND $APPEND" -M q35,kernel-irqchip=split "$@")
}

rigs_qemu()
{
	local lib=$PEER/root/usr/lib/x86_64-linux-gnu:$PEER/root/lib/x86_64-linux-gnu
	VMM=(env "LD_LIBRARY_PATH=$lib" "$PEER_NEST/qemu-system-x86_64" -L "$PEER/share" "${VMM[@]:1}")
}

vmm_start()
{
	VM_STATUS=""
	"${VMM[@]}" </dev/null >"$VM_CONSOLE" 2>"$VM_STDERR" &
	VM_PID=$!
}

vmm_start_held()
{
	mkfifo "$TMP/in"
	VM_STATUS=""
	"${VMM[@]}" <"$TMP/in" >"$VM_CONSOLE" 2>"$VM_STDERR" &
	VM_PID=$!
	exec 5>"$TMP/in"
	rm "$TMP/in"
}

vmm_go() { echo go >&5; }

# The emulated CPU's own faults end a VM now and then, nidus's and the peer's alike: three attempts.
vmm_run()
{
	local try
	for try in 1 2 3; do
		vmm_start
		vm_wait "$1"
		[ "$VM_STATUS" != 0 ] || return 0
		echo "# attempt $try: ${VMM[0]##*/} ended with $VM_STATUS: $(tail -n 1 "$VM_STDERR")"
	done
	vmm_failed
}

vmm_failed()
{
	echo "${VMM[0]##*/} ended with $VM_STATUS:"
	cat "$VM_STDERR"
	tail -n 5 "$VM_CONSOLE" | tr -d '\r'
	exit 1
}

kvm_exits() { cat /sys/kernel/debug/kvm/"$VM_PID"-*/exits 2>/dev/null | awk '{ n += $1 } END { print n + 0 }'; }

per() { awk -v a="$1" -v b="$2" 'BEGIN { if (b + 0) printf "%.3f", a / b; else print "-" }'; }
mapped() { sed -n "s/.*dmabench:.* $1 \([0-9]*\).*/\1/p" "$VM_CONSOLE"; }
counted() { awk -v key="\"$1\":" '$1 ~ /^"viommu-/ { on = 1 } on && $1 == key { print $2 + 0; exit }' "$TMP/report"; }
