/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split virtqueues (virtio 1.2 section 2.7), the device's side. How a request is taken:
 *
 * 1. The available index is read with acquire; more than a ring's worth of new entries is malformed.
 * 2. The head index is read once from the available ring.
 * 3. Each descriptor of its chain is copied once into a local, judged, and put into the caller's vq_chain; an indirect table is copied
 *    whole first. Steps are bounded by the ring's size and by VQ_MAX_SEGS, so a loop ends as "too long".
 */
#include <errno.h>
#include <stdatomic.h>

#include "devices/virtio.h"
#include "devices/virtio_regs.h"

/* A descriptor in host byte order. */
struct vq_desc {
	u64 addr;
	u32 len;
	u16 flags, next;
};

const char *vq_fault(const struct vq *q)
{
	if (!q->size || (q->size & (q->size - 1)) || q->size > q->max_size)
		return "queue size is not a power of two within the limit";
	if (!IS_ALIGNED(q->desc, 16) || !IS_ALIGNED(q->avail, 2) || !IS_ALIGNED(q->used, 4))
		return "ring is not aligned";
	if (q->desc > ~0ULL - 16ULL * q->size || q->avail > ~0ULL - (6 + 2ULL * q->size) || q->used > ~0ULL - (6 + 8ULL * q->size))
		return "ring wraps around the address space";
	return NULL;
}

static bool has(const struct virtio_dev *d, unsigned feature)
{
	return d->features & BIT(feature);
}

static int broken(struct vq *q, const char *why)
{
	virtio_broken(q->dev, why);
	return -EPROTO;
}

static void parse_desc(const u8 *raw, struct vq_desc *out)
{
	out->addr = get_le(raw, 8);
	out->len = (u32)get_le(raw + 8, 4);
	out->flags = (u16)get_le(raw + 12, 2);
	out->next = (u16)get_le(raw + 14, 2);
}

/* Appends one buffer descriptor. NULL, or what is wrong. */
static const char *add_seg(struct vq_chain *c, const struct vq_desc *d)
{
	unsigned n = c->n_out + c->n_in;

	if (n == VQ_MAX_SEGS)
		return "descriptor chain loops or is too long";
	if (!d->len)
		return "descriptor of length zero";
	c->seg[n].addr = d->addr;
	c->seg[n].len = d->len;
	if (d->flags & VIRTQ_DESC_F_WRITE) {
		c->n_in++;
		c->in_len += d->len;
		return NULL;
	}
	if (c->n_in)
		return "readable descriptor after a writable one";
	c->n_out++;
	c->out_len += d->len;
	return NULL;
}

static const char *walk_indirect(struct vq *q, const struct vq_desc *ind, struct vq_chain *c)
{
	u8 table[VQ_MAX_SEGS * VIRTQ_DESC_SIZE];
	unsigned n = ind->len / VIRTQ_DESC_SIZE, i = 0;
	struct vq_desc d;

	if (!has(q->dev, VIRTIO_F_INDIRECT_DESC))
		return "indirect descriptor without the feature";
	if (ind->flags & VIRTQ_DESC_F_NEXT)
		return "indirect descriptor with a next one";
	if (!n || ind->len % VIRTQ_DESC_SIZE || ind->len > sizeof(table))
		return "indirect table of a bad length";
	if (dma_read(q->dev->fn.dma, ind->addr, table, ind->len))
		return "indirect table cannot be read";
	do {
		const char *why;

		if (i >= n)
			return "next index outside the indirect table";
		parse_desc(table + i * VIRTQ_DESC_SIZE, &d);
		if (d.flags & VIRTQ_DESC_F_INDIRECT)
			return "indirect descriptor inside an indirect table";
		why = add_seg(c, &d);
		if (why)
			return why;
		i = d.next;
	} while (d.flags & VIRTQ_DESC_F_NEXT);
	return NULL;
}

static const char *walk(struct vq *q, struct vq_chain *c)
{
	u8 raw[VIRTQ_DESC_SIZE];
	struct vq_desc d = { .next = c->head };

	/* add_seg() ends a loop: every turn but the last adds a segment. */
	do {
		const char *why;

		if (d.next >= q->size)
			return "descriptor index outside the ring";
		if (dma_read(q->dev->fn.dma, q->desc + (u64)d.next * VIRTQ_DESC_SIZE, raw, sizeof(raw)))
			return "descriptor cannot be read";
		parse_desc(raw, &d);
		if (d.flags & VIRTQ_DESC_F_INDIRECT)
			return walk_indirect(q, &d, c);
		why = add_seg(c, &d);
		if (why)
			return why;
	} while (d.flags & VIRTQ_DESC_F_NEXT);
	return NULL;
}

/* Reads the driver's available index. 0 or -EPROTO. */
static int look(struct vq *q)
{
	u64 idx;

	if (dma_load(q->dev->fn.dma, q->avail + VIRTQ_AVAIL_IDX, 2, &idx))
		return broken(q, "available ring cannot be read");
	if ((u16)(idx - q->next_avail) > q->size)
		return broken(q, "available index jumps by more than the ring's size");
	q->avail_seen = (u16)idx;
	return 0;
}

