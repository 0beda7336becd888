# tests/system/inc/vfio.sh - shared by the tests with assigned devices; sourced after lib.sh.

# find_function VENDOR:DEVICE [N]: the BDF of the N-th such function of the emulated host (first: 1)
find_function()
{
	local d n=0
	for d in /sys/bus/pci/devices/*; do
		[ "$(cat "$d/vendor" "$d/device" | tr -d '\n')" = "0x${1%:*}0x${1#*:}" ] || continue
		n=$((n + 1))
		[ $n != "${2:-1}" ] || { basename "$d"; return; }
	done
}

# The address of a network card is its BDF's key: card_with MAC
card_with()
{
	local d
	for d in /sys/bus/pci/devices/*; do
		[ "$(cat "$d"/net/*/address "$d"/virtio*/net/*/address 2>/dev/null)" != "$1" ] || { basename "$d"; return; }
	done
}

# A number of the last run's report ($TMP/report), -1 if it is not there: counted_in SECTION KEY
counted_in()
{
	local n
	n=$(awk -v section="\"$1\":" -v key="\"$2\":" '$1 == section { on = 1 } on && $1 == key { print $2 + 0; exit }' "$TMP/report" 2>/dev/null)
	echo "${n:--1}"
}

# own_card MAC: the host's own card of that address, up as 10.9.0.1, sets $own to its interface. It sends nothing of its own accord (IPv6's
# neighbours and routers), which would reach an assigned card at any time.
own_card()
{
	own=$(basename "/sys/bus/pci/devices/$(card_with "$1")"/net/*)
	echo 1 >"/proc/sys/net/ipv6/conf/$own/disable_ipv6"
	ip link set "$own" up
	ip addr add 10.9.0.1/24 dev "$own"
}

driver_of() { basename "$(readlink "/sys/bus/pci/devices/$1/driver")" 2>/dev/null; }

# Bit 2 of the command register: bus mastering.
bus_master() { echo $((($(od -An -tu1 -j4 -N1 "/sys/bus/pci/devices/$1/config") >> 2) & 1)); }

# Pages that the kernel has pinned for devices, less those it has let go. Each CPU counts up to a hundred of them for itself for a second;
# writing to stat_refresh adds these up.
pinned()
{
	echo >/proc/sys/vm/stat_refresh
	awk '/^nr_foll_pin_acquired/ { n += $2 } /^nr_foll_pin_released/ { n -= $2 } END { print n }' /proc/vmstat
}

# No process has a file of a device, or an iommufd with its objects.
no_open_file() { [ "$(readlink /proc/[0-9]*/fd/* 2>/dev/null | grep -cE '^/dev/(iommu|vfio)')" = 0 ]; }

# What a clean run leaves: no DMA by the device, nothing pinned, no complaint of the kernel.
expect_clean()
{
	check "$1: bus mastering is off" [ "$(bus_master "$2")" = 0 ]
	if dmesg | grep -iE 'dmar.*fault|WARNING|BUG:|leak|vfio.*(fail|error)' >"$TMP/dmesg"; then
		sed 's/^/# /' "$TMP/dmesg"
		not_ok "$1: the host's kernel has nothing to complain of"
	else
		ok "$1: the host's kernel has nothing to complain of"
	fi
}

# expect_tables NAME DOMAIN: what the guest's own tables came to in two boots, by the report, for a device alone behind the unit of dmar0
expect_tables()
{
	local n
	n=$(counted_in viommu-dmar0 pass_through)
	if [ "$2" = identity ]; then
		check "$1: attached to the parent in both boots" [ "$n" -ge 2 ]
	else
		check "$1: first-stage tables in both boots" [ $(($(counted_in viommu-dmar0 attaches) - n)) -ge 2 ]
	fi
	check "$1: no fault" [ "$(counted_in viommu-dmar0 faults)" = 0 ]
	check "$1: invalidations are put together for the host" [ "$(counted_in viommu-dmar0 host_calls)" -le "$(counted_in viommu-dmar0 invalidations)" ]
}
