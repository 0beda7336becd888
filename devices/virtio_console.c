/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-console (virtio 1.2 section 5.3) with one port: the guest's hvc0, in place of a serial port. */
#include <errno.h>
#include <stdlib.h>

#include "devices/virtio.h"
#include "devices/virtio_regs.h"
#include "vmm/config.h"
#include "vmm/console.h"
#include "vmm/log.h"

#define Q_RX 0
#define Q_TX 1
#define QUEUE_SIZE 64
#define CON_F_EMERG_WRITE 2
#define CON_CFG_EMERG_WR 8
#define CON_CFG_LEN 12
#define ROUND_BYTES KiB(64) /* before others on the event thread come */

struct con {
	struct virtio_dev vd; /* first member */
	struct console *host;
	bool starved;         /* the host side was told that there is no room */
	struct vq_chain chain;
};

static struct con *to_con(struct virtio_dev *d)
{
	return CONTAINER_OF(d, struct con, vd);
}

static bool ready(const struct con *c, const struct vq *q)
{
	return (c->vd.status & VIRTIO_STATUS_DRIVER_OK) && q->enabled && !c->vd.broken && pci_bus_master_on(&c->vd.fn);
}

/* --- host to guest, on the event thread --- */

static unsigned feed(struct con *c, struct vq *q, const u8 *buf, unsigned len)
{
	unsigned done = 0, budget = q->size;

	while (done < len && budget-- && vq_pop(q, &c->chain) == 1) {
		unsigned part = (unsigned)MIN(len - done, c->chain.in_len);
		s64 n = vq_chain_write(&c->vd, &c->chain, 0, buf + done, part);

		vq_push(q, c->chain.head, n < 0 ? 0 : (u32)n);
		done += n < 0 ? 0 : (unsigned)n;
	}
	return done;
}

static unsigned input(void *dev, const u8 *buf, unsigned len)
{
	struct con *c = dev;
	struct vq *q = &c->vd.q[Q_RX];
	unsigned done = 0;

	pthread_mutex_lock(&c->vd.fn.lock);
	if (ready(c, q)) {
		done = feed(c, q, buf, len);
		if (done < len && vq_enable_bell(q, true))
			done += feed(c, q, buf + done, len - done);
		vq_notify_driver(q);
	}
	c->starved = done < len;
	pthread_mutex_unlock(&c->vd.fn.lock);
	return done;
}

/* --- guest to host --- */

/* Returns the bytes taken. */
static u64 print(struct con *c)
{
	u8 buf[1024];
	u64 done = 0;

	while (done < c->chain.out_len) {
		s64 n = vq_chain_read(&c->vd, &c->chain, done, buf, sizeof(buf));

		if (n <= 0)
			break;
		console_out(c->host, buf, (unsigned)n);
		done += (u64)n;
		/* A guest may describe gigabytes in one request: the rest of it is lost. */
		if (done >= ROUND_BYTES)
			break;
	}
	return done;
}

static void transmit(struct con *c, struct vq *q)
{
	u64 left = ROUND_BYTES;
	unsigned chains = 0;

	vq_enable_bell(q, false);
	do {
		while (left && chains < q->size && vq_pop(q, &c->chain) == 1) {
			u64 done = print(c);

			left -= MIN(left, done);
			vq_push(q, c->chain.head, 0);
			chains++;
		}
		if (!left || chains == q->size) {
			virtio_kick(q);
			break;
		}
	} while (vq_enable_bell(q, true));
	vq_notify_driver(q);
}

static void notify(struct virtio_dev *d, struct vq *q)
{
	struct con *c = to_con(d);

	if (q->index == Q_TX) {
		transmit(c, q);
	} else if (c->starved) {
		c->starved = false;
		console_in_ready(c->host);
	}
}

/* --- device --- */

static void cfg_write(struct virtio_dev *d, unsigned off, unsigned size, u64 val)
{
	u8 byte = (u8)val;

	/* 5.3.5: a byte to print before there are queues. */
	if (off == CON_CFG_EMERG_WR)
		console_out(to_con(d)->host, &byte, 1);
}

static void destroy(struct virtio_dev *d)
{
	if (d->q)
		virtio_fini(d);
	free(to_con(d));
}

static const struct virtio_ops con_ops = {
	.cfg_write = cfg_write,
	.notify = notify,
	.destroy = destroy,
};

int virtio_console_create(const struct dev_ctx *ctx)
{
	const struct virtio_spec spec = { .type = 3, .class_rev = 0x078000 << 8, .features = BIT(CON_F_EMERG_WRITE), .n_queues = 2,
					  .cfg_len = CON_CFG_LEN, .queue_size = QUEUE_SIZE };
	struct con *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return virtio_init_error("console", -ENOMEM);
	c->host = ctx->console;
	/* The first buffers that the driver offers are news to a host side that already has input. */
	c->starved = true;
	err = virtio_init(&c->vd, ctx, &con_ops, &spec, "console");
	if (!err)
		err = virtio_plug(&c->vd);
	if (err) {
		destroy(&c->vd);
		return virtio_init_error("console", err);
	}
	err = ctx->offline ? 0 : console_attach(c->host, input, c);
	return err ? virtio_init_error("console", err) : 0;
}
