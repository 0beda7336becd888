/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests for a virtio device from bytes. Each is: operation, length, that many bytes. Operation: queue in bits 0-2 (7: the host's side, given to
 * a callback), bit 3 the bytes are also followed by a writable part, bit 4 the writable part is short, bit 5 an address that is no RAM,
 * bit 6 the driver does not serve the loop yet, bit 7 a reset after it.
 */
#ifndef NIDUS_CHAINS_FUZZ_H
#define NIDUS_CHAINS_FUZZ_H

#include "tests/unit/virtio_drv.h"

#define CHAINS_QSIZE 16

struct chains_cfg {
	unsigned queues;
	u64 features; /* of those offered */
	void (*host)(const uint8_t *buf, unsigned len);
};

/* For a host's side that does nothing: the bytes are a write to the configuration, offset, size and value. */
static inline void chains_cfg_write(struct drv *d, const uint8_t *buf, unsigned len)
{
	if (len >= 4)
		drv_write(d, d->bar + VIRTIO_BAR_DEVICE + buf[0] % 16, 1U << buf[1] % 4, get_le(buf, 4));
}

static inline void chains_restart(struct drv *d, const struct chains_cfg *c)
{
	drv_must(drv_negotiate(d, drv_offered(d) & (c->features | ~0xffffffULL)), "negotiation");
	for (unsigned i = 0; i < c->queues; i++)
		drv_queue(d, i, CHAINS_QSIZE);
	drv_ok(d);
}

static inline void chains_request(struct drv *d, unsigned q, u8 op, const uint8_t *buf, unsigned len)
{
	u64 at = DRV_DATA + q * 0x10000, in = op & 32 ? DRV_RAM - 8 : at + 0x1000;
	u16 i = (u16)(2 * (d->q[q].avail % (CHAINS_QSIZE / 2)));

	drv_must(!mem_write(d->mem, at, buf, len), "RAM");
	if (len)
		drv_desc(d, q, i, at, len, op & 8 ? F_NEXT : 0, (u16)(i + 1));
	if (!len || (op & 8))
		drv_desc(d, q, len ? (u16)(i + 1) : i, in, op & 16 ? 20 : 4096, F_WRITE, 0);
	drv_avail(d, q, i);
	drv_kick(d, q);
}

static inline void chains_run(struct drv *d, const struct chains_cfg *c, const uint8_t *data, size_t size)
{
	chains_restart(d, c);
	while (size >= 2) {
		u8 op = data[0];
		unsigned len = (unsigned)MIN(data[1], size - 2), q = op & 7;

		if (q == 7)
			c->host(data + 2, len);
		else
			chains_request(d, q % c->queues, op, data + 2, len);
		if (!(op & 64))
			drv_pump(d);
		if (op & 128)
			chains_restart(d, c);
		data += 2 + len;
		size -= 2 + len;
	}
	drv_pump(d);
	drv_set_status(d, 0);
	drv_pump(d);
	if (d->live_spans)
		abort();
}

#endif
