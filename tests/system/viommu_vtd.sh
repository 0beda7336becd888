#!/bin/bash
# rig: level=stock mem=3G guests=rig,6.1-cloud,6.12-cloud,7-cloud timeout=700
# A disk and a NIC behind the software VT-d unit: stock and rig kernels find it, translate, and disk and network data are right, both at once;
# vhost-net by its device IOTLB. Exits per map and unmap, counted with the kernel's DMA map benchmark. A
# guest that refuses scalable mode ignores the unit, and its devices work all the same.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/sock.sh"

KIB=$((NET_MIB * 1024))
disk=$(disk_image 64M ext4)
sock=$(host_sock rig)
ip tuntap add tap0 mode tap
ip addr add 10.9.0.1/24 dev tap0

# dmar_guest GUEST: an initrd that says what Linux made of the unit, and loads disk and network at once
dmar_guest()
{
	cat "$(dirname "$0")/inc/dma.sh" - <<END | guest_script "$1"
say_machine
dmesg | grep -iE 'dmar|iommu' | grep -v 'SECURITY\|\*\*' | while read -r l; do mark "dmar: \$l"; done
load virtio_net
type() { cat "\$(readlink -f "\$1")/iommu_group/type" 2>/dev/null || echo none; }
mark "disk type \$(type /sys/block/vda/device/..) net type \$(type /sys/class/net/eth0/device/..)"
ip addr add 10.9.0.2/24 dev eth0 && ip link set eth0 up
mark "net up"
sock pump tcp:10.9.0.1:7001 $KIB >/tmp/net 2>&1 &
disk_write /dev/vda
wait
mark "bulk \$(cat /tmp/net)"
mark "bad sums \$(awk '/^Tcp:/ { v = \$NF } END { print v }' /proc/net/snmp)"
if grep -q bench /proc/cmdline; then
	mark "bench ready"
	sock echo tcp:0.0.0.0:7002 1
	dma_bench 2
	mark "bench done"
	sock echo tcp:0.0.0.0:7002 1
fi
mark "faults \$(dmesg | grep -c 'DMAR:.*fault\|DRHD: handling fault')"
END
}

# boot GUEST CMDLINE OPTION...
boot()
{
	local guest=$1 cmdline=$2
	shift 2
	# Each guest has a server of its own: one that died in the middle must not stop the next.
	"$sock" echo tcp:0.0.0.0:7001 9 >"$TMP/echo" 2>&1 &
	server=$!
	vm_start -k "$GUESTS/$guest/bzImage" -i "$(dmar_guest "$guest")" -p "quiet $cmdline" --viommu vtd -d "$disk,viommu=on" \
		-n tap=tap0,viommu=on --report "$TMP/report" "$@"
}

ended()
{
	vm_wait $((200 + 8 * NET_MIB))
	kill "$server"
}

# translated NAME REGEX-OF-TYPE DEFAULT-DOMAIN: after boot
translated()
{
	ended
	check "$1: Linux finds the unit and queued invalidation" grep -q 'dmar: .*[Qq]ueued invalidation' "$VM_CONSOLE"
	check "$1: default domain $3" grep -q "dmar: .*iommu: Default domain type: $3" "$VM_CONSOLE"
	check "$1: disk and NIC are in such domains" grep -qE "disk type ($2) net type ($2)" "$VM_CONSOLE"
	both_work "$1"
	note "$(unit_report)"
}

both_work()
{
	expect_console "$1: the disk's data is right" "disk sum equal"
	expect_console "$1: the network's data is right" "guest: bulk sock: $KIB KiB"
	expect_console "$1: no wrong checksum" "guest: bad sums 0"
	expect_console "$1: no DMA fault" "guest: faults 0"
	expect_status "$1: ends well" 0
	expect_quiet "$1: nidus has nothing to say"
}

unit_report() { tr -d '\n ' <"$TMP/report" | grep -o '"viommu-own":{[^}]*}'; }

# exits that were accesses to emulated memory (all else is the timer and interrupts), of the VM now
mmio_exits() { awk '{ n += $1 } END { print n }' /sys/kernel/debug/kvm/"$VM_PID"-*/mmio_exits; }
# lets the guest go on, which serves one connection to say that it waits
go() { "$sock" pump tcp:10.9.0.2:7002 1 >/dev/null 2>&1; }

# exits NAME PERCENT: after boot; what the benchmark's pairs of map and unmap cost
exits()
{
	local before after n
	vm_expect "guest: bench ready" $((120 + 8 * NET_MIB))
	before=$(mmio_exits)
	go
	vm_expect "guest: bench done" 60
	after=$(mmio_exits)
	go
	n=$(sed -n 's/.*dmabench: pairs \([0-9]*\) .*/\1/p' "$VM_CONSOLE")
	note "$1: $((after - before)) MMIO exits, $(grep -ao 'dmabench: .*' "$VM_CONSOLE" | tr -d '\r')"
	check "$1: the benchmark ran" [ "${n:-0}" -gt 300 ]
	# 50: the two connections
	check "$1: exits are at most $2 % of the pairs of map and unmap" [ $(((after - before - 50) * 100)) -le $((${n:-0} * $2)) ]
}

boot rig bench -m 256 -c 2 --testdev
check "the NIC is served by vhost-net" sh -c "for i in \$(seq 600); do grep -q vhost /proc/$VM_PID/task/*/comm && exit; sleep 0.2; done; exit 1"
exits "rig kernel, lazy" 10
translated "rig kernel" 'DMA|DMA-FQ' Translated
check "and the unit saw invalidations" grep -qE '"invalidations": *[1-9]' "$TMP/report"
boot rig "iommu.strict=1 bench" -m 256 --testdev
exits "rig kernel, strict" 100
translated "rig kernel, strict" DMA Translated
boot rig iommu=pt -m 256
translated "rig kernel, pass-through" identity Passthrough
boot 6.1-cloud intel_iommu=on -m 256
translated "stock 6.1" 'DMA|DMA-FQ' Translated
boot 6.12-cloud intel_iommu=on -m 256 -c 4
translated "stock 6.12" 'DMA|DMA-FQ' Translated
boot 7-cloud intel_iommu=on -m 256
translated "stock 7" 'DMA|DMA-FQ' Translated

boot 6.1-cloud intel_iommu=on,sm_off -m 256
ended
check "sm_off: the guest cannot get a valid agaw" grep -q 'agaw' "$VM_CONSOLE"
expect_console "sm_off: the unit is ignored" "disk type none net type none"
both_work sm_off

ip tuntap del tap0 mode tap
