/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of a virtio PCI device, for unit tests and fuzz targets: a machine without KVM (RAM, bus, PCI host, event loop run by
 * hand), discovery through ECAM, negotiation, and rings that the test fills entry by entry, well formed or not.
 *
 * I/O virtual addresses below DRV_SCATTER are RAM; from there on each 4 KiB page is mapped apart, in reverse order, to RAM from DRV_SCATTER_GPA on,
 * as a vIOMMU would. Spans are counted.
 */
#ifndef NIDUS_VIRTIO_DRV_H
#define NIDUS_VIRTIO_DRV_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "devices/virtio_regs.h"
#include "tests/unit/event_rounds.h"
#include "vmm/bus.h"
#include "vmm/dma.h"
#include "vmm/event.h"
#include "vmm/irq.h"
#include "vmm/mem.h"
#include "vmm/pci.h"

#define DRV_RAM MiB(16)
#define DRV_RINGS 0x100000 /* queue i: descriptors at + i * 0x10000, available ring 0x4000 behind, used ring 0x8000 */
#define DRV_DATA 0x400000
#define DRV_SCATTER 0x10000000000ULL
#define DRV_SCATTER_GPA MiB(8)
#define DRV_SCATTER_PAGES 1024
#define DRV_ECAM 0xE0000000
#define DRV_MSI 0xFEE00000
#define DRV_QUEUES 5

#define F_NEXT VIRTQ_DESC_F_NEXT
#define F_WRITE VIRTQ_DESC_F_WRITE
#define F_INDIRECT VIRTQ_DESC_F_INDIRECT

struct drv_queue {
	u16 size, avail;
	u64 desc, ring, used;
};

#define DRV_IRQFDS 16

struct drv;

/* KVM's part: an eventfd that sends the message of a route. */
struct drv_irqfd {
	struct drv *d; /* NULL: free */
	struct event_src src;
	u32 gsi;
};

struct drv {
	struct mem *mem;
	struct bus mmio;
	struct irq *irq;
	struct event *ev;
	struct pci_host *pci;
	struct dma dma;
	struct dev_ctx ctx;
	int live_spans;
	unsigned msis[DRV_QUEUES + 1]; /* by data: 0 configuration, 1 + i queue i */
	struct drv_irqfd irqfd[DRV_IRQFDS];
	struct irq_route route[64];
	unsigned n_routes;
	int irqfd_err; /* what KVM says to the next ones */
	/* the device under test */
	unsigned dev;
	u64 bar;
	unsigned cap[6]; /* config offsets by type */
	struct drv_queue q[DRV_QUEUES];
};

static inline int drv_msi(void *ctx, u64 addr, u32 data)
{
	struct drv *d = ctx;

	if (addr == DRV_MSI && data <= DRV_QUEUES)
		d->msis[data]++;
	event_stop(d->ev);
	return 0;
}

static inline int drv_routes(void *ctx, const struct irq_route *routes, unsigned n)
{
	struct drv *d = ctx;

	d->n_routes = MIN(n, ARRAY_SIZE(d->route));
	memcpy(d->route, routes, d->n_routes * sizeof(*routes));
	return 0;
}

static inline void drv_on_irqfd(void *arg, u32 events)
{
	struct drv_irqfd *f = arg;
	u64 count;

	if (read(f->src.fd, &count, sizeof(count)) != sizeof(count))
		return;
	for (unsigned i = 0; i < f->d->n_routes; i++) {
		if (f->d->route[i].gsi == f->gsi)
			drv_msi(f->d, f->d->route[i].addr, f->d->route[i].data);
	}
}

static inline int drv_irqfd(void *ctx, int fd, u32 gsi, int resample_fd, bool add)
{
	struct drv *d = ctx;

	if (add && d->irqfd_err)
		return d->irqfd_err;
	for (unsigned i = 0; i < DRV_IRQFDS; i++) {
		struct drv_irqfd *f = &d->irqfd[i];

		if (add && !f->d) {
			*f = (struct drv_irqfd){ .d = d, .gsi = gsi };
			return event_add(d->ev, &f->src, fd, EPOLLIN, drv_on_irqfd, f);
		}
		if (!add && f->d && f->gsi == gsi) {
			event_del(&f->src);
			f->d = NULL;
			return 0;
		}
	}
	return -ENOSPC;
}

