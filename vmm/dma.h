/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DMA as a device sees it: I/O virtual addresses, translated by whatever stands between the device and RAM. Devices reach guest
 * memory by nothing else (make lint checks it), so any device can be put behind a vIOMMU.
 *
 * A span is the right to use a translation: between dma_get() and dma_put() the host memory described stays the one the
 * guest meant, and an invalidation that covers a live span does not complete before its dma_put(). A span may be put by another thread
 * than the one that got it (io_uring completions). Spans are embedded in the caller's request; never copy a live one.
 *
 * Lock order: the device's lock may be held; an implementation takes only the vIOMMU's locks, never a device's.
 */
#ifndef NIDUS_DMA_H
#define NIDUS_DMA_H

#include <sys/uio.h>

#include "vmm/bits.h"

struct dma;
struct mem;

enum dma_perm { DMA_READ = 1, DMA_WRITE = 2, DMA_RW = 3 }; /* as the device sees it: DMA_READ reads guest memory */

/* PASID of requests without one. */
#define DMA_NO_PASID 0xffffffffU

struct dma_span {
	struct dma *dma; /* NULL: not live */
	iova_t iova;
	u64 len;
	enum dma_perm perm;
	u32 pasid;
	u8 allowed; /* set by the implementation: DMA_READ, DMA_WRITE that would pass for all of it, with nothing left to be done for it */
	bool clean; /* set by the implementation: a write would pass, but the guest's table has yet to say so (a "dirty" bit) */
	bool probe; /* dma_probe()'s: a failure is nobody's fault */
	/* for the implementation */
	struct dma_span *next, *prev;
	u64 tag;
};

struct dma_ops {
	int (*get)(struct dma *d, struct dma_span *s, struct iovec *iov, unsigned max);
	void (*put)(struct dma *d, struct dma_span *s);
};

struct dma {
	const struct dma_ops *ops;
	const struct mem *mem;
	void *ctx; /* the implementation's */
	void (*gone)(void *arg, iova_t iova, iova_t last); /* dma_watch()'s */
	void *gone_arg;
};

/* No translation: iova is gpa. */
void dma_identity_init(struct dma *d, const struct mem *mem);

/*
 * Translates [iova, iova + len) with the permission given and fills iov. Returns the number of entries (>= 1), the span is live then.
 * -EFAULT: not translated, not permitted, not RAM or len 0 (a vIOMMU has recorded the fault); -E2BIG: more than max entries. On failure there is no span.
 */
int dma_get_pasid(struct dma *d, u32 pasid, iova_t iova, u64 len, enum dma_perm perm, struct dma_span *s, struct iovec *iov, unsigned max) __must_check;
static inline int __must_check dma_get(struct dma *d, iova_t iova, u64 len, enum dma_perm perm, struct dma_span *s, struct iovec *iov, unsigned max)
{
	return dma_get_pasid(d, DMA_NO_PASID, iova, len, perm, s, iov, max);
}
/*
 * dma_get() of which a failure is not recorded, and nothing is said: for a device that caches translations, which looks ahead, or whose question
 * may be older than the guest's tables.
 */
int dma_probe(struct dma *d, iova_t iova, u64 len, enum dma_perm perm, struct dma_span *s, struct iovec *iov, unsigned max) __must_check;
/*
 * For a device that goes on using what dma_get() gave after dma_put(), as one with a device TLB does: gone() is called when translations of
 * [iova, last] may no longer be used by requests without PASID, and returns when none is any more; the guest learns that its
 * invalidation is complete after that. Between its dma_get() and the moment its own record of the translation is made the device holds a
 * lock that gone() takes too. Any thread; the device's lock must not be needed. Before the guest runs; without a vIOMMU it is never called.
 */
void dma_watch(struct dma *d, void (*gone)(void *arg, iova_t iova, iova_t last), void *arg);

/* Ends a live span; on one that is not live it does nothing. */
void dma_put(struct dma_span *s);

/* Copies, any length; -EFAULT with an unspecified part copied if a byte cannot be reached. len 0 is 0. */
int dma_read(struct dma *d, iova_t iova, void *buf, u64 len) __must_check;
int dma_write(struct dma *d, iova_t iova, const void *buf, u64 len) __must_check;

/* Naturally aligned 2, 4 or 8 bytes, single-copy atomic; load acquires, store releases. -EFAULT, -EINVAL. */
int dma_load(struct dma *d, iova_t iova, unsigned size, u64 *val) __must_check;
int dma_store(struct dma *d, iova_t iova, unsigned size, u64 val) __must_check;

#endif
