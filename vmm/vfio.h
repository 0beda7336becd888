/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assigned PCI functions: VFIO device files bound to one iommufd, each shown to the guest below a root port of its own.
 *
 * Order, so that a host that cannot do what is asked says so before there is any guest RAM:
 *   vfio_create()   opens, tells KVM, binds, asks what the IOMMU can do, attaches to an empty address space
 *   vfio_map()      puts all RAM into that space
 *   vfio_plug()     makes the functions
 *   pci_host_destroy() ends the functions: no interrupts, no bus mastering, reset
 *   vfio_destroy()  detaches and closes
 *
 * Threads: create, map, plug and destroy on the thread that builds the VM. A device's config space, BARs and interrupts are under its
 * fn->lock.
 */
#ifndef NIDUS_VFIO_H
#define NIDUS_VFIO_H

#include "vmm/config.h"
#include "vmm/iommufd.h"
#include "vmm/pci.h"

struct dev_ctx;
struct kvm;
struct report;
struct vfio;
struct vfio_dev;

/*
 * Every --vfio of c, none is fine (*out is NULL then). sys: HOST_SYS. 0, or after one log_error line EXIT_NOINPUT (no such function, an inherited
 * descriptor of something else) or EXIT_HOST (with the remedy); nothing is left then.
 */
int vfio_create(const struct vm_config *c, const struct kvm *k, const char *sys, struct vfio **out) __must_check;
/* 0, or EXIT_HOST after one log_error line. v may be NULL in all functions below. */
int vfio_map(struct vfio *v, struct mem *m) __must_check;
/* Plugs the functions, resets the devices. 0 or an exit status after one log_error line. ctx must outlive the functions. */
int vfio_plug(struct vfio *v, const struct dev_ctx *ctx) __must_check;
/* After pci_host_destroy(); RAM and KVM still exist. */
void vfio_destroy(struct vfio *v);

/* Adds the section "iommufd", if there is a report: calls made on it, those of them that mapped memory, and attachments. -ENOMEM, -ENOSPC. */
int vfio_report(struct vfio *v, struct report *r) __must_check;

/* The guest ended a wired interrupt: functions asserting that line are looked at again. For ioapic_on_eoi(). v: struct vfio. */
void vfio_eoi(void *v, u32 line);

/* --- for the unit in front of a device; results 0 or -errno --- */

/* The assigned device of a function, or NULL if it is none. */
struct vfio_dev *vfio_of(const struct pci_fn *fn);
struct iommufd *vfio_iommufd(const struct vfio_dev *d);
/* Its id in the iommufd, what the host's IOMMU in front of it can do, the nest parent (0: the device is behind no unit). */
u32 vfio_dev_id(const struct vfio_dev *d);
const struct iommufd_hw *vfio_hw(const struct vfio_dev *d);
u32 vfio_parent(const struct vfio_dev *d);
/*
 * Replaces what its DMA undergoes by IOAS or HWPT pt. Waits while nidus resets it, and up to three seconds while somebody else on the host
 * does: then -EBUSY. -EIO after vfio_cut().
 */
int vfio_attach(struct vfio_dev *d, u32 pt) __must_check;
/* Nothing passes any more. */
int vfio_detach(struct vfio_dev *d) __must_check;
/* Switches bus mastering off in hardware for good, whatever the guest writes. No lock needed. */
void vfio_cut(struct vfio_dev *d);

/*
 * fn(arg) is called on the event thread after the guest has reset the device: what the host refused meanwhile can be tried again. Once for a
 * device, while it is plugged (dev_ctx.dma_for). -errno for want of a descriptor.
 */
int vfio_on_reset(struct vfio_dev *d, void (*fn)(void *arg), void *arg) __must_check;

/* What --viommu auto means for the devices behind a unit: their host IOMMU's kind; VIOMMU_VTD if there is none. v may be NULL. */
enum viommu_kind vfio_unit_kind(const struct vfio *v);

/* Name of the host's IOMMU in front of device i of c ("" unknown), and whether it is behind a unit of the guest. */
const char *vfio_host_iommu(const struct vfio_dev *d);

#endif