static inline int drv_dma_get(struct dma *dma, struct dma_span *s, struct iovec *iov, unsigned max)
{
	struct drv *d = dma->ctx;
	u64 at = s->iova, left = s->len;
	unsigned n = 0;
	int got;

	if (at < DRV_SCATTER) {
		got = mem_iov(dma->mem, at, left, iov, max);
		d->live_spans += got > 0;
		return got;
	}
	while (left) {
		u64 page = (at - DRV_SCATTER) / 4096, part = MIN(left, 4096 - at % 4096);

		if (page >= DRV_SCATTER_PAGES)
			return -EFAULT;
		if (n == max)
			return -E2BIG;
		got = mem_iov(dma->mem, DRV_SCATTER_GPA + (DRV_SCATTER_PAGES - 1 - page) * 4096 + at % 4096, part, iov + n, 1);
		if (got < 0)
			return got;
		n++;
		at += part;
		left -= part;
	}
	d->live_spans++;
	return (int)n;
}

static inline void drv_dma_put(struct dma *dma, struct dma_span *s)
{
	struct drv *d = dma->ctx;

	d->live_spans--;
}

static inline int drv_dma_for(const struct dev_ctx *ctx, struct pci_fn *fn, bool viommu, struct dma **dma)
{
	struct drv *d = ctx->dma_arg;

	*dma = &d->dma;
	return 0;
}

static inline void drv_must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "driver side: %s\n", what);
		abort();
	}
}

/* The machine, without devices yet. */
static inline void drv_open(struct drv *d)
{
	static const struct irq_backend backend = { .signal_msi = drv_msi, .set_routes = drv_routes, .irqfd = drv_irqfd };
	static const struct dma_ops dma_ops = { .get = drv_dma_get, .put = drv_dma_put };
	const struct mem_range ram = { 0, DRV_RAM };
	const struct pci_map map = { .ecam = DRV_ECAM, .buses = 16, .mem32 = 0xC0000000, .mem32_len = 0x20000000, .mem64 = GiB(4), .mem64_limit = GiB(64) };

	*d = (struct drv){ 0 };
	drv_must(!mem_create(&ram, 1, false, &d->mem), "RAM");
	drv_must(!bus_init(&d->mmio, "mmio"), "bus");
	drv_must(!irq_create(&backend, d, &d->irq), "interrupts");
	drv_must(!event_create(&d->ev), "event loop");
	drv_must(!pci_host_create(&d->mmio, d->irq, &map, &d->pci), "PCI host");
	d->dma = (struct dma){ .ops = &dma_ops, .mem = d->mem, .ctx = d };
	d->ctx = (struct dev_ctx){ .mmio = &d->mmio, .pci = d->pci, .irq = d->irq, .ev = d->ev, .mem = d->mem, .dma_for = drv_dma_for, .dma_arg = d,
				   .cpus = 1 };
}

static inline void drv_close(struct drv *d)
{
	pci_host_destroy(d->pci);
	event_destroy(d->ev);
	irq_destroy(d->irq);
	bus_fini(&d->mmio);
	mem_destroy(d->mem);
}

static inline u64 drv_read(struct drv *d, u64 addr, unsigned size)
{
	u64 val;

	bus_read(&d->mmio, addr, size, &val);
	return val;
}

static inline void drv_write(struct drv *d, u64 addr, unsigned size, u64 val)
{
	bus_write(&d->mmio, addr, size, val);
}

static inline u64 drv_cfg(struct drv *d, unsigned off)
{
	return DRV_ECAM + ((u64)PCI_BDF(0, d->dev, 0) << 12) + off;
}

static inline u64 drv_common(struct drv *d, unsigned off, unsigned size)
{
	return drv_read(d, d->bar + VIRTIO_BAR_COMMON + off, size);
}

static inline void drv_set_common(struct drv *d, unsigned off, unsigned size, u64 val)
{
	drv_write(d, d->bar + VIRTIO_BAR_COMMON + off, size, val);
}

