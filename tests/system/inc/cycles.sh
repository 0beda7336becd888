# shellcheck shell=bash
# tests/system/inc/cycles.sh - a VM with an assigned NVMe controller ended in every way while the controller does DMA, for vfio_cycles.sh and
# vfio_nested_cycles.sh; sourced after vfio.sh.
#
#   cycles DOMAIN [OPTION...]   DOMAIN: what the guest calls the controller's IOMMU domain, or none; OPTION: of `run`, beside those of the
#                               controller, whose address is $bdf

nothing_left() # NAME
{
	check "$1: nothing is pinned" [ "$(pinned)" = "$before" ]
	check "$1: no file of the device is open" no_open_file
	expect_clean "$1" "$bdf"
}

cycles()
{
	local initrd i domain=$1
	shift
	# Reads without end; the second word of a mark tells that it is under way.
	initrd=$(guest_script rig <<'END'
(while :; do dd if=/dev/nvme0n1 of=/dev/null bs=1M count=64 iflag=direct 2>/dev/null && mark "read on"; done) &
dd if=/dev/nvme0n1 of=/dev/null bs=1M count=4 iflag=direct 2>/dev/null && mark "loaded"
mark "domain $(cat /sys/bus/pci/devices/0000:01:00.0/iommu_group/type 2>/dev/null || echo none)"
grep -qw once /proc/cmdline || sleep 600
END
)
	set -- -k "$GUESTS/rig/bzImage" -i "$initrd" -m 128 --rng off --vfio "$bdf" "$@"
	before=$(pinned)
	vm_start "$@" -p quiet
	check "reading" vm_expect "guest: domain" 120
	check "all RAM is pinned meanwhile" [ $(($(pinned) - before)) -ge $((128 * 256 - 512)) ]
	expect_console "the IOMMU domain in the guest" "guest: domain $domain"
	vm_stop
	for i in $(seq "$CYCLES"); do
		# By turns the guest powers off, and nidus is told twice to end: the second time is not waited for.
		if [ $((i % 2)) = 1 ]; then
			vm_run 120 "$@" -p "quiet once" --log debug
			expect_status "cycle $i: it works and powers off" 0
			expect_console "cycle $i: reading" "guest: loaded"
		else
			vm_start "$@" -p quiet --log debug
			check "cycle $i: reading" vm_expect "guest: loaded" 120
			vm_signal TERM
			vm_signal TERM
			vm_wait 20
			expect_status "cycle $i: it is stopped" 82
		fi
		check "cycle $i: every iommufd object was given back by name" [ "$(grep -c 'was left over' "$VM_STDERR")" = 0 ]
		nothing_left "cycle $i"
	done
	for i in $(seq "$KILLS"); do
		vm_start "$@" -p quiet
		check "kill $i: the start before it works" vm_expect "guest: loaded" 120
		vm_signal KILL
		vm_wait 20
		nothing_left "kill $i"
	done
	check "the host's driver takes the device back" "$NIDUS" unbind "$bdf"
	i=0
	while [ ! -b /dev/nvme0n1 ] && [ $i -lt 30 ]; do sleep 1; i=$((i + 1)); done
	check "and reads from it" dd if=/dev/nvme0n1 of=/dev/null bs=1M count=4 iflag=direct status=none
}
