# shellcheck shell=bash
# tests/system/inc/nvme.sh - an assigned NVMe controller with a file system, in a guest of any kernel; sourced after boot.sh and vfio.sh.

# nvme_initrd GUEST: two boots, each with $NVME_MIB MiB written and verified, and the first one's verified in the second
nvme_initrd()
{
	guest_script "$1" <<END
load nvme
say_machine
i=0
while [ ! -b /dev/nvme0n1 ] && [ \$i -lt 60 ]; do sleep 1; i=\$((i + 1)); done
mark "domain \$(cat /sys/bus/pci/devices/0000:01:00.0/iommu_group/type 2>/dev/null || echo none)"
twice_booted /dev/nvme0n1 $NVME_MIB
END
}

# nvme_run NAME GUEST INITRD DOMAIN APPEND BDF [OPTION...]: two CPUs, reboot in place; DOMAIN is the type of the controller's IOMMU domain
nvme_run()
{
	local name=$1 guest=$2 initrd=$3 domain=$4 append=$5 bdf=$6 when
	shift 6
	vm_run 400 -k "$GUESTS/$guest/bzImage" -i "$initrd" -c 2 -m 384 -p "quiet $append" --vfio "$bdf" --on-reboot reset --report "$TMP/report" "$@"
	check "$name: two CPUs in both boots" [ "$(grep -c 'guest: kernel .* cpus 2 ' "$VM_CONSOLE")" = 2 ]
	check "$name: the domain's type in both boots" [ "$(grep -cE "guest: domain $domain"$'\r?$' "$VM_CONSOLE")" = 2 ]
	for when in "first boot" "over the reboot" "second boot"; do
		expect_console "$name: $NVME_MIB MiB in a file system, $when" "guest: $when sum equal"
	done
	no_complaint "$name"
	expect_status "$name: the end" 0
	expect_quiet "$name: nidus has nothing to say"
	check "$name: memory was mapped once, at the start" [ "$(counted_in iommufd maps)" = 1 ]
	expect_clean "$name" "$bdf"
}
