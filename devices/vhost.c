/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/vhost.h"
#include "vmm/log.h"
#include "vmm/mem.h"

#define NEEDED (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX))

static int call(const struct vhost *vh, unsigned long req, void *arg)
{
	int rc;

	do {
		rc = ioctl(vh->fd, req, arg);
	} while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : 0;
}

int vhost_open(const char *node, struct vhost *vh)
{
	struct vhost v = { .fd = open(node, O_RDWR | O_CLOEXEC) };
	int err;

	if (v.fd < 0)
		return -errno;
	err = call(&v, VHOST_SET_OWNER, NULL);
	if (!err)
		err = call(&v, VHOST_GET_FEATURES, &v.features);
	if (!err && (v.features & NEEDED) != NEEDED)
		err = -ENOTSUP;
	if (err)
		close(v.fd);
	else
		*vh = v;
	return err;
}

void vhost_close(struct vhost *vh)
{
	if (vh->fd >= 0)
		close(vh->fd);
	vh->fd = -1;
}

int vhost_setup(struct vhost *vh, u64 features, const struct mem *mem)
{
	union {
		struct vhost_memory m;
		u8 room[sizeof(struct vhost_memory) + MEM_MAX_SLOTS * sizeof(struct vhost_memory_region)];
	} table = { .m.padding = 0 };
	const struct mem_slot *slot;
	int err;

	features &= vh->features;
	err = call(vh, VHOST_SET_FEATURES, &features);
	if (err)
		return err;
	table.m.nregions = mem_slots(mem, &slot);
	for (unsigned i = 0; i < table.m.nregions; i++) {
		table.m.regions[i] = (struct vhost_memory_region){ .guest_phys_addr = slot[i].gpa, .memory_size = slot[i].len,
								   .userspace_addr = (uintptr_t)slot[i].hva };
	}
	return call(vh, VHOST_SET_MEM_TABLE, &table);
}

int vhost_ring_init(struct vhost_ring *r, struct vhost *vh, unsigned index, struct vq *q)
{
	int err = virtio_irqfd(q);

	if (err)
		return err;
	r->vh = vh;
	r->index = index;
	r->q = q;
	r->err_fd = -1;
	return 0;
}

void vhost_ring_fini(struct vhost_ring *r)
{
	if (!r->vh)
		return;
	vhost_ring_stop(r);
	r->vh = NULL;
}

static void put_spans(struct vhost_ring *r)
{
	for (unsigned i = 0; i < ARRAY_SIZE(r->span); i++)
		dma_put(&r->span[i]);
}

/* Each part of a ring must be one piece of host memory: the kernel takes one address for it. */
static int map_ring(struct vhost_ring *r, struct vhost_vring_addr *addr)
{
	const struct vq *q = r->q;
	const struct {
		iova_t at;
		u64 len;
		enum dma_perm perm;
	} part[] = {
		{ q->desc, 16ULL * q->size, DMA_READ },
		{ q->avail, 6 + 2ULL * q->size, DMA_READ },
		{ q->used, 6 + 8ULL * q->size, DMA_WRITE },
	};
	u64 at[ARRAY_SIZE(part)] = { q->desc, q->avail, q->used };

	for (unsigned i = 0; i < ARRAY_SIZE(part) && !r->vh->iova; i++) {
		struct iovec iov;
		int n = dma_get(q->dev->fn.dma, part[i].at, part[i].len, part[i].perm, &r->span[i], &iov, 1);

		if (n < 0)
			return n;
		at[i] = (uintptr_t)iov.iov_base;
	}
	*addr = (struct vhost_vring_addr){ .index = r->index, .desc_user_addr = at[0], .avail_user_addr = at[1], .used_user_addr = at[2] };
	return 0;
}

int vhost_ring_start(struct vhost_ring *r)
{
	struct vhost_vring_state num = { .index = r->index, .num = r->q->size }, base = { .index = r->index };
	struct vhost_vring_file kick = { .index = r->index, .fd = r->q->bell_fd }, irq = { .index = r->index, .fd = r->q->irq.fd };
	struct vhost_vring_file gave_up = { .index = r->index, .fd = r->err_fd };
	struct vhost_vring_addr addr;
	int err = map_ring(r, &addr);

	if (!err)
		err = call(r->vh, VHOST_SET_VRING_NUM, &num);
	if (!err)
		err = call(r->vh, VHOST_SET_VRING_BASE, &base);
	if (!err)
		err = call(r->vh, VHOST_SET_VRING_ADDR, &addr);
	if (!err)
		err = call(r->vh, VHOST_SET_VRING_CALL, &irq);
	if (!err && r->err_fd >= 0)
		err = call(r->vh, VHOST_SET_VRING_ERR, &gave_up);
	if (!err)
		err = call(r->vh, VHOST_SET_VRING_KICK, &kick);
	if (err) {
		put_spans(r);
		return err;
	}
	r->on = true;
	return 0;
}

void vhost_ring_stop(struct vhost_ring *r)
{
	struct vhost_vring_file none = { .index = r->index, .fd = -1 };

	if (!r->on)
		return;
	r->on = false;
	(void)call(r->vh, VHOST_SET_VRING_KICK, &none);
	(void)call(r->vh, VHOST_SET_VRING_CALL, &none);
	put_spans(r);
}

int vhost_ring_next(const struct vhost_ring *r, u16 *next)
{
	struct vhost_vring_state base = { .index = r->index };
	int err = call(r->vh, VHOST_GET_VRING_BASE, &base);

	*next = (u16)base.num;
	return err;
}

int vhost_net_backend(struct vhost *vh, unsigned index, int fd)
{
	struct vhost_vring_file f = { .index = index, .fd = fd };

	return call(vh, VHOST_NET_SET_BACKEND, &f);
}

int vhost_vsock_set_cid(struct vhost *vh, u64 cid)
{
	return call(vh, VHOST_VSOCK_SET_GUEST_CID, &cid);
}

int vhost_vsock_run(struct vhost *vh, bool on)
{
	int val = on;

	return call(vh, VHOST_VSOCK_SET_RUNNING, &val);
}
