#!/bin/bash
# rig: level=stock mem=3G guests=rig timeout=600
# bench: a network card on a tap, beside QEMU's microvm machine
# vhost-net on both sides, one queue.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../inc/net.sh"

peer() { microvm -netdev tap,id=n0,ifname=tap0,script=no,downscript=no,vhost=on -device virtio-net-device,netdev=n0; }
peer_pci()
{
	microvm -netdev tap,id=n0,ifname=tap0,script=no,downscript=no,vhost=on -device virtio-net-pci,netdev=n0,romfile=
	VMM=("${VMM[@]/#microvm,/microvm,pcie=on,}")
}
once()
{
	nidus_vm -n tap=tap0
	net_measure n
	peer
	net_measure m
	peer_pci
	net_measure p
}
APPEND=quiet
net_ready '
[ -z "$(sed -n "s/.*maps=//p" /proc/cmdline)" ] || for what in "ping 10.9.0.1 500" "send 10.9.0.1 7000 '$MIB'" "recv 10.9.0.1 7000 '$MIB'" end; do
	mark "before $what"
	read -r go
	[ "$what" = end ] || /meter $what
done'
# The first VM with a card meets host code that the emulated CPU has yet to translate: it does not count.
nidus_vm -n tap=tap0
net_measure first
times once
net_rows "" n m "<= 1" ">= 1"
net_rows ", microvm with pcie=on" n p "<= 1" ">= 1"

# exits of any kind, which unlike times are much the same on a busy machine: into NAME_ping, NAME_send, NAME_recv
count() # NAME
{
	local what last="" before
	vmm_start_held
	for what in ping send recv end; do
		vm_expect "guest: before $what" 120 || vmm_failed
		[ -z "$last" ] || printf -v "$1_$last" %s $(($(kvm_exits) - before))
		before=$(kvm_exits) last=$what
		vmm_go
	done
	vm_wait 60
	exec 5>&-
}
APPEND="quiet maps=1"
nidus_vm -n tap=tap0
count nx
peer
count mx
peer_pci
count px
for p in m p; do
	name=$([ $p = m ] || echo ", microvm with pcie=on")
	row "exits of any kind for a ping$name" "" "$(per "$nx_ping" 500)" "$(eval "per \$${p}x_ping 500")"
	row "the same for a MiB out of the guest$name" "" "$(per "$nx_send" "$MIB")" "$(eval "per \$${p}x_send $MIB")"
	row "the same for a MiB into the guest$name" "" "$(per "$nx_recv" "$MIB")" "$(eval "per \$${p}x_recv $MIB")"
done
