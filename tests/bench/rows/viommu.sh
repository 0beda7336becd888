#!/bin/bash
# rig: level=stock mem=3G guests=rig timeout=1200
# bench: a virtio disk and a network card behind the VT-d unit and outside, beside QEMU's intel-iommu with virtio
# QEMU as it comes: second-stage translation in legacy mode, device IOTLB; vhost-net on both sides.
UNIT=vtd WORDS="" ACCESSES="at most 1"
PEER_UNIT=intel-iommu,device-iotlb=on,intremap=off PEER_CARD=,ats=on PEER_VHOST=on PEER_NEW=""
. "$(dirname "$0")/../inc/viommu.sh"
