# shellcheck shell=bash
# tests/bench/inc/viommu.sh - a virtio disk and a network card behind a unit and outside, beside QEMU's of the same kind; sourced at the end of a script of
# rows, which sets:
#   UNIT        nidus's --viommu
#   WORDS       for the guest's command line
#   ACCESSES    to the unit's registers for a map and its unmap, where each unmap is waited for: what is wanted
#   PEER_UNIT   QEMU's -device
#   PEER_CARD   what its virtio devices need besides iommu_platform=on
#   PEER_VHOST  on or off: vhost-net behind the unit
#   PEER_NEW    not empty: the rig's own QEMU, 11.1, instead of the distribution's; it has no io_uring
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# Less than for the network's own figures: each page goes through the kernel's device IOTLB, slowly on an emulated CPU.
BENCH_NET_MIB=${BENCH_NET_MIB:-4}
. "$(dirname "${BASH_SOURCE[0]}")/net.sh"

N=${BENCH_READS:-1000}
APPEND="quiet rand=$N $WORDS"
EXTRA='
word() { sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
/meter read /dev/vda 4096 100 rand >/dev/null
mark "rand $(/meter read /dev/vda 4096 $(word rand) rand | sed "s/read //") ns"
f=$(basename $(realpath /sys/class/net/eth0/device/..))
mark "domain $(cat /sys/bus/pci/devices/$f/iommu_group/type 2>/dev/null || echo none)"
if [ -n "$(word maps)" ]; then
	mount -t debugfs debug /sys/kernel/debug 2>/dev/null
	mount -t tracefs trace /sys/kernel/tracing 2>/dev/null
	echo $f >/sys/bus/pci/drivers/virtio-pci/unbind
	echo dma_map_benchmark >/sys/bus/pci/devices/$f/driver_override
	echo $f >/sys/bus/pci/drivers_probe
	mark "before"
	read -r go
	mark "$(dmabench $(word maps))"
	mark "after"
	read -r go
fi
'
net_ready "$EXTRA"
disk=$(disk_image 64M)

outside_nidus() { nidus_vm -d "$disk" -n tap=tap0; }
inside_nidus() { nidus_vm -d "$disk,viommu=on" -n tap=tap0,viommu=on --viommu "$UNIT" "$@"; }
qemu_with() # VHOST DEVICE_OPTIONS [OPTION...]
{
	local vhost=$1 o=$2 aio=${PEER_NEW:+threads}
	shift 2
	q35 "$@" -object iothread,id=t0 -drive "if=none,id=d0,format=raw,aio=${aio:-io_uring},file=$disk" \
		-device "virtio-blk-pci,drive=d0,iothread=t0,disable-legacy=on$o" \
		-netdev "tap,id=n0,ifname=tap0,script=no,downscript=no,vhost=$vhost" -device "virtio-net-pci,netdev=n0,romfile=,disable-legacy=on$o"
	[ -z "$PEER_NEW" ] || rigs_qemu
}
outside_qemu() { qemu_with on ""; }
inside_qemu() { qemu_with "$PEER_VHOST" ",iommu_platform=on$PEER_CARD" -device "$PEER_UNIT"; }

measure() # NAME none|DMA
{
	net_measure "$1"
	grep -aq "guest: domain $2" "$VM_CONSOLE" || { echo "$1: not the domain $2"; exit 1; }
	printf -v "$1_rand" '%s' "$(eval echo "\${$1_rand:-}") $(said rand)"
}
once()
{
	outside_nidus
	measure no none
	inside_nidus
	measure ni DMA
	outside_qemu
	measure qo none
	inside_qemu
	measure qi DMA
}
times once

# NAME1's median over NAME2's, for lists of the two
over() { awk -v a="$(eval median "\$$1")" -v b="$(eval median "\$$2")" 'BEGIN { printf "%.2f", a / b }'; }
us() { local v; for v in $1; do echo $((v / 1000)); done; }
row "disk: 4 KiB random reads, outside" us/read "$(us "$no_rand")" "$(us "$qo_rand")"
row "disk: 4 KiB random reads, behind" us/read "$(us "$ni_rand")" "$(us "$qi_rand")" "<= 1"
row "disk: speed behind of that outside" "" "$(over no_rand ni_rand)" "$(over qo_rand qi_rand)" ">= 0.8 in nidus"
net_rows ", outside" no qo
net_rows ", behind" ni qi "<= 1" ">= 1"
row "ping: speed behind of that outside" "" "$(over no_ping ni_ping)" "$(over qo_ping qi_ping)" ">= 0.8 in nidus"
row "bulk out: speed behind of that outside" "" "$(over ni_send no_send)" "$(over qi_send qo_send)" ">= 0.8 in nidus"
row "bulk in: speed behind of that outside" "" "$(over ni_recv no_recv)" "$(over qi_recv qo_recv)" ">= 0.8 in nidus"

# exits to user space and in all, for a map and its unmap
exits_of() # SETUP...
{
	local a b
	"$@"
	vmm_start_held
	vm_expect "guest: before" 120 || vmm_failed
	a=$(kvm_exits)
	vmm_go
	vm_expect "guest: after" 120 || vmm_failed
	b=$(kvm_exits)
	vmm_go
	vm_wait 60
	exec 5>&-
	EXITS=$(per $((b - a)) "$(mapped pairs)")
	MAP=$(mapped map) UNMAP=$(mapped unmap)
}
for mode in strict lazy; do
	APPEND="quiet rand=100 maps=2 $WORDS$([ $mode = lazy ] || echo " iommu.strict=1")"
	exits_of inside_nidus --report "$TMP/report"
	n_accesses=$(per "$(counted accesses)" "$(mapped pairs)")
	n_exits=$EXITS n_map=$MAP n_unmap=$UNMAP
	exits_of inside_qemu
	row "register accesses of the unit for a map and its unmap, $mode" "" "$n_accesses" - "$([ $mode = lazy ] && echo "far below 1" || echo "$ACCESSES")"
	row "exits of any kind for a map and its unmap, $mode" "" "$n_exits" "$EXITS"
	row "map, $mode" ns "$n_map" "$MAP" "<= 1"
	row "unmap, $mode" ns "$n_unmap" "$UNMAP" "<= 1"
done
remark "register accesses are all since the VM's start: those of booting and of 200 reads are among them"
