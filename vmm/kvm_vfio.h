/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM's VFIO device: tells KVM which files are assigned devices, so that it knows about non-coherent DMA, and VFIO which VM it serves.
 */
#ifndef NIDUS_KVM_VFIO_H
#define NIDUS_KVM_VFIO_H

#include "vmm/kvm.h"

/* *fd is the caller's to close. 0 or -errno. */
int kvm_vfio_create(const struct kvm *k, int *fd) __must_check;
/* Before the device file is bound to an iommufd; the reverse after it is of no more use. 0 or -errno. */
int kvm_vfio_file(int kvm_vfio_fd, int device_fd, bool add) __must_check;

#endif
