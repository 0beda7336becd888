#!/bin/sh
# Rules of the tree that a compiler does not check. Prints each breach as file:line and ends with 1 if there is one.
cd "$(dirname "$0")/../.." || exit 1
bad=0

# forbid PATTERN FILES WHY: no line of the files may match (comment lines do not count).
forbid()
{
	[ -n "$2" ] || return
	hits=$(grep -nE "$1" $2 /dev/null | grep -vE '^[^:]*:[0-9]+:[[:space:]]*(/?\*|//)')
	[ -z "$hits" ] && return
	printf '%s\n  -> %s\n' "$hits" "$3"
	bad=1
}
# files PATTERN [EXCEPT]: sources by path
files()
{
	find vmm devices acpi firmware -name '*.[ch]' | grep -E "$1" | grep -vE "${2:-^$}"
}

guest=$(files '^devices/')
# A handler that the host's failed memory called in the midst of anything can do nothing else.
forbid '\b(assert|abort|exit|_exit|quick_exit)[[:space:]]*\(' "$(files . '^vmm/mem_fail\.c$')" 'nothing ends nidus but the end of main(): set device state and log_guest(), or return'
forbid '"vmm/(vm|vm_priv|vcpu|kvm|plat)\.h"' "$guest" 'devices know nothing of the VM above them'
forbid '\bmem_(read|write|iov|load|store|zero|cmpxchg64)[[:space:]]*\(' "$(files '^devices/' '^devices/(viommu/|power_x86)')" 'devices reach memory through dma_*() only'
forbid '<linux/kvm\.h>' "$(files . '^vmm/(kvm|vcpu|irq_kvm|arch_|cpuid_|check)')" 'the KVM ABI stops in kvm, vcpu, irq_kvm and arch'
forbid '<linux/vfio\.h>|<linux/iommufd\.h>' "$(files . '^vmm/(vfio|iommufd)')" 'these ABIs have one header each of our own'
forbid '"vmm/(mem|bus|irq|pci|event)\.h"|<linux/' "$(files 'devices/viommu/.*_decode\.[ch]')" 'decoding is pure'
forbid '\b(sprintf|strcpy|strcat|gets|strtok|alloca|atoi|atol|system|popen)[[:space:]]*\(' "$(files .)" 'unbounded or unchecked'
forbid '\b[fs]?scanf[[:space:]]*\(' "$(files .)" 'strtoull() and its like: scanf is a tenth of the static binary'
forbid '#[[:space:]]*if.*__(x86_64|aarch64)__' "$(files .)" 'the Makefile chooses the architecture, by file'
forbid 'T[O]DO|F[I]XME|X[X]X' "$(files .)" 'finish it or open an issue'

# Every product source has a unit test of its name; machine_*.c is the architecture's half of vm.c.
for f in $(files '\.c$' '^vmm/machine_[a-z0-9_]*\.c$'); do
	n=$(basename "$f" .c)
	[ -n "$(ls tests/unit/test_"$n".c tests/unit/test_"$n"_*.c 2>/dev/null)" ] || { echo "$f: no unit test tests/unit/test_$n.c"; bad=1; }
done

# Size: a reader should be able to hold a file in the head.
for f in $(files .); do
	n=$(wc -l <"$f")
	[ "$n" -le 800 ] || { echo "$f: $n lines; split it at 800"; bad=1; }
done
awk 'length($0) > 165 { printf "%s:%d: %d columns\n", FILENAME, FNR, length($0); bad = 1 } END { exit bad }' $(files .) || bad=1

[ $bad -eq 0 ] && echo "rules: 1 passed, 0 failed, 0 skipped" || echo "rules: 0 passed, 1 failed, 0 skipped"
exit $bad
