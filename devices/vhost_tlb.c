/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/vhost_tlb.h"
#include "vmm/mem.h"

#define PAGE 4096ULL
/* Misses answered before others on the event thread come. */
#define ROUND 64
/* A miss is answered with what is mapped around it in this many pages, aligned; a frame has at most 17. */
#define AROUND 16ULL
/* Questions of a stopped device that are thrown away at a time; each queue asks for one page and then stands still. */
#define DRAIN_MAX 1024
/* Pages tried after the kernel gave up on a request. */
#define TRY_MAX 1024
/* Pages that vhost-net sends from without copying stay in use after it was told to forget them. */
#define ZERO_COPY "/sys/module/vhost_net/parameters/experimental_zcopytx"

static bool zero_copy(void)
{
	int fd = open(ZERO_COPY, O_RDONLY | O_CLOEXEC);
	char c = '0';

	if (fd < 0)
		return false;
	if (read(fd, &c, 1) != 1)
		c = '0';
	close(fd);
	return c != '0' && c != 'N';
}

bool vhost_tlb_able(const struct vhost *vh)
{
	u64 have = 0;

	if (!(vh->features & BIT(VIRTIO_F_ACCESS_PLATFORM)) || ioctl(vh->fd, VHOST_GET_BACKEND_FEATURES, &have) < 0)
		return false;
	return (have & BIT(VHOST_BACKEND_F_IOTLB_MSG_V2)) && !zero_copy();
}

