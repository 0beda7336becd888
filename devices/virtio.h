/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio 1.2 over PCI (modern only, MSI-X only): transport, split rings, feature negotiation, reset.
 *
 * A device embeds struct virtio_dev and fills struct virtio_ops. All callbacks run under dev->fn.lock: config and queue set-up on a vCPU
 * thread, notify on the event thread (doorbells are ioeventfds). Rings and descriptors are read through fn.dma, each
 * field once, into struct vq_chain; a malformed ring stops the device with DEVICE_NEEDS_RESET and one rate-limited log line, never the VMM.
 */
#ifndef NIDUS_VIRTIO_H
#define NIDUS_VIRTIO_H

#include "devices/devices.h"
#include "vmm/event.h"
#include "vmm/irq.h"
#include "vmm/pci.h"

#define VIRTIO_MAX_QUEUES 64
#define VIRTIO_QUEUE_SIZE 256 /* largest the transport offers */
#define VQ_MAX_SEGS 128       /* descriptors in one chain; more is malformed for every device here */

/* Feature bits of the transport (virtio 1.2 section 6). */
#define VIRTIO_F_INDIRECT_DESC 28
#define VIRTIO_F_EVENT_IDX 29
#define VIRTIO_F_VERSION_1 32
#define VIRTIO_F_ACCESS_PLATFORM 33

struct virtio_dev;

struct vq_seg {
	iova_t addr;
	u32 len;
};

/* One request: readable segments first, then writable ones, as the specification orders them. */
struct vq_chain {
	u16 head;
	unsigned n_out, n_in;          /* seg[0..n_out) device-readable, seg[n_out..n_out+n_in) device-writable */
	u64 out_len, in_len;           /* bytes; cannot overflow: segments are u32, at most VQ_MAX_SEGS */
	struct vq_seg seg[VQ_MAX_SEGS];
};

struct vq {
	struct virtio_dev *dev;
	u16 index;
	u16 size;                      /* 0 or a power of two <= max_size */
	u16 max_size;
	bool enabled;
	iova_t desc, avail, used;
	u16 next_avail, next_used;     /* free-running */
	u16 avail_seen;                /* the driver's available index when it was last read */
	u16 signalled_used;            /* EVENT_IDX: used index at the last interrupt decision */
	u16 vector;                    /* MSI-X, 0xffff none */
	struct irq_vec irq;            /* sends the vector's message: attached while it is valid and nothing masks it; see virtio_irqfd() */
	struct event_src bell;         /* eventfd the guest's doorbell signals */
	int bell_fd;
};

struct virtio_ops {
	/* Device-specific configuration; off + size may reach beyond what exists: reads 0, ignores writes. */
	void (*cfg_read)(struct virtio_dev *d, unsigned off, unsigned size, u64 *val);
	void (*cfg_write)(struct virtio_dev *d, unsigned off, unsigned size, u64 val);
	/* d->features are among those offered: why the device can not work with them, or NULL. May be NULL. */
	const char *(*refuse)(struct virtio_dev *d);
	/* The driver set DRIVER_OK with d->features accepted; queues it uses are enabled. */
	void (*start)(struct virtio_dev *d);
	/* Work for queue q: take chains until vq_pop() says 0. Event thread. */
	void (*notify)(struct virtio_dev *d, struct vq *q);
	/* Stop and forget every request. No host I/O touches guest memory any more when it returns, and no span is live. */
	void (*reset)(struct virtio_dev *d);
	void (*destroy)(struct virtio_dev *d);
	/* For devices with DMA under way while nobody holds the lock; may be NULL. Bus mastering was switched after DRIVER_OK: no DMA while it is off. */
	void (*bus_master)(struct virtio_dev *d, bool on);
};

struct virtio_dev {
	struct pci_fn fn;              /* first member */
	const struct virtio_ops *ops;
	const struct dev_ctx *ctx;
	u64 offered, features;         /* negotiated features are valid from FEATURES_OK on */
	u32 dfsel, gfsel;
	u8 status, isr, cfg_gen;
	u16 qsel, cfg_vector;
	unsigned n_queues;
	struct vq *q;
	bool broken;                   /* DEVICE_NEEDS_RESET was set */
	u32 generation;                /* counts resets */
	unsigned cfg_len;
	u16 window_cap;                /* config offset of the VIRTIO_PCI_CAP_PCI_CFG capability */
};

