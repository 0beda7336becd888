#!/bin/bash
# rig: level=stock mem=3G guests=rig timeout=1200
# bench: a virtio disk and a network card behind the AMD-Vi unit and outside, beside QEMU's amd-iommu with virtio
# QEMU 11.1 with host (v1) page tables. Without dma-remap=on a 7.3 guest's virtio disk does not start (nor with 10.0), and with it vhost-net comes to a halt.
# Linux rings once for an invalidation and once more for the wait.
UNIT=amdvi WORDS=intremap=off ACCESSES="at most 2"
PEER_UNIT=amd-iommu,dma-remap=on PEER_CARD="" PEER_VHOST=off PEER_NEW=1
. "$(dirname "$0")/../inc/viommu.sh"
remark "QEMU's amd-iommu with dma-remap=on, and without vhost-net"