int vhost_tlb_init(struct vhost_tlb *t, struct vhost *vh, struct dma *dma, const struct mem *mem)
{
	u64 want = BIT(VHOST_BACKEND_F_IOTLB_MSG_V2);
	int flags = fcntl(vh->fd, F_GETFL);

	if (ioctl(vh->fd, VHOST_SET_BACKEND_FEATURES, &want) < 0)
		return -errno;
	/* Reading with nothing to read must not put the event thread to sleep. */
	if (flags < 0 || fcntl(vh->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	*t = (struct vhost_tlb){ .vh = vh, .dma = dma, .mem = mem };
	pthread_mutex_init(&t->lock, NULL);
	vh->iova = true;
	return 0;
}

void vhost_tlb_fini(struct vhost_tlb *t)
{
	if (!t->vh)
		return;
	pthread_mutex_destroy(&t->lock);
	t->vh = NULL;
}

static int tell(const struct vhost_tlb *t, u8 type, iova_t iova, u64 size, u64 uaddr, u8 perm)
{
	const struct vhost_msg_v2 m = {
		.type = VHOST_IOTLB_MSG_V2,
		.iotlb = { .iova = iova, .size = size, .uaddr = uaddr, .perm = perm, .type = type },
	};
	ssize_t n;

	do {
		n = write(t->vh->fd, &m, sizeof(m));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == sizeof(m) ? 0 : -EIO;
}

static void note_told(struct vhost_tlb *t, iova_t page)
{
	t->told[page / PAGE % VHOST_TLB_TOLD] = page / PAGE + 1;
}

static bool was_told(const struct vhost_tlb *t, iova_t page)
{
	return t->told[page / PAGE % VHOST_TLB_TOLD] == page / PAGE + 1;
}

static int forget(struct vhost_tlb *t, iova_t iova, iova_t last)
{
	/* All 2^64 bytes have no size that fits; the kernel drops whatever overlaps, so the last byte does not matter. */
	u64 size = last - iova == ~0ULL ? ~0ULL : last - iova + 1;

	/* What the kernel drops beside [iova, last] it asks for again. */
	if (size / PAGE >= VHOST_TLB_TOLD) {
		memset(t->told, 0, sizeof(t->told));
	} else {
		for (u64 n = iova / PAGE; n <= last / PAGE; n++)
			t->told[n % VHOST_TLB_TOLD] = 0;
	}

	return tell(t, VHOST_IOTLB_INVALIDATE, iova, size, 0, 0);
}

/* True: one more question read; only misses are asked for. */
static bool next_miss(const struct vhost_tlb *t, iova_t *page, enum dma_perm *perm)
{
	struct vhost_msg_v2 m;
	ssize_t n;

	do {
		n = read(t->vh->fd, &m, sizeof(m));
		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(m))
			return false;
	} while (n < 0 || m.type != VHOST_IOTLB_MSG_V2 || m.iotlb.type != VHOST_IOTLB_MISS);
	*page = ALIGN_DOWN(m.iotlb.iova, PAGE);
	*perm = m.iotlb.perm & VHOST_ACCESS_WO ? DMA_WRITE : DMA_READ;
	return true;
}

_Static_assert(VHOST_ACCESS_RO == DMA_READ && VHOST_ACCESS_WO == DMA_WRITE, "rights have the same bits");

/* Pages in a row that the kernel is told of at once. */
struct run {
	iova_t iova;
	u64 len, uaddr;
	u8 perm;
};

/* lock held. */
static void tell_run(struct vhost_tlb *t, struct run *r)
{
	if (r->len && tell(t, VHOST_IOTLB_UPDATE, r->iova, r->len, r->uaddr, r->perm) == 0) {
		for (u64 i = 0; i < r->len; i += PAGE)
			note_told(t, r->iova + i);
	}
	r->len = 0;
}

/*
 * lock held. What can be reached around page and has not been told. A page whose first write is to be noted in the guest's table is left out:
 * the kernel would not ask at that write.
 */
static void tell_around(struct vhost_tlb *t, iova_t page)
{
	iova_t first = ALIGN_DOWN(page, AROUND * PAGE);
	struct run run = { .len = 0 };

	for (iova_t at = first; at - first < AROUND * PAGE; at += PAGE) {
		struct dma_span s;
		struct iovec iov;
		bool ok = at != page && !was_told(t, at) && dma_probe(t->dma, at, PAGE, DMA_READ, &s, &iov, 1) == 1;

		if (ok)
			dma_put(&s);
		ok = ok && !s.clean && s.allowed;
		if (run.len && (!ok || s.allowed != run.perm || (uintptr_t)iov.iov_base != run.uaddr + run.len))
			tell_run(t, &run);
		if (ok && !run.len)
			run = (struct run){ .iova = at, .uaddr = (uintptr_t)iov.iov_base, .perm = s.allowed };
		if (ok)
			run.len += PAGE;
	}
	tell_run(t, &run);
}

/* lock held. The page is given with all the rights it has: the kernel does not ask again for a page that it knows, but fails. */
static int answer(struct vhost_tlb *t, iova_t page, enum dma_perm perm, bool around)
{
	struct dma_span span;
	struct iovec iov;
	int err, n;

	/* A question may be late: about a page that the kernel was told meanwhile, has used, and the guest has unmapped. */
	if (around)
		n = dma_probe(t->dma, page, PAGE, perm, &span, &iov, 1);
	else
		n = dma_get(t->dma, page, PAGE, perm, &span, &iov, 1);
	if (n < 0)
		return -EFAULT;
	/* Before, since the kernel goes on as soon as it has the page. */
	if (around)
		tell_around(t, page);
	err = tell(t, VHOST_IOTLB_UPDATE, page, PAGE, (uintptr_t)iov.iov_base, span.allowed);
	note_told(t, page);
	dma_put(&span);
	return err;
}

/* A question of a device that stands still: answered with any page, which is forgotten at once, so that the kernel keeps no list of them. */
static void dismiss(struct vhost_tlb *t, iova_t page)
{
	const struct mem_slot *slot;

	if (!mem_slots(t->mem, &slot))
		return;
	(void)tell(t, VHOST_IOTLB_UPDATE, page, PAGE, (uintptr_t)slot[0].hva, VHOST_ACCESS_RO);
	(void)forget(t, page, page + PAGE - 1);
}

static void drain(struct vhost_tlb *t)
{
	enum dma_perm perm;
	iova_t page;

	if (t->unanswered)
		dismiss(t, t->unanswered_page);
	t->unanswered = false;
	for (unsigned i = 0; i < DRAIN_MAX && next_miss(t, &page, &perm); i++)
		dismiss(t, page);
}

void vhost_tlb_start(struct vhost_tlb *t)
{
	pthread_mutex_lock(&t->lock);
	t->on = true;
	pthread_mutex_unlock(&t->lock);
}

void vhost_tlb_stop(struct vhost_tlb *t)
{
	pthread_mutex_lock(&t->lock);
	if (t->on) {
		(void)forget(t, 0, ~0ULL);
		drain(t);
	}
	t->on = false;
	pthread_mutex_unlock(&t->lock);
}

int vhost_tlb_ring(struct vhost_tlb *t, const struct vq *q)
{
	/* What is written first: parts may share a page, and the kernel would find the one with fewer rights. */
	const struct {
		iova_t at;
		u64 len;
		enum dma_perm perm;
	} part[] = {
		{ q->used, 6 + 8ULL * q->size, DMA_WRITE },
		{ q->avail, 6 + 2ULL * q->size, DMA_READ },
		{ q->desc, 16ULL * q->size, DMA_READ },
	};
	iova_t first = ALIGN_DOWN(q->used, PAGE), last = q->used + part[0].len - 1;
	int err = 0;

	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; !err && i < ARRAY_SIZE(part); i++) {
		iova_t page = ALIGN_DOWN(part[i].at, PAGE);

		/* Counted: after the last page of all comes page 0. */
		for (u64 n = (part[i].at + part[i].len - 1) / PAGE - page / PAGE + 1; !err && n; n--, page += PAGE) {
			if (i && page >= first && page <= last)
				continue;
			/* From an earlier start. */
			err = forget(t, page, page + PAGE - 1);
			if (!err)
				err = answer(t, page, part[i].perm, false);
		}
	}
	pthread_mutex_unlock(&t->lock);
	return err;
}

int vhost_tlb_serve(struct vhost_tlb *t)
{
	enum dma_perm perm;
	iova_t page;
	int err = 0;

	pthread_mutex_lock(&t->lock);
	if (!t->on)
		drain(t);
	for (unsigned i = 0; t->on && !t->unanswered && !err && i < ROUND && next_miss(t, &page, &perm); i++) {
		err = answer(t, page, perm, true);
		t->unanswered = err == -EFAULT;
		t->unanswered_page = page;
	}
	pthread_mutex_unlock(&t->lock);
	return err;
}

/* One buffer, page by page as the kernel takes it. */
static int try_seg(struct vhost_tlb *t, const struct vq_seg *seg, enum dma_perm perm, unsigned *budget)
{
	for (u64 done = 0, part; done < seg->len && *budget; done += part, --*budget) {
		iova_t at = seg->addr + done;
		struct dma_span span;
		struct iovec iov;

		part = MIN(seg->len - done, PAGE - at % PAGE);
		if (dma_get(t->dma, at, part, perm, &span, &iov, 1) < 0)
			return -EFAULT;
		dma_put(&span);
	}
	return 0;
}

int vhost_tlb_refused(struct vhost_tlb *t, struct vq *q, u16 next)
{
	unsigned budget = TRY_MAX;
	struct vq_chain c;
	int n = 0, err = 0;

	/* Nobody else here takes from a queue that the kernel serves. */
	q->next_avail = q->avail_seen = next;
	while (!err && budget && (n = vq_pop(q, &c)) == 1) {
		for (unsigned i = 0; !err && i < c.n_out + c.n_in; i++)
			err = try_seg(t, &c.seg[i], i < c.n_out ? DMA_READ : DMA_WRITE, &budget);
	}
	return err ? err : n < 0 ? n : 0;
}

int vhost_tlb_gone(struct vhost_tlb *t, iova_t iova, iova_t last)
{
	int err;

	pthread_mutex_lock(&t->lock);
	err = t->on ? forget(t, iova, last) : 0;
	pthread_mutex_unlock(&t->lock);
	return err;
}
