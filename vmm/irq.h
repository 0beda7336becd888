/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts from devices to vCPUs. Every MSI goes through irq_msi() or an irq_vec with the raw address and data that the guest
 * programmed and the requester's stream id, so that interrupt remapping can be put here and nowhere else.
 *
 * Threads: all functions [any]. The lock taken inside is a leaf: callers may hold a device's lock.
 */
#ifndef NIDUS_IRQ_H
#define NIDUS_IRQ_H

#include <pthread.h>

#include "vmm/bits.h"

/* Routes 0..IRQ_LINES-1 belong to the interrupt controller's wired lines; vectors are allocated above. */
#define IRQ_LINES 24
#define IRQ_MAX_ROUTES 1024

struct irq_route {
	u32 gsi;
	u64 addr;
	u32 data;
};

/* Who carries it out: KVM (vmm/irq_kvm.c), or a recorder in tests. Each 0 or -errno. */
struct irq_backend {
	int (*signal_msi)(void *ctx, u64 addr, u32 data);
	/* Replaces the whole routing table. */
	int (*set_routes)(void *ctx, const struct irq_route *routes, unsigned n);
	/* fd signalled -> gsi raised. resample_fd < 0: none. */
	int (*irqfd)(void *ctx, int fd, u32 gsi, int resample_fd, bool add);
};

/* A wired interrupt controller (IOAPIC, GIC SPIs); level in, MSI or kernel call out. */
struct irq_lines {
	void (*set)(void *ctx, u32 line, bool level);
	void *ctx;
};

struct irq;

/* be and ctx must live as long as it. -ENOMEM. */
int irq_create(const struct irq_backend *be, void *ctx, struct irq **out) __must_check;
/* No vector is left. NULL is allowed. */
void irq_destroy(struct irq *irq);

/* Raises one MSI now. Errors of the host are logged (rate limited): a device can do nothing about them. */
void irq_msi(struct irq *irq, u16 sid, u64 addr, u32 data);

/* Wired lines. lines may be replaced only before vCPUs run. A set on a line without controller is dropped. */
void irq_set_lines(struct irq *irq, const struct irq_lines *lines);
void irq_line(struct irq *irq, u32 line, bool level);

/*
 * The interrupt controller's own routes, one per line (so that KVM knows which vectors want an EOI exit): data 0 and addr 0 = none.
 * -EINVAL: no such line, else what the backend says; the old route then stays. Any thread.
 */
int irq_line_route(struct irq *irq, u32 line, u64 addr, u32 data) __must_check;

/* An eventfd that injects an MSI when signalled: for irqfds, vhost and VFIO. */
struct irq_vec {
	struct irq *irq; /* NULL: not created */
	int fd;          /* eventfd, owned */
	u32 gsi;
	bool attached;
};

/* -ENOSPC when all routes are in use, -EMFILE. */
int irq_vec_create(struct irq *irq, struct irq_vec *v) __must_check;
/* Sets what the vector sends and attaches the irqfd; may be called again with new values. -errno: as before, or detached. */
int irq_vec_set(struct irq_vec *v, u16 sid, u64 addr, u32 data) __must_check;
/* Detaches: signals are then kept in the eventfd's counter, for the owner to read. */
void irq_vec_mask(struct irq_vec *v);
/* Closes the eventfd. Nothing on one that was not created. */
void irq_vec_destroy(struct irq_vec *v);

#endif
