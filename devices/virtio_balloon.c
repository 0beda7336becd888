/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-balloon (virtio 1.2 section 5.5): pages that the guest puts into the balloon, and free ones that it reports, go back to the host. A page
 * touched again is there again, filled with zeroes.
 */
#include <errno.h>
#include <stdlib.h>

#include "devices/virtio.h"
#include "vmm/config.h"
#include "vmm/log.h"
#include "vmm/mem.h"

#define BALLOON_F_DEFLATE_ON_OOM 2
#define BALLOON_F_PAGE_REPORTING 5
#define BALLOON_CFG_NUM_PAGES 0
#define BALLOON_CFG_ACTUAL 4
#define BALLOON_CFG_LEN 8
#define PFN_SHIFT 12

#define Q_INFLATE 0
#define Q_DEFLATE 1
/*
 * Statistics and free page hints are not offered, so what is left is page reporting: queue 4 by the specification (5.5.2), queue 2 of drivers that
 * do not count absent ones.
 */
#define N_QUEUES 5
#define QUEUE_SIZE 128
#define ROUND 1024 /* pieces of memory before others on the event thread come; giving them back is slow */

struct balloon {
	struct virtio_dev vd; /* first member */
	u32 num_pages, actual;
	struct vq_chain chain;
};

static struct balloon *to_balloon(struct virtio_dev *d)
{
	return CONTAINER_OF(d, struct balloon, vd);
}

static void discard(struct balloon *b, gpa_t gpa, u64 len)
{
	int err = mem_discard(b->vd.ctx->mem, gpa, len);

	if (err)
		log_guest("balloon: memory at 0x%llx cannot be given back: %s", (unsigned long long)gpa, strerror(-err));
}

/* Page numbers, coalesced: neighbours are given back with one call, whichever way the driver counts. The number of pieces. */
static unsigned inflate(struct balloon *b)
{
	u8 raw[1024];
	u64 done = 0, lo = 0, n = 0;
	unsigned pieces = 0;

	while (done < MIN(b->chain.out_len, KiB(64))) {
		s64 got = vq_chain_read(&b->vd, &b->chain, done, raw, sizeof(raw));

		if (got < 4)
			break;
		for (s64 i = 0; i + 4 <= got; i += 4) {
			u64 pfn = get_le(raw + i, 4);

			if (n && pfn == lo + n) {
				n++;
			} else if (n && pfn + 1 == lo) {
				lo--;
				n++;
			} else {
				if (n)
					discard(b, lo << PFN_SHIFT, n << PFN_SHIFT);
				lo = pfn;
				n = 1;
				pieces++;
			}
		}
		done += (u64)got & ~3ULL;
	}
	if (n)
		discard(b, lo << PFN_SHIFT, n << PFN_SHIFT);
	return pieces;
}

static unsigned report(struct balloon *b)
{
	for (unsigned i = 0; i < b->chain.n_in; i++) {
		const struct vq_seg *s = &b->chain.seg[b->chain.n_out + i];

		discard(b, s->addr, s->len);
	}
	return b->chain.n_in;
}

/* How much work it was. */
static unsigned serve(struct balloon *b, const struct vq *q)
{
	if (q->index == Q_INFLATE)
		return inflate(b);
	return q->index == Q_DEFLATE ? 0 : report(b);
}

static void notify(struct virtio_dev *d, struct vq *q)
{
	struct balloon *b = to_balloon(d);
	unsigned budget = ROUND;

	vq_enable_bell(q, false);
	do {
		while (budget && vq_pop(q, &b->chain) == 1) {
			budget -= MIN(budget, 1 + serve(b, q));
			vq_push(q, b->chain.head, 0);
		}
		if (!budget) {
			virtio_kick(q);
			break;
		}
	} while (vq_enable_bell(q, true));
	vq_notify_driver(q);
}

static void cfg_read(struct virtio_dev *d, unsigned off, unsigned size, u64 *val)
{
	const struct balloon *b = to_balloon(d);
	u8 image[BALLOON_CFG_LEN + 8] = { 0 };

	put_le(image + BALLOON_CFG_NUM_PAGES, 4, b->num_pages);
	put_le(image + BALLOON_CFG_ACTUAL, 4, b->actual);
	*val = off < BALLOON_CFG_LEN ? get_le(image + off, size) : 0;
}

static void cfg_write(struct virtio_dev *d, unsigned off, unsigned size, u64 val)
{
	if (off == BALLOON_CFG_ACTUAL && size == 4)
		to_balloon(d)->actual = (u32)val;
}

static void reset(struct virtio_dev *d)
{
	to_balloon(d)->actual = 0;
}

static void destroy(struct virtio_dev *d)
{
	if (d->q)
		virtio_fini(d);
	free(to_balloon(d));
}

static const struct virtio_ops balloon_ops = {
	.cfg_read = cfg_read,
	.cfg_write = cfg_write,
	.notify = notify,
	.reset = reset,
	.destroy = destroy,
};

int virtio_balloon_create(const struct dev_ctx *ctx, const struct vm_config *c)
{
	const struct virtio_spec spec = { .type = 5, .class_rev = 0x00ff00 << 8,
					  .features = BIT(BALLOON_F_DEFLATE_ON_OOM) | BIT(BALLOON_F_PAGE_REPORTING), .n_queues = N_QUEUES,
					  .cfg_len = BALLOON_CFG_LEN, .queue_size = QUEUE_SIZE };
	struct balloon *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return virtio_init_error("balloon", -ENOMEM);
	b->num_pages = (u32)MIN(c->balloon_bytes >> PFN_SHIFT, UINT32_MAX);
	err = virtio_init(&b->vd, ctx, &balloon_ops, &spec, "balloon");
	if (!err)
		err = virtio_plug(&b->vd);
	if (!err)
		return 0;
	destroy(&b->vd);
	return virtio_init_error("balloon", err);
}
