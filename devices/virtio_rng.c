/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-rng (virtio 1.2 section 5.4): fills the driver's buffers from the host's getrandom(). */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "devices/virtio.h"

/* Per round of the event thread, so that a guest that asks without end does not keep others from being served. */
#define ROUND_BYTES KiB(64)
#define QUEUE_SIZE 64

struct rng {
	struct virtio_dev vd; /* first member */
	struct vq_chain chain;
};

static struct rng *to_rng(struct virtio_dev *d)
{
	return CONTAINER_OF(d, struct rng, vd);
}

/* Fills at most max bytes of the chain and returns it; a shorter answer than asked for is allowed (5.4.6.2). */
static u64 fill(struct rng *r, struct vq *q, u64 max)
{
	u64 want = MIN(r->chain.in_len, max), done = 0;
	u8 buf[4096];

	while (done < want) {
		ssize_t n = getrandom(buf, MIN(want - done, sizeof(buf)), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || vq_chain_write(&r->vd, &r->chain, done, buf, (u64)n) != n)
			break;
		done += (u64)n;
	}
	vq_push(q, r->chain.head, (u32)done);
	return done;
}

static void notify(struct virtio_dev *d, struct vq *q)
{
	struct rng *r = to_rng(d);
	u64 left = ROUND_BYTES;
	unsigned chains = 0;

	vq_enable_bell(q, false);
	do {
		while (left && chains < q->size && vq_pop(q, &r->chain) == 1) {
			left -= fill(r, q, left);
			chains++;
		}
		if (!left || chains == q->size) {
			virtio_kick(q);
			break;
		}
	} while (vq_enable_bell(q, true));
	vq_notify_driver(q);
}

static void destroy(struct virtio_dev *d)
{
	virtio_fini(d);
	free(to_rng(d));
}

static const struct virtio_ops rng_ops = {
	.notify = notify,
	.destroy = destroy,
};

int virtio_rng_create(const struct dev_ctx *ctx)
{
	const struct virtio_spec spec = { .type = 4, .class_rev = 0x00ff00 << 8, .n_queues = 1, .queue_size = QUEUE_SIZE };
	struct rng *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return virtio_init_error("rng", -ENOMEM);
	err = virtio_init(&r->vd, ctx, &rng_ops, &spec, "rng");
	if (err) {
		free(r);
		return virtio_init_error("rng", err);
	}
	err = virtio_plug(&r->vd);
	if (err) {
		destroy(&r->vd);
		return virtio_init_error("rng", err);
	}
	return 0;
}