struct virtio_spec {
	u16 type;                      /* virtio device id: 1 net, 2 block, 3 console, 4 rng, 5 balloon, 19 vsock */
	u32 class_rev;                 /* PCI class << 8 */
	u64 features;                  /* device-specific ones; the transport adds its own, and ACCESS_PLATFORM behind a vIOMMU */
	unsigned n_queues;
	unsigned cfg_len;
	u16 queue_size;                /* <= VIRTIO_QUEUE_SIZE */
	unsigned n_kernel;             /* the doorbells of queues 0..n_kernel) are read by the host's kernel, not by the event thread */
	bool viommu;                   /* asks ctx->dma_for() for a place behind the vIOMMU, and offers ACCESS_PLATFORM */
};

/*
 * Builds the PCI function at the first free place on bus 0 from PCI_DEV_VIRTIO on, with its DMA space and doorbells; virtio_plug() then makes it
 * visible and gives it to the PCI host, which calls ops->destroy. name must live as long as d. On failure nothing is left. 0 or -errno.
 */
int virtio_init(struct virtio_dev *d, const struct dev_ctx *ctx, const struct virtio_ops *ops, const struct virtio_spec *spec, const char *name) __must_check;
/* 0 or -errno; on failure the caller still has it to destroy. */
int virtio_plug(struct virtio_dev *d) __must_check;
/* For ops->destroy: after everything that uses its queues. */
void virtio_fini(struct virtio_dev *d);
/* One log_error line for a failed virtio_init() or virtio_plug(), and the exit status for it. */
int virtio_init_error(const char *name, int err);
/* The virtio device that fn is, or NULL. */
struct virtio_dev *virtio_from_fn(struct pci_fn *fn);

/* Has ops->notify called for q soon, on the event thread: work was left over. fn.lock held. */
void virtio_kick(struct vq *q);

/*
 * Makes q->irq, if the driver has not caused that yet; it then follows the queue's vector and that one's MSI-X entry by itself. While it is detached
 * signals are kept, and raised when it is attached again; a reset forgets them. 0 or -errno.
 */
int virtio_irqfd(struct vq *q) __must_check;

/* --- virtio_ring.c --- */
/* What is wrong with the addresses and size that the driver gave, or NULL. */
const char *vq_fault(const struct vq *q) __must_check;
/* Takes the next request: 1 and *c filled, 0 none, -EPROTO the ring is malformed (device marked broken). */
int vq_pop(struct vq *q, struct vq_chain *c) __must_check;
/* Returns a request with the number of bytes written into its writable part. Any order. */
void vq_push(struct vq *q, u16 head, u32 written);
/* Interrupts the driver if it wants to know about what was pushed. */
void vq_notify_driver(struct vq *q);
/*
 * Suppresses doorbells while the device polls the ring (on = false: false), and re-enables them; true if requests arrived meanwhile or are
 * left in the ring.
 */
bool vq_enable_bell(struct vq *q, bool on);

void virtio_cfg_changed(struct virtio_dev *d); /* configuration change interrupt */
/* Raises the queue's interrupt, by its irqfd where that is attached. fn.lock held. */
void virtio_raise(struct vq *q);
/* Marks DEVICE_NEEDS_RESET, tells the driver, logs why (rate limited). */
void virtio_broken(struct virtio_dev *d, const char *why);

/* Copies from the readable, to the writable part, skip bytes in. Returns bytes copied (short at the end), -EFAULT. */
s64 vq_chain_read(struct virtio_dev *d, const struct vq_chain *c, u64 skip, void *buf, u64 len) __must_check;
s64 vq_chain_write(struct virtio_dev *d, const struct vq_chain *c, u64 skip, const void *buf, u64 len) __must_check;

#endif
