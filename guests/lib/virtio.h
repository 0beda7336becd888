/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A minimal virtio 1.2 PCI driver, and what a hostile one does. All queues are set up, empty; one of them (v->queue) is worked with.
 */
#ifndef NIDUS_GUEST_VIRTIO_H
#define NIDUS_GUEST_VIRTIO_H

#include "guests/lib/guest.h"

#define VIRTIO_NET 1
#define VIRTIO_BLK 2
#define VIRTIO_CONSOLE 3
#define VIRTIO_RNG 4
#define VIRTIO_BALLOON 5
#define VIRTIO_VSOCK 19
#define RING_MAX 16
#define RINGS_MAX 8 /* queues beyond stay off */

/* Common configuration (virtio 1.2, 4.1.4.3). */
enum {
	VC_DFSEL = 0, VC_DF = 4, VC_GFSEL = 8, VC_GF = 12, VC_CFG_VECTOR = 16, VC_NUM_QUEUES = 18, VC_STATUS = 20, VC_GENERATION = 21,
	VC_QSEL = 22, VC_QSIZE = 24, VC_QVECTOR = 26, VC_QENABLE = 28, VC_QNOTIFY_OFF = 30, VC_QDESC = 32, VC_QAVAIL = 40, VC_QUSED = 48,
	VC_LEN = 56,
};

#define VS_ACKNOWLEDGE 1
#define VS_DRIVER 2
#define VS_DRIVER_OK 4
#define VS_FEATURES_OK 8
#define VS_NEEDS_RESET 64

#define VD_NEXT 1
#define VD_WRITE 2
#define VD_INDIRECT 4

#define VF_INDIRECT_DESC BIT(28)
#define VF_EVENT_IDX BIT(29)
#define VF_VERSION_1 BIT(32)
#define VF_ACCESS_PLATFORM BIT(33)

struct vdesc {
	u64 addr;
	u32 len;
	u16 flags, next;
};

/* The rings of one queue, in this guest's memory. */
struct vring {
	struct vdesc desc[RING_MAX] __attribute__((aligned(16)));
	struct { u16 flags, idx, ring[RING_MAX], used_event; } avail __attribute__((aligned(4)));
	struct { u16 flags, idx; struct { u32 id, len; } ring[RING_MAX]; u16 avail_event; } used __attribute__((aligned(4)));
};

struct vdev {
	u16 bdf, type;
	u64 common, notify, isr, device;
	u64 region_len[4]; /* of these four */
	u32 notify_mul;
	u16 n_queues, queue;
	struct vring *rings, *ring; /* of queue 0; of v->queue */
	u64 bell;                   /* of v->queue */
};

/* Finds the device of this type; queue 0 is the one to work with. False if there is none. */
bool virtio_find(u16 type, struct vdev *v);
/* Works with this queue from now on. */
void virtio_use(struct vdev *v, u16 queue);
/* Reset, waiting until it is done; fails after a while. */
void virtio_reset(struct vdev *v);
/* Reset and negotiate VERSION_1 (behind an IOMMU, which stays off, ACCESS_PLATFORM too) with `features` of what is offered; all queues with empty rings; not yet DRIVER_OK. */
void virtio_set_up(struct vdev *v, u64 features);
/* Queue size, addresses and enable bit of v->queue anew. */
void virtio_queue(struct vdev *v, u16 size, u64 desc, u64 avail, u64 used);
void virtio_start(struct vdev *v);
/* Makes descriptor `head` available and rings; no waiting. */
void virtio_kick(struct vdev *v, u16 head);
/* Waits for the used index to reach `want`. */
bool virtio_wait(struct vdev *v, u16 want);
/* Valid requests after a reset, whatever v->queue is, to show that the device still does its work (virtio_prove.c). Fails if it does not. */
void virtio_prove(struct vdev *v, const char *after);

/* Everything a bad driver may do to the transport and v->queue; the other CPU must count on all the time. */
void virtio_abuse(struct vdev *v);
/* The same to each queue in turn. */
void virtio_abuse_all(struct vdev *v);

#endif
