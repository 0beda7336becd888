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
net_ready
times once
net_rows "" n m "<= 1" ">= 1"
net_rows ", microvm with pcie=on" n p "<= 1" ">= 1"