static inline u8 drv_status(struct drv *d)
{
	return (u8)drv_common(d, VIRTIO_PCI_COMMON_STATUS, 1);
}

static inline void drv_set_status(struct drv *d, u8 status)
{
	drv_set_common(d, VIRTIO_PCI_COMMON_STATUS, 1, status);
}

/* Finds the capabilities, switches the function on, gives vector i the data i. */
static inline void drv_find_caps(struct drv *d)
{
	unsigned msix = 0;

	for (u64 p = drv_read(d, drv_cfg(d, 0x34), 1), i = 0; p && i < 48; p = drv_read(d, drv_cfg(d, (unsigned)p + 1), 1), i++) {
		u64 id = drv_read(d, drv_cfg(d, (unsigned)p), 1), type = drv_read(d, drv_cfg(d, (unsigned)p + 3), 1);

		if (id == 0x11)
			msix = (unsigned)p;
		else if (id == 0x09 && type < 6)
			d->cap[type] = (unsigned)p;
	}
	drv_must(msix && d->cap[1] && d->cap[2] && d->cap[3] && d->cap[5], "capabilities");
	d->bar = (drv_read(d, drv_cfg(d, 0x10), 4) & ~15ULL) | drv_read(d, drv_cfg(d, 0x14), 4) << 32;
	drv_write(d, drv_cfg(d, 4), 2, 6);
	drv_write(d, drv_cfg(d, msix + 2), 2, 0x8000);
	for (unsigned i = 0; i <= DRV_QUEUES; i++) {
		u64 e = d->bar + VIRTIO_BAR_MSIX + 16 * i;

		drv_write(d, e, 4, DRV_MSI);
		drv_write(d, e + 4, 4, 0);
		drv_write(d, e + 8, 4, i);
		drv_write(d, e + 12, 4, 0);
	}
}

/* The first device on bus 0 from PCI_DEV_VIRTIO on becomes the one under test. */
static inline void drv_attach(struct drv *d)
{
	drv_must(!pci_assign(d->pci), "assignment");
	d->dev = PCI_DEV_VIRTIO;
	drv_find_caps(d);
}

