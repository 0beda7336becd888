#!/bin/bash
# rig: level=nest mem=2G guests=6.12-generic,7-generic qemu=-device qemu=edu,dma_mask=0xffffffffffffffff qemu=-drive qemu=if=none,id=a0,driver=null-co,size=67108864,read-zeroes=on,snapshot=on qemu=-device qemu=pcie-root-port,id=ra,chassis=8,slot=8 qemu=-device qemu=ich9-ahci,id=ahci,bus=ra qemu=-device qemu=ide-hd,drive=a0,bus=ahci.0 qemu=-device qemu=pcie-root-port,id=rx,chassis=9,slot=9 qemu=-device qemu=nec-usb-xhci,bus=rx,msi=on,msix=off timeout=500
# MSI, which drivers take only where a device has no MSI-X: an AHCI controller with a disk, in stock guests with two CPUs, without a unit and behind
# one, and by its wired interrupt where the guest has no MSI at all; and a USB controller with sixteen messages, by a bare-metal guest.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/inc/boot.sh"
. "$(dirname "$0")/inc/vfio.sh"

# The disk has no file system, since the host has no driver to make one with: 8 MiB from the first one on, and their sum at its start if a boot
# before this one wrote them. Each request is one of 64 KiB, and has its interrupt.
ahci_initrd()
{
	guest_script "$1" <<'END'
load ahci sd_mod
say_machine
i=0
while [ ! -b /dev/sda ] && [ $i -lt 60 ]; do sleep 1; i=$((i + 1)); done
mark "domain $(cat /sys/bus/pci/devices/0000:01:00.0/iommu_group/type 2>/dev/null || echo none)"
taken_by() { awk -v n="$1" '/ahci/ { print $(n + 2); exit }' /proc/interrupts; }
irq=$(awk '/ahci/ { sub(":", "", $1); print $1; exit }' /proc/interrupts)
read_sum() { dd if=/dev/sda bs=64k skip=16 count=128 iflag=direct 2>/dev/null | md5sum | cut -c1-32; }
compare() { if [ "$(read_sum)" = "$2" ]; then mark "$1: sum equal"; else mark "$1: sum differs"; fi; }
kept=$(dd if=/dev/sda bs=32 count=1 2>/dev/null | tr -d '\0')
[ -z "$kept" ] || compare "over the reboot" "$kept"
before=$(($(taken_by 0) + $(taken_by 1)))
dd if=/dev/urandom of=/tmp/d bs=64k count=128 2>/dev/null
dd if=/tmp/d of=/dev/sda bs=64k seek=16 oflag=direct 2>/dev/null
sum=$(md5sum </tmp/d | cut -c1-32)
compare "written" "$sum"
mark "interrupts $(($(taken_by 0) + $(taken_by 1) - before))"
for cpu in 1 0; do
	echo $((1 << cpu)) >/proc/irq/$irq/smp_affinity
	before=$(taken_by $cpu)
	compare "CPU $cpu" "$sum"
	mark "CPU $cpu took $(($(taken_by $cpu) - before))"
done
mark "irq $(grep ahci /proc/interrupts)"
grep -qw once /proc/cmdline && exit 0
if [ -z "$kept" ]; then
	echo "$sum" | dd of=/dev/sda conv=notrunc 2>/dev/null
	sync
	reboot -f
else
	dd if=/dev/zero of=/dev/sda bs=512 count=1 conv=notrunc 2>/dev/null
	sync
fi
END
}

# How many of the console's lines `guest: WHAT N` have an N that is at least so many: so_many WHAT LEAST
so_many() { tr -d '\r' <"$VM_CONSOLE" | awk -v what="guest: $1 " -v least="$2" 'i = index($0, what) { n += substr($0, i + length(what)) + 0 >= least } END { print n + 0 }'; }

# ahci_run NAME GUEST BOOTS DOMAIN APPEND [OPTION...]
ahci_run()
{
	local name=$1 guest=$2 boots=$3 domain=$4 append=$5
	shift 5
	vm_run 300 -k "$GUESTS/$guest/bzImage" -i "$(ahci_initrd "$guest")" -c 2 -m 256 --rng off -p "quiet $append" --vfio "$ahci" \
		--on-reboot reset --report "$TMP/report" "$@"
	note "$name: $(sed -n 's/.*guest: irq//p' "$VM_CONSOLE" | tr -s '\r\n ' ' ')"
	check "$name: the domain's type" [ "$(grep -cE "guest: domain $domain"$'\r?$' "$VM_CONSOLE")" = "$boots" ]
	check "$name: 8 MiB are read back as written" [ "$(grep -c 'guest: written: sum equal' "$VM_CONSOLE")" = "$boots" ]
	[ "$boots" = 1 ] || expect_console "$name: and after a reboot in place" "guest: over the reboot: sum equal"
	check "$name: each request has its interrupt" [ "$(so_many interrupts 250)" = "$boots" ]
	# The one in which the kernel moves it comes to the old CPU.
	for cpu in 1 0; do
		check "$name: they go to CPU $cpu when told to" [ "$(so_many "CPU $cpu took" 120)" = "$boots" ]
	done
	check "$name: and nothing is lost by that" [ "$(grep -cE 'guest: CPU [01]: sum equal' "$VM_CONSOLE")" = $((2 * boots)) ]
	no_complaint "$name"
	expect_status "$name: the end" 0
	expect_quiet "$name: nidus has nothing to say"
	expect_clean "$name" "$ahci"
}

# How many boots had it by a chip of this name
by_chip() { grep -cE "guest: irq .* $1.* ahci" "$VM_CONSOLE"; }

# The machine's own controller, which shares its group with others, has the same identity and comes first.
ahci=$(find_function 8086:2922 2)
check "AHCI: bind" "$NIDUS" bind "$ahci"
# Over a reboot in place as well, but for time only behind the unit if this is no soak.
[ -n "${SOAK:-}" ] && boots=2 || boots=1
ahci_run "6.12-generic" 6.12-generic $boots none "$([ $boots = 2 ] || echo once)"
check "6.12-generic: by MSI" [ "$(by_chip 'PCI-MSI-')" = $boots ]
ahci_run "7-generic behind the unit" 7-generic 2 DMA-FQ "intel_iommu=on" --viommu vtd
check "7-generic behind the unit: by MSI" [ "$(by_chip 'PCI-MSI-')" = 2 ]
expect_tables "7-generic behind the unit" DMA-FQ
ahci_run "7-generic without MSI" 7-generic 1 none "pci=nomsi once"
check "7-generic without MSI: by a wire" [ "$(by_chip 'IO-APIC')" = 1 ]
"$NIDUS" unbind "$ahci"

xhci=$(find_function 1033:0194)
check "xHCI: bind" "$NIDUS" bind "$xhci"
vm_run 60 -k build/x86_64/guests/xhci_msi -m 32 --rng off --vfio "$xhci"
expect_status "sixteen messages: the guest's verdict" 0
expect_console "sixteen messages: it ran to its end" "PASS xhci_msi"
expect_clean "sixteen messages" "$xhci"
"$NIDUS" unbind "$xhci"
