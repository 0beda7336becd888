/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtqueues served by the host's kernel (vhost-net, vhost-vsock): the kernel reads the guest's doorbells and raises its interrupts by eventfds, so that
 * nothing of a running queue passes through nidus. Source: the kernel's include/uapi/linux/vhost.h.
 *
 * All functions under the device's lock, or before the guest runs.
 */
#ifndef NIDUS_VHOST_H
#define NIDUS_VHOST_H

#include "devices/virtio.h"

struct vhost {
	int fd;          /* owned */
	u64 features;    /* what the kernel's side can do */
	bool iova;       /* it takes I/O virtual addresses and asks for their translation: vhost_tlb.h */
};

/* One queue of a vhost device. */
struct vhost_ring {
	struct vhost *vh; /* NULL: not made */
	unsigned index;  /* within the vhost device */
	struct vq *q;
	struct dma_span span[3];
	int err_fd;      /* -1, or the caller's eventfd: rung where the kernel gives up on a request; before vhost_ring_start() */
	bool on;
};

/* Opens node. 0, or -errno (-ENOTSUP: the kernel's side lacks what every driver here is offered). fd and features are set then. */
int vhost_open(const char *node, struct vhost *vh) __must_check;
/* On a struct with fd < 0 it does nothing. All rings are stopped. */
void vhost_close(struct vhost *vh);

/* What the driver accepted, cut to what the kernel's side knows; all of RAM for it to work on. 0 or -errno. */
int vhost_setup(struct vhost *vh, u64 features, const struct mem *mem) __must_check;

/* Queue q as ring index of vh: makes q's irqfd. 0 or -errno. */
int vhost_ring_init(struct vhost_ring *r, struct vhost *vh, unsigned index, struct vq *q) __must_check;
/* Stops it if it is on. Nothing on one that was not made. */
void vhost_ring_fini(struct vhost_ring *r);
/* Tells the kernel where the ring, the doorbell and the queue's irqfd are; it is served once its backend is set. 0 or -errno; no span is live then. */
int vhost_ring_start(struct vhost_ring *r) __must_check;
/* After its backend was taken away. Ring memory is not touched any more when it returns. */
void vhost_ring_stop(struct vhost_ring *r);
/* The available index that the kernel takes next, of a ring that is on. 0 or -errno. */
int vhost_ring_next(const struct vhost_ring *r, u16 *next) __must_check;

/* vhost-net: what frames of this ring come from and go to; -1 stops it and returns when the kernel has let go of it. 0 or -errno. */
int vhost_net_backend(struct vhost *vh, unsigned index, int fd);

/* vhost-vsock. -EADDRINUSE: another VM has the cid. */
int vhost_vsock_set_cid(struct vhost *vh, u64 cid) __must_check;
/* vhost-vsock: packets flow, or do not any more when it returns. 0 or -errno. */
int vhost_vsock_run(struct vhost *vh, bool on);

#endif
