/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for devices/vhost.c in tests of devices whose queues the host's kernel serves: counts what is open and running, fails on demand. */
#ifndef NIDUS_VHOST_FAKE_H
#define NIDUS_VHOST_FAKE_H

#include "devices/vhost.h"

static struct {
	int open_err, ring_err;
	int fd;                 /* what vhost_open() gives; 0: a number that nothing uses */
	const char *node;       /* the last one opened */
	int vhosts, rings;
	int err_fd;             /* of the ring started last */
} vhost_fake;

int vhost_open(const char *node, struct vhost *vh)
{
	vhost_fake.node = node;
	if (vhost_fake.open_err)
		return vhost_fake.open_err;
	vhost_fake.vhosts++;
	*vh = (struct vhost){ .fd = vhost_fake.fd ? vhost_fake.fd : 5, .features = ~0ULL };
	return 0;
}

void vhost_close(struct vhost *vh)
{
	vhost_fake.vhosts -= vh->fd >= 0;
	vh->fd = -1;
}

int vhost_setup(struct vhost *vh, u64 features, const struct mem *mem)
{
	return 0;
}

int vhost_ring_init(struct vhost_ring *r, struct vhost *vh, unsigned index, struct vq *q)
{
	*r = (struct vhost_ring){ .vh = vh, .index = index, .q = q, .err_fd = -1 };
	return 0;
}

void vhost_ring_fini(struct vhost_ring *r)
{
	vhost_ring_stop(r);
}

int vhost_ring_start(struct vhost_ring *r)
{
	if (vhost_fake.ring_err)
		return vhost_fake.ring_err;
	r->on = true;
	vhost_fake.err_fd = r->err_fd;
	vhost_fake.rings++;
	return 0;
}

int vhost_ring_next(const struct vhost_ring *r, u16 *next)
{
	*next = (u16)(40 + r->index);
	return r->on ? 0 : -EINVAL;
}

void vhost_ring_stop(struct vhost_ring *r)
{
	vhost_fake.rings -= r->on;
	r->on = false;
}

#endif