/* Resets and offers features; true if the device accepts them. */
static inline bool drv_negotiate(struct drv *d, u64 features)
{
	drv_set_status(d, 0);
	drv_set_status(d, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	for (unsigned i = 0; i < 2; i++) {
		drv_set_common(d, VIRTIO_PCI_COMMON_GFSELECT, 4, i);
		drv_set_common(d, VIRTIO_PCI_COMMON_GF, 4, (u32)(features >> (32 * i)));
	}
	drv_set_status(d, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
	return drv_status(d) & VIRTIO_STATUS_FEATURES_OK;
}

static inline u64 drv_offered(struct drv *d)
{
	u64 f;

	drv_set_common(d, VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	f = drv_common(d, VIRTIO_PCI_COMMON_DF, 4);
	drv_set_common(d, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	return f | drv_common(d, VIRTIO_PCI_COMMON_DF, 4) << 32;
}

static inline u64 drv_ram(struct drv *d, gpa_t at, unsigned size)
{
	u8 b[8];

	drv_must(!mem_read(d->mem, at, b, size), "read of RAM");
	return get_le(b, size);
}

static inline void drv_set_ram(struct drv *d, gpa_t at, unsigned size, u64 val)
{
	u8 b[8];

	put_le(b, size, val);
	drv_must(!mem_write(d->mem, at, b, size), "write of RAM");
}

static inline void drv_queue_at(struct drv *d, unsigned i, u16 size, u64 desc, u64 ring, u64 used)
{
	d->q[i] = (struct drv_queue){ .size = size, .desc = desc, .ring = ring, .used = used };
	drv_set_common(d, VIRTIO_PCI_COMMON_Q_SELECT, 2, i);
	drv_set_common(d, VIRTIO_PCI_COMMON_Q_SIZE, 2, size);
	drv_set_common(d, VIRTIO_PCI_COMMON_Q_VECTOR, 2, i + 1);
	drv_set_common(d, VIRTIO_PCI_COMMON_Q_DESC, 8, desc);
	drv_set_common(d, VIRTIO_PCI_COMMON_Q_AVAIL, 4, (u32)ring);
	drv_set_common(d, VIRTIO_PCI_COMMON_Q_AVAIL + 4, 4, ring >> 32);
	drv_set_common(d, VIRTIO_PCI_COMMON_Q_USED, 8, used);
	drv_set_common(d, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

/* A queue at its usual place, empty. */
static inline void drv_queue(struct drv *d, unsigned i, u16 size)
{
	u64 base = DRV_RINGS + i * 0x10000;

	drv_must(!mem_zero(d->mem, base, 0x10000), "ring");
	drv_queue_at(d, i, size, base, base + 0x4000, base + 0x8000);
}

static inline void drv_ok(struct drv *d)
{
	drv_set_common(d, VIRTIO_PCI_COMMON_CFG_VECTOR, 2, 0);
	drv_set_status(d, drv_status(d) | VIRTIO_STATUS_DRIVER_OK);
}

/* Negotiates everything offered and starts with n queues of a size. */
static inline void drv_start(struct drv *d, unsigned n, u16 size)
{
	drv_must(drv_negotiate(d, drv_offered(d)), "negotiation");
	for (unsigned i = 0; i < n; i++)
		drv_queue(d, i, size);
	drv_ok(d);
	memset(d->msis, 0, sizeof(d->msis));
}

static inline void drv_desc_at(struct drv *d, gpa_t table, u16 idx, u64 addr, u32 len, u16 flags, u16 next)
{
	drv_set_ram(d, table + idx * 16ULL, 8, addr);
	drv_set_ram(d, table + idx * 16ULL + 8, 4, len);
	drv_set_ram(d, table + idx * 16ULL + 12, 2, flags);
	drv_set_ram(d, table + idx * 16ULL + 14, 2, next);
}

static inline void drv_desc(struct drv *d, unsigned q, u16 idx, u64 addr, u32 len, u16 flags, u16 next)
{
	drv_desc_at(d, d->q[q].desc, idx, addr, len, flags, next);
}

/* Puts a chain into the available ring and publishes it. */
static inline void drv_avail(struct drv *d, unsigned q, u16 head)
{
	struct drv_queue *dq = &d->q[q];

	drv_set_ram(d, dq->ring + 4 + 2 * (dq->avail % dq->size), 2, head);
	dq->avail++;
	drv_set_ram(d, dq->ring + 2, 2, dq->avail);
}

static inline void drv_kick(struct drv *d, unsigned q)
{
	drv_write(d, d->bar + VIRTIO_BAR_NOTIFY + q * VIRTIO_NOTIFY_STRIDE, 2, q);
}

/* Serves what is ready, and what that makes ready; does not wait. */
static inline void drv_pump(struct drv *d)
{
	drv_must(!event_rounds(d->ev, 4), "event loop");
}

static inline u16 drv_used_idx(struct drv *d, unsigned q)
{
	return (u16)drv_ram(d, d->q[q].used + 2, 2);
}

static inline u32 drv_used_len(struct drv *d, unsigned q, u16 i)
{
	return (u32)drv_ram(d, d->q[q].used + 4 + 8ULL * (i % d->q[q].size) + 4, 4);
}

static inline u32 drv_used_id(struct drv *d, unsigned q, u16 i)
{
	return (u32)drv_ram(d, d->q[q].used + 4 + 8ULL * (i % d->q[q].size), 4);
}

/* Serves until the used index is n, where it asks for an interrupt: that ends the loop's wait. A device that never does ends by alarm(). */
static inline void drv_wait(struct drv *d, unsigned q, u16 n)
{
	drv_set_ram(d, d->q[q].ring + 4 + 2ULL * d->q[q].size, 2, (u16)(n - 1));
	alarm(20);
	while (drv_used_idx(d, q) != n && !(drv_status(d) & VIRTIO_STATUS_NEEDS_RESET))
		drv_must(!event_run(d->ev), "event loop");
	alarm(0);
}

#endif
