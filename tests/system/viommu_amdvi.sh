#!/bin/bash
# rig: level=stock mem=3G guests=7-generic,6.12-generic,6.1-generic timeout=800
# A disk and a network card behind the software AMD-Vi unit, a disk outside: stock kernels with AMD's driver find it, use guest (v2) tables, and the
# data is right. A kernel that insists on host (v1) tables is cut off, is told why, and goes on with what is outside.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/sock.sh"

inside=$(disk_image 64M ext4)
outside=$(disk_image 64M ext4)
sock=$(host_sock 7-generic)

# amd_guest GUEST <SCRIPT: what Linux made of the unit, then the script. eth0 is the card behind it.
amd_guest()
{
	guest_script "$1" <<END
dmesg | grep -E 'AMD-Vi|IVRS|iommu: Default|Firmware Bug' | while read -r l; do mark "log: \$l"; done
for d in /sys/bus/pci/devices/*; do mark "domain \${d##*/}=\$(cat "\$d/iommu_group/type" 2>/dev/null || echo none)"; done
net_up() { load virtio_net; ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up; }
$(cat)
END
}

# vm SECONDS GUEST INITRD OPTION...: runs it with the host's end of the network in place
vm()
{
	local bound=$1 guest=$2 initrd=$3
	shift 3
	ip tuntap add tap0 mode tap
	ip addr add 10.9.0.1/24 dev tap0
	ip link set tap0 up
	"$sock" echo tcp:0.0.0.0:7001 1 >"$TMP/echo" 2>&1 &
	local echo=$!
	vm_run "$bound" -k "$GUESTS/$guest/bzImage" -i "$initrd" -m 256 --viommu amdvi -d "$outside" -d "$inside,viommu=on" \
		-n tap=tap0,viommu=on --report "$TMP/report" "$@"
	kill "$echo" 2>/dev/null
	ip tuntap del tap0 mode tap
}

# translated NAME GUEST REGEX-OF-TYPE KIB OPTION...: KIB over the card
translated()
{
	local name=$1 guest=$2 type=$3 kib=$4
	shift 4
	vm 200 "$guest" "$(amd_guest "$guest" <<END
say_machine
disk_write /dev/vdb
disk_write /dev/vda
net_up
mark "bulk \$(sock pump tcp:10.9.0.1:7001 $kib)"
END
)" "$@"
	check "$name: the domains of disk and card are $type" [ "$(grep -cE "domain 0000:00:0[23].0=($type)" "$VM_CONSOLE")" = 2 ]
	check "$name: what is outside has none" grep -q 'domain 0000:00:01.0=none' "$VM_CONSOLE"
	check "$name: both disks' data is right" [ "$(grep -c 'disk sum equal' "$VM_CONSOLE")" = 2 ]
	expect_console "$name: the card's data comes back right" "bulk sock: $kib KiB"
	check "$name: no firmware bug, no event, no time-out" [ "$(grep -ciE 'firmware bug|event logged|timed out' "$VM_CONSOLE")" = 0 ]
	no_complaint "$name"
	expect_status "$name: ends well" 0
	expect_quiet "$name: nothing to say"
	note "$(tr -d '\n ' <"$TMP/report" | grep -o '"viommu-own":{[^}]*}')"
	note "$(grep -aE 'guest: (log|domain)' "$VM_CONSOLE" | tr -d '\r')"
}

hatdis()
{
	expect_console "$1: HATDis is honoured" "Host Address Translation is not supported"
	expect_console "$1: guest tables" "V2 page table enabled"
}

# There is no interrupt remapping, and Linux takes an IOAPIC that is not in the IVRS for a fault of the firmware unless it is told not to look.
translated "7.x" 7-generic 'DMA|DMA-FQ' 4096 -p "quiet intremap=off"
hatdis 7.x
check "and the unit saw invalidations" grep -qE '"invalidations": *[1-9]' "$TMP/report"
translated "7.x, strict" 7-generic DMA 1024 -c 4 -p "quiet intremap=off iommu.strict=1"
hatdis "7.x, strict"
translated "7.x, pass-through" 7-generic identity 4096 -p "quiet intremap=off iommu=pt"
for v in 6.1 6.12; do
	translated "$v with pgtbl_v2" $v-generic 'DMA|DMA-FQ' 4096 -p "quiet intremap=off amd_iommu=pgtbl_v2"
	expect_console "$v: guest tables" "V2 page table enabled"
done
translated "6.1, pass-through" 6.1-generic identity 1024 -p "quiet intremap=off iommu=pt"

# No disk behind the unit here: it would hold up its driver, and with it all that follows in the guest.
vm_blocked()
{
	ip tuntap add tap0 mode tap
	ip addr add 10.9.0.1/24 dev tap0
	ip link set tap0 up
	vm_run 140 -k "$GUESTS/6.12-generic/bzImage" -i "$1" -m 256 --viommu amdvi -d "$outside" -n tap=tap0,viommu=on -p quiet --report "$TMP/report"
	ip tuntap del tap0 mode tap
}

vm_blocked "$(amd_guest 6.12-generic <<'END'
disk_write /dev/vda
net_up
ping -c 2 -W 2 10.9.0.1 >/dev/null && mark "ping got through"
dmesg | grep -F 'Event logged' | head -n 1 | while read -r l; do mark "log: $l"; done
mark "still here"
END
)"
expect_console "6.12 as it is: the disk outside works" "disk sum equal"
check "6.12 as it is: the card is cut off" [ "$(grep -c 'ping got through' "$VM_CONSOLE")" = 0 ]
expect_console "6.12 as it is: the console goes on" "guest: still here"
expect_console "6.12 as it is: the guest's log says why" "ILLEGAL_DEV_TABLE_ENTRY"
expect_stderr "6.12 as it is: nidus says what to do" 'v1 IOMMU page tables.*amd_iommu=pgtbl_v2'
check "6.12 as it is: in one line" [ "$(grep -c 'viommu-own' "$VM_STDERR")" = 1 ]
check "without intremap=off Linux speaks of the IOAPIC, and of nothing else" \
	[ "$(grep -aF 'guest: log:' "$VM_CONSOLE" | grep -F 'Firmware Bug' | grep -cv IOAPIC)" = 0 ]
note "$(cat "$VM_STDERR")"
note "$(tr -d '\n ' <"$TMP/report" | grep -o '"viommu-own":{[^}]*}')"
note "$(grep -aE 'guest: (log|domain)' "$VM_CONSOLE" | tr -d '\r')"
expect_status "6.12 as it is: ends well" 0
