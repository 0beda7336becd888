/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the kernel's VFIO interface that nidus uses, under names of its own, so that it builds with headers older than the
 * kernel (device cdevs are Linux 6.6). test_abi_vfio.c compares it with the installed <linux/vfio.h>.
 * Source: Linux Documentation/driver-api/vfio.rst and the uapi header's comments.
 */
#ifndef NIDUS_ABI_VFIO_H
#define NIDUS_ABI_VFIO_H

#include <sys/ioctl.h>

#include "vmm/bits.h"

#define VFIO_IO(nr) _IO(';', 100 + (nr))

#define VFIO_GET_INFO VFIO_IO(7)
#define VFIO_GET_REGION_INFO VFIO_IO(8)
#define VFIO_GET_IRQ_INFO VFIO_IO(9)
#define VFIO_SET_IRQS VFIO_IO(10)
#define VFIO_RESET VFIO_IO(11)
#define VFIO_PCI_HOT_RESET VFIO_IO(13)
#define VFIO_FEATURE VFIO_IO(17)
#define VFIO_BIND_IOMMUFD VFIO_IO(18)
#define VFIO_ATTACH_PT VFIO_IO(19)
#define VFIO_DETACH_PT VFIO_IO(20)

struct vfio_info {
	u32 argsz, flags, num_regions, num_irqs, cap_offset, pad;
};
#define VFIO_INFO_RESET BIT(0)
#define VFIO_INFO_PCI BIT(1)

/* Regions of a PCI function: its BARs, then */
#define VFIO_REGION_ROM 6
#define VFIO_REGION_CONFIG 7

struct vfio_region_reply {
	u32 argsz, flags, index, cap_offset;
	u64 size, offset;
};
#define VFIO_REGION_READ BIT(0)
#define VFIO_REGION_WRITE BIT(1)
#define VFIO_REGION_MMAP BIT(2)
#define VFIO_REGION_CAPS BIT(3)

struct vfio_cap {
	u16 id, version;
	u32 next; /* offset from the start of the reply, 0: last */
};
#define VFIO_CAP_SPARSE_MMAP 1

struct vfio_cap_sparse {
	struct vfio_cap head;
	u32 nr_areas, pad;
	struct { u64 offset, size; } area[];
};

enum { VFIO_IRQ_INTX, VFIO_IRQ_MSI, VFIO_IRQ_MSIX, VFIO_IRQ_ERR, VFIO_IRQ_REQ, VFIO_IRQS };

struct vfio_irq_reply {
	u32 argsz, flags, index, count;
};
#define VFIO_IRQ_NORESIZE BIT(3)

struct vfio_irq_request {
	u32 argsz, flags, index, start, count;
	s32 fd[];
};
#define VFIO_SET_NONE BIT(0)
#define VFIO_SET_EVENTFD BIT(2)
#define VFIO_SET_UNMASK BIT(4)
#define VFIO_SET_TRIGGER BIT(5)

struct vfio_hot_reset {
	u32 argsz, flags, count;
};

#define VFIO_FEATURE_GET BIT(16)
#define VFIO_FEATURE_DMA_BUF 11

/* The feature's header and its data, with one range of one region; the call returns a descriptor. */
struct vfio_dma_buf {
	u32 argsz, flags;
	u32 region_index, open_flags, zero, nr_ranges;
	u64 offset, length;
};

struct vfio_bind {
	u32 argsz, flags;
	s32 iommufd;
	u32 out_devid;
};

struct vfio_attach_pt {
	u32 argsz, flags, pt_id;
};

struct vfio_detach_pt {
	u32 argsz, flags;
};

#endif
