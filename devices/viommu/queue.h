/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resumable engine behind a unit's command queue.
 *
 * The vCPU that rings the doorbell works through the queue, one entry at a time, up to QUEUE_SLICE_ENTRIES entries or QUEUE_SLICE_CALLS
 * host calls; what is left goes on in the event thread, slice by slice, so no exit and no callback is unbounded. A step that must wait
 * for DMA in flight parks the queue; queue_unpark() lets the event thread go on with the same entry.
 *
 * Two locks. run serialises everything that may call the host (steps, control commands, reset): it is held across host calls and taken
 * first. lock is the unit's: registers and bookkeeping, never held over a host call.
 */
#ifndef NIDUS_VIOMMU_QUEUE_H
#define NIDUS_VIOMMU_QUEUE_H

#include <pthread.h>

#include "vmm/bits.h"
#include "vmm/event.h"

#define QUEUE_SLICE_ENTRIES 256
#define QUEUE_SLICE_CALLS 64

struct queue_ops {
	/* lock held: is there an entry to work on, or an error to report? */
	bool (*pending)(void *ctx);
	/* run held: does one entry, and moves the head unless it parked the queue or stopped it. */
	void (*step)(void *ctx);
	/* run held: carries out what steps have put together. */
	void (*flush)(void *ctx);
	/* No lock held: after a slice. */
	void (*after)(void *ctx);
};

struct queue {
	pthread_mutex_t run;
	pthread_mutex_t *lock;
	const struct queue_ops *ops;
	void *ctx;
	struct event_bell bell; /* the event thread is to go on */
	bool running;   /* lock: a thread is in, or on its way into, a slice */
	bool parked;    /* lock: the entry at the head waits for DMA in flight */
	unsigned calls; /* run: host calls of this slice, raised by steps */
};

/* Before the event loop runs. -errno for want of a descriptor; nothing is left then. */
int queue_init(struct queue *q, struct event *ev, pthread_mutex_t *lock, const struct queue_ops *ops, void *ctx) __must_check;
/* No vCPU and no event loop runs. */
void queue_fini(struct queue *q);

/* The doorbell, on any thread, no lock held. Does nothing while another thread is at it or the queue is parked. */
void queue_kick(struct queue *q);
/* lock held. Afterwards the queue does nothing until queue_unpark(). */
void queue_park(struct queue *q);
/* lock held. Lets the event thread go on; nothing if not parked. */
void queue_unpark(struct queue *q);

#endif
