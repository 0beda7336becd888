/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/irq.h"
#include "vmm/log.h"

struct irq {
	const struct irq_backend *be;
	void *ctx;
	struct irq_lines lines;
	pthread_mutex_t lock;
	/* route[gsi]; used[] for vectors, a line's route exists if its addr is not 0 */
	struct irq_route route[IRQ_MAX_ROUTES];
	bool used[IRQ_MAX_ROUTES];
	unsigned top; /* gsis in use are below */
};

int irq_create(const struct irq_backend *be, void *ctx, struct irq **out)
{
	struct irq *irq = calloc(1, sizeof(*irq));

	if (!irq)
		return -ENOMEM;
	irq->be = be;
	irq->ctx = ctx;
	irq->top = IRQ_LINES;
	pthread_mutex_init(&irq->lock, NULL);
	*out = irq;
	return 0;
}

void irq_destroy(struct irq *irq)
{
	if (!irq)
		return;
	pthread_mutex_destroy(&irq->lock);
	free(irq);
}

void irq_msi(struct irq *irq, u16 sid, u64 addr, u32 data)
{
	int err = irq->be->signal_msi(irq->ctx, addr, data);

	/* EINVAL and the like: the guest programmed an address that no local APIC answers; hardware would drop the write as well. */
	if (err < 0)
		log_guest("interrupt of device %02x:%02x.%x not delivered: address 0x%llx data 0x%x: %s", sid >> 8, sid >> 3 & 31, sid & 7,
			  (unsigned long long)addr, data, strerror(-err));
}

void irq_set_lines(struct irq *irq, const struct irq_lines *lines)
{
	irq->lines = *lines;
}

void irq_line(struct irq *irq, u32 line, bool level)
{
	if (line < IRQ_LINES && irq->lines.set)
		irq->lines.set(irq->lines.ctx, line, level);
}

/* Hands the whole table to the kernel. Lock held. */
static int push(struct irq *irq)
{
	struct irq_route *r = malloc(irq->top * sizeof(*r));
	unsigned n = 0;
	int err;

	if (!r)
		return -ENOMEM;
	for (unsigned i = 0; i < irq->top; i++) {
		if (irq->route[i].addr)
			r[n++] = irq->route[i];
	}
	err = irq->be->set_routes(irq->ctx, r, n);
	free(r);
	return err;
}

/* Lock held. The kernel is only asked if something changes: replacing its table waits for a grace period. */
static int set_route(struct irq *irq, u32 gsi, u64 addr, u32 data)
{
	struct irq_route old = irq->route[gsi];
	int err;

	if (old.addr == addr && old.data == data)
		return 0;
	irq->route[gsi] = (struct irq_route){ .gsi = gsi, .addr = addr, .data = data };
	err = push(irq);
	if (err < 0)
		irq->route[gsi] = old;
	return err;
}

int irq_line_route(struct irq *irq, u32 line, u64 addr, u32 data)
{
	int err;

	if (line >= IRQ_LINES)
		return -EINVAL;
	pthread_mutex_lock(&irq->lock);
	err = set_route(irq, line, addr, data);
	pthread_mutex_unlock(&irq->lock);
	return err;
}

int irq_vec_create(struct irq *irq, struct irq_vec *v)
{
	u32 gsi;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	pthread_mutex_lock(&irq->lock);
	for (gsi = IRQ_LINES; gsi < IRQ_MAX_ROUTES && irq->used[gsi]; gsi++)
		;
	if (gsi < IRQ_MAX_ROUTES) {
		irq->used[gsi] = true;
		irq->top = MAX(irq->top, gsi + 1);
	}
	pthread_mutex_unlock(&irq->lock);
	if (gsi == IRQ_MAX_ROUTES) {
		close(fd);
		return -ENOSPC;
	}
	*v = (struct irq_vec){ .irq = irq, .fd = fd, .gsi = gsi };
	return 0;
}

int irq_vec_set(struct irq_vec *v, u16 sid, u64 addr, u32 data)
{
	struct irq *irq = v->irq;
	int err;

	pthread_mutex_lock(&irq->lock);
	err = set_route(irq, v->gsi, addr, data);
	if (!err && !v->attached) {
		err = irq->be->irqfd(irq->ctx, v->fd, v->gsi, -1, true);
		v->attached = !err;
	}
	pthread_mutex_unlock(&irq->lock);
	return err;
}

static void detach(struct irq_vec *v)
{
	if (v->attached)
		(void)v->irq->be->irqfd(v->irq->ctx, v->fd, v->gsi, -1, false);
	v->attached = false;
}

void irq_vec_mask(struct irq_vec *v)
{
	pthread_mutex_lock(&v->irq->lock);
	detach(v);
	pthread_mutex_unlock(&v->irq->lock);
}

void irq_vec_destroy(struct irq_vec *v)
{
	struct irq *irq = v->irq;

	if (!irq)
		return;
	pthread_mutex_lock(&irq->lock);
	detach(v);
	/* The route itself may stay in the kernel's table until the next change: nothing signals it any more. */
	irq->route[v->gsi] = (struct irq_route){ 0 };
	irq->used[v->gsi] = false;
	while (irq->top > IRQ_LINES && !irq->used[irq->top - 1])
		irq->top--;
	pthread_mutex_unlock(&irq->lock);
	close(v->fd);
	*v = (struct irq_vec){ 0 };
}