int vq_pop(struct vq *q, struct vq_chain *c)
{
	const char *why;
	u64 head;

	if (!q->enabled || q->dev->broken)
		return 0;
	if (q->avail_seen == q->next_avail) {
		int err = look(q);

		if (err)
			return err;
		if (q->avail_seen == q->next_avail)
			return 0;
	}
	if (dma_load(q->dev->fn.dma, q->avail + VIRTQ_AVAIL_RING + 2ULL * (q->next_avail & (q->size - 1)), 2, &head))
		return broken(q, "available ring cannot be read");
	c->head = (u16)head;
	c->n_out = c->n_in = 0;
	c->out_len = c->in_len = 0;
	why = walk(q, c);
	if (why)
		return broken(q, why);
	q->next_avail++;
	return 1;
}

void vq_push(struct vq *q, u16 head, u32 written)
{
	struct dma *dma = q->dev->fn.dma;
	u8 elem[VIRTQ_USED_ELEM];

	if (!q->enabled || q->dev->broken)
		return;
	put_le(elem, 4, head);
	put_le(elem + 4, 4, written);
	/* The store of the index releases: the driver sees the element, and what the device wrote before, no later than the index. */
	if (dma_write(dma, q->used + VIRTQ_USED_RING + (u64)VIRTQ_USED_ELEM * (q->next_used & (q->size - 1)), elem, sizeof(elem)) ||
	    dma_store(dma, q->used + VIRTQ_USED_IDX, 2, (u16)(q->next_used + 1))) {
		virtio_broken(q->dev, "used ring cannot be written");
		return;
	}
	q->next_used++;
}

/* True if the driver asked to hear about entries in (old, now] (section 2.7.10.1). */
static bool crosses(u16 event, u16 now, u16 old)
{
	return (u16)(now - event - 1) < (u16)(now - old);
}

void vq_notify_driver(struct vq *q)
{
	u16 old = q->signalled_used;
	u64 v;

	if (!q->enabled || q->dev->broken || q->next_used == old)
		return;
	q->signalled_used = q->next_used;
	/* The used index must be visible before the driver's wish is read: it writes the wish, then reads the index. */
	atomic_thread_fence(memory_order_seq_cst);
	if (has(q->dev, VIRTIO_F_EVENT_IDX)) {
		if (dma_load(q->dev->fn.dma, q->avail + VIRTQ_AVAIL_RING + 2ULL * q->size, 2, &v))
			virtio_broken(q->dev, "used event cannot be read");
		else if (crosses((u16)v, q->next_used, old))
			virtio_raise(q);
		return;
	}
	if (dma_load(q->dev->fn.dma, q->avail + VIRTQ_AVAIL_FLAGS, 2, &v))
		virtio_broken(q->dev, "available flags cannot be read");
	else if (!(v & VIRTQ_AVAIL_F_NO_INTERRUPT))
		virtio_raise(q);
}

bool vq_enable_bell(struct vq *q, bool on)
{
	bool event_idx = has(q->dev, VIRTIO_F_EVENT_IDX);
	struct dma *dma = q->dev->fn.dma;
	int err = 0;

	if (!q->enabled || q->dev->broken)
		return false;
	/* With EVENT_IDX an event index that is not moved on asks for no further doorbell. */
	if (event_idx && on)
		err = dma_store(dma, q->used + VIRTQ_USED_RING + (u64)VIRTQ_USED_ELEM * q->size, 2, q->next_avail);
	else if (!event_idx)
		err = dma_store(dma, q->used + VIRTQ_USED_FLAGS, 2, on ? 0 : VIRTQ_USED_F_NO_NOTIFY);
	if (err) {
		virtio_broken(q->dev, "used ring cannot be written");
		return false;
	}
	if (!on)
		return false;
	/* The driver writes the index, then reads whether to ring: the other order here, or both would wait. */
	atomic_thread_fence(memory_order_seq_cst);
	return look(q) == 0 && q->avail_seen != q->next_avail;
}

/* Copies between buf and segments [first, first + n), skip bytes in. */
static s64 chain_copy(struct virtio_dev *d, const struct vq_seg *seg, unsigned n, u64 skip, void *buf, u64 len, bool write)
{
	char *b = buf;
	u64 done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		u64 part;
		int err;

		if (skip >= seg[i].len) {
			skip -= seg[i].len;
			continue;
		}
		part = MIN(len - done, seg[i].len - skip);
		if (seg[i].addr > ~0ULL - skip)
			return -EFAULT;
		err = write ? dma_write(d->fn.dma, seg[i].addr + skip, b + done, part) : dma_read(d->fn.dma, seg[i].addr + skip, b + done, part);
		if (err)
			return -EFAULT;
		done += part;
		skip = 0;
	}
	return (s64)done;
}

s64 vq_chain_read(struct virtio_dev *d, const struct vq_chain *c, u64 skip, void *buf, u64 len)
{
	return chain_copy(d, c->seg, c->n_out, skip, buf, len, false);
}

s64 vq_chain_write(struct virtio_dev *d, const struct vq_chain *c, u64 skip, const void *buf, u64 len)
{
	/* chain_copy() only reads buf when it writes to the guest. */
	return chain_copy(d, c->seg + c->n_out, c->n_in, skip, (void *)(uintptr_t)buf, len, true);
}
