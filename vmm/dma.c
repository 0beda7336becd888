/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "vmm/dma.h"
#include "vmm/mem.h"

/* Copies go in pieces of at most this many bytes, so that a piece needs few iovecs even if every page is translated apart. */
#define PIECE_BYTES 65536ULL
#define PIECE_IOVS 24

static int identity_get(struct dma *d, struct dma_span *s, struct iovec *iov, unsigned max)
{
	s->allowed = DMA_RW;
	return mem_iov(d->mem, s->iova, s->len, iov, max);
}

static void identity_put(struct dma *d, struct dma_span *s)
{
}

static const struct dma_ops identity_ops = { .get = identity_get, .put = identity_put };

void dma_identity_init(struct dma *d, const struct mem *mem)
{
	*d = (struct dma){ .ops = &identity_ops, .mem = mem };
}

void dma_watch(struct dma *d, void (*gone)(void *arg, iova_t iova, iova_t last), void *arg)
{
	d->gone = gone;
	d->gone_arg = arg;
}

static int get(struct dma *d, struct dma_span *s, struct iovec *iov, unsigned max)
{
	int n;

	if (!s->len || s->iova + s->len - 1 < s->iova)
		return -EFAULT;
	n = d->ops->get(d, s, iov, max);
	if (n > 0)
		s->dma = d;
	return n;
}

int dma_get_pasid(struct dma *d, u32 pasid, iova_t iova, u64 len, enum dma_perm perm, struct dma_span *s, struct iovec *iov, unsigned max)
{
	*s = (struct dma_span){ .iova = iova, .len = len, .perm = perm, .pasid = pasid };
	return get(d, s, iov, max);
}

int dma_probe(struct dma *d, iova_t iova, u64 len, enum dma_perm perm, struct dma_span *s, struct iovec *iov, unsigned max)
{
	*s = (struct dma_span){ .iova = iova, .len = len, .perm = perm, .pasid = DMA_NO_PASID, .probe = true };
	return get(d, s, iov, max);
}

void dma_put(struct dma_span *s)
{
	struct dma *d = s->dma;

	if (!d)
		return;
	s->dma = NULL;
	d->ops->put(d, s);
}

static int copy(struct dma *d, iova_t iova, void *buf, u64 len, enum dma_perm perm)
{
	struct iovec iov[PIECE_IOVS];
	struct dma_span span;
	char *b = buf;

	while (len) {
		u64 want = MIN(len, PIECE_BYTES);
		int n = dma_get(d, iova, want, perm, &span, iov, PIECE_IOVS);

		if (n < 0)
			return -EFAULT;
		for (int i = 0; i < n; i++) {
			if (perm == DMA_READ)
				memcpy(b, iov[i].iov_base, iov[i].iov_len);
			else
				memcpy(iov[i].iov_base, b, iov[i].iov_len);
			b += iov[i].iov_len;
		}
		dma_put(&span);
		iova += want;
		len -= want;
	}
	return 0;
}

int dma_read(struct dma *d, iova_t iova, void *buf, u64 len)
{
	return copy(d, iova, buf, len, DMA_READ);
}

int dma_write(struct dma *d, iova_t iova, const void *buf, u64 len)
{
	/* copy() does not write through buf for DMA_WRITE. */
	return copy(d, iova, (void *)(uintptr_t)buf, len, DMA_WRITE);
}

static int word(struct dma *d, iova_t iova, unsigned size, enum dma_perm perm, struct dma_span *s, void **at)
{
	struct iovec iov;

	if ((size != 2 && size != 4 && size != 8) || !IS_ALIGNED(iova, size))
		return -EINVAL;
	if (dma_get(d, iova, size, perm, s, &iov, 1) < 0)
		return -EFAULT;
	*at = iov.iov_base;
	return 0;
}

int dma_load(struct dma *d, iova_t iova, unsigned size, u64 *val)
{
	struct dma_span s;
	void *at;
	int err = word(d, iova, size, DMA_READ, &s, &at);

	if (err)
		return err;
	if (size == 2)
		*val = le16toh(__atomic_load_n((u16 *)at, __ATOMIC_ACQUIRE));
	else if (size == 4)
		*val = le32toh(__atomic_load_n((u32 *)at, __ATOMIC_ACQUIRE));
	else
		*val = le64toh(__atomic_load_n((u64 *)at, __ATOMIC_ACQUIRE));
	dma_put(&s);
	return 0;
}

int dma_store(struct dma *d, iova_t iova, unsigned size, u64 val)
{
	struct dma_span s;
	void *at;
	int err = word(d, iova, size, DMA_WRITE, &s, &at);

	if (err)
		return err;
	if (size == 2)
		__atomic_store_n((u16 *)at, htole16((u16)val), __ATOMIC_RELEASE);
	else if (size == 4)
		__atomic_store_n((u32 *)at, htole32((u32)val), __ATOMIC_RELEASE);
	else
		__atomic_store_n((u64 *)at, htole64(val), __ATOMIC_RELEASE);
	dma_put(&s);
	return 0;
}
