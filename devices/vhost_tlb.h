/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device IOTLB of a vhost device behind a vIOMMU: the kernel's side asks for each page it does not know (miss), is told where it is (update),
 * and forgets what the guest has invalidated before the guest learns that its invalidation is complete. Ring addresses are I/O virtual
 * addresses then. Source: the kernel's include/uapi/linux/vhost_types.h (struct vhost_msg_v2).
 *
 * Two threads may come at once: the event thread with a miss and whoever works through the guest's invalidations. lock is held from a
 * translation until the kernel has it, and while the kernel forgets: what is invalidated meanwhile is forgotten after it was told.
 * Lock order: device -> this lock -> the vIOMMU's.
 */
#ifndef NIDUS_VHOST_TLB_H
#define NIDUS_VHOST_TLB_H

#include <pthread.h>

#include "devices/vhost.h"

#define VHOST_TLB_TOLD 512

struct vhost_tlb {
	struct vhost *vh; /* NULL: not made */
	struct dma *dma;
	const struct mem *mem;
	pthread_mutex_t lock;
	bool on;          /* lock */
	bool unanswered;  /* lock. The kernel asked for unanswered_page, which the device may not reach */
	iova_t unanswered_page;
	/* lock. Pages that the kernel may have, by number + 1: only a hint, it drops the oldest when it has many. */
	u64 told[VHOST_TLB_TOLD];
};

/* Whether the kernel's side of vh can keep one, and lets go of every page when it is told to (no zero copy). */
bool vhost_tlb_able(const struct vhost *vh);

/* Before the guest runs; the caller watches vh->fd and calls vhost_tlb_serve() when it is readable. 0 or -errno. */
int vhost_tlb_init(struct vhost_tlb *t, struct vhost *vh, struct dma *dma, const struct mem *mem) __must_check;
/* On a zeroed struct, or twice, it does nothing. Stopped, vh still open. */
void vhost_tlb_fini(struct vhost_tlb *t);

/* After vhost_setup(), which leaves the kernel with an empty table. The device's lock is held, as in all below but vhost_tlb_gone(). */
void vhost_tlb_start(struct vhost_tlb *t);
/* After the rings' backends were taken away. What the kernel asked for before is forgotten. */
void vhost_tlb_stop(struct vhost_tlb *t);

/*
 * Tells the kernel where a ring is: it wants to know that before it takes the ring's backend. 0, -EFAULT (a vIOMMU has recorded the fault) or
 * what the kernel says.
 */
int vhost_tlb_ring(struct vhost_tlb *t, const struct vq *q) __must_check;

/*
 * Answers the kernel's questions, a bounded number, and tells of the pages around that can be reached too: a frame's pages are mapped one after
 * the other, and each question costs the kernel a wait. 0; -EFAULT: it asked for a page that the device may not reach, which
 * nobody has recorded. Its queue stands still there, or the question is late: it was about a request that has been served since. The rings tell, by
 * vhost_tlb_refused() while nothing moves; until vhost_tlb_stop() no more is answered.
 */
int vhost_tlb_serve(struct vhost_tlb *t) __must_check;

/*
 * The kernel gave up on a request of q, from available index next on, and asks nothing: it does so where it knows the page, without the right; or it
 * asked for a page out of reach. Looks for what the device may not reach there; the backends of all rings were taken away. -EFAULT: found (a vIOMMU
 * has recorded the fault); -EPROTO: the ring is malformed (device marked broken); 0: neither, in a bounded number of pages.
 */
int vhost_tlb_refused(struct vhost_tlb *t, struct vq *q, u16 next) __must_check;

/* See dma_watch(). 0: the kernel uses no translation of [iova, last] any more; else it may, and must be cut off from the rings. */
int vhost_tlb_gone(struct vhost_tlb *t, iova_t iova, iova_t last) __must_check;

#endif
