/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split rings as a hostile driver leaves them. Input: feature bits, log2 of the queue size, number of doorbells, then the bytes of guest memory
 * that hold descriptors, available ring, used ring and indirect tables. Whatever they say, every chain popped is consistent, no span stays
 * live, and a reset makes the device well.
 */
#include "tests/unit/virtio_drv.h"

#include "vmm/log.h"

#define AREA 0x1000
#define HEAD 3

struct eater {
	struct virtio_dev vd;
	struct vq_chain chain;
};

static struct drv d;

static void check_chain(const struct vq_chain *c)
{
	u64 out = 0, in = 0;

	if (c->n_out + c->n_in == 0 || c->n_out + c->n_in > VQ_MAX_SEGS)
		abort();
	for (unsigned i = 0; i < c->n_out; i++)
		out += c->seg[i].len;
	for (unsigned i = 0; i < c->n_in; i++)
		in += c->seg[c->n_out + i].len;
	if (out != c->out_len || in != c->in_len)
		abort();
}

static void eater_notify(struct virtio_dev *vd, struct vq *q)
{
	struct eater *e = CONTAINER_OF(vd, struct eater, vd);
	unsigned budget = 64;
	u8 buf[64] = { 0 };

	vq_enable_bell(q, false);
	do {
		while (budget-- && vq_pop(q, &e->chain) == 1) {
			s64 n = vq_chain_read(vd, &e->chain, 3, buf, sizeof(buf)), m = vq_chain_write(vd, &e->chain, 5, buf, sizeof(buf));

			check_chain(&e->chain);
			if (n > (s64)sizeof(buf) || m > (s64)sizeof(buf))
				abort();
			vq_push(q, e->chain.head, 1);
		}
	} while (budget < 64 && vq_enable_bell(q, true));
	vq_notify_driver(q);
}

static void eater_destroy(struct virtio_dev *vd)
{
	virtio_fini(vd);
	free(CONTAINER_OF(vd, struct eater, vd));
}

static void set_up(void)
{
	static const struct virtio_ops ops = { .notify = eater_notify, .destroy = eater_destroy };
	const struct virtio_spec spec = { .type = 4, .n_queues = 1, .queue_size = 64 };
	struct eater *e = calloc(1, sizeof(*e));

	log_set_level(LOG_ERROR);
	drv_open(&d);
	drv_must(e && !virtio_init(&e->vd, &d.ctx, &ops, &spec, "eater") && !virtio_plug(&e->vd), "device");
	drv_attach(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u64 features = BIT(VIRTIO_F_VERSION_1);
	unsigned qsize;

	if (size < HEAD)
		return 0;
	if (!d.mem)
		set_up();
	features |= data[0] & 1 ? BIT(VIRTIO_F_INDIRECT_DESC) : 0;
	features |= data[0] & 2 ? BIT(VIRTIO_F_EVENT_IDX) : 0;
	qsize = 1U << (data[1] % 7);
	drv_must(drv_negotiate(&d, features), "negotiation");
	drv_must(!mem_zero(d.mem, DRV_RINGS, AREA) && !mem_write(d.mem, DRV_RINGS, data + HEAD, MIN(size - HEAD, AREA)), "RAM");
	/* All in one page, so that the input is short: descriptors, available ring, used ring; tables anywhere. */
	drv_queue_at(&d, 0, (u16)qsize, DRV_RINGS, DRV_RINGS + 0x400, DRV_RINGS + 0x500);
	drv_ok(&d);
	for (unsigned i = 0; i <= data[2] % 4U; i++) {
		drv_kick(&d, 0);
		drv_pump(&d);
		drv_set_ram(&d, DRV_RINGS + 0x402, 2, drv_ram(&d, DRV_RINGS + 0x402, 2) + 1);
	}
	drv_set_status(&d, 0);
	if (d.live_spans || drv_status(&d))
		abort();
	return 0;
}
