/* SPDX-License-Identifier: Apache-2.0 */
/* An interrupt controller that takes down the last MSI, and how many there were. */
#ifndef NIDUS_MSI_SEEN_H
#define NIDUS_MSI_SEEN_H

#include "vmm/irq.h"

struct msi_seen {
	unsigned n;
	u64 addr;
	u32 data;
};

static inline int msi_seen_signal(void *ctx, u64 addr, u32 data)
{
	struct msi_seen *m = ctx;

	/* By whichever thread raises it. */
	__atomic_add_fetch(&m->n, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&m->addr, addr, __ATOMIC_SEQ_CST);
	__atomic_store_n(&m->data, data, __ATOMIC_SEQ_CST);
	return 0;
}

static inline int msi_seen_routes(void *ctx, const struct irq_route *routes, unsigned n)
{
	return 0;
}

static inline int msi_seen_irqfd(void *ctx, int fd, u32 gsi, int resample_fd, bool add)
{
	return 0;
}

/* Its context is a struct msi_seen. */
static const struct irq_backend msi_seen_irqs = { .signal_msi = msi_seen_signal, .set_routes = msi_seen_routes, .irqfd = msi_seen_irqfd };

#endif
