/* SPDX-License-Identifier: Apache-2.0 */
#include "guests/lib/virtio.h"

#define CAP_VENDOR 0x09

static struct vring rings[RINGS_MAX];

static u64 common_read(struct vdev *v, unsigned off, unsigned size)
{
	return mmio_read(v->common + off, size);
}

static void common_write(struct vdev *v, unsigned off, unsigned size, u64 val)
{
	mmio_write(v->common + off, size, val);
}

bool virtio_find(u16 type, struct vdev *v)
{
	u64 *where[] = { &v->common, &v->notify, &v->isr, &v->device };

	*v = (struct vdev){ .type = type, .bdf = pci_find(0x1af4, 0x1040 + type), .rings = rings };
	if (v->bdf == 0xffff)
		return false;
	for (unsigned cap = pci_cap(v->bdf, CAP_VENDOR, 0); cap; cap = pci_cap(v->bdf, CAP_VENDOR, cap)) {
		unsigned kind = pci_read(v->bdf, cap + 3, 1);

		if (kind < 1 || kind > 4)
			continue;
		*where[kind - 1] = pci_bar(v->bdf, pci_read(v->bdf, cap + 4, 1)) + pci_read(v->bdf, cap + 8, 4);
		v->region_len[kind - 1] = pci_read(v->bdf, cap + 12, 4);
		if (kind == 2)
			v->notify_mul = pci_read(v->bdf, cap + 16, 4);
	}
	CHECK(v->common && v->notify && v->isr, "virtio %u: a region is missing", type);
	pci_write(v->bdf, 4, 2, 0x0406); /* memory, bus master, no INTx */
	v->n_queues = (u16)MIN(common_read(v, VC_NUM_QUEUES, 2), RINGS_MAX);
	virtio_use(v, 0);
	return true;
}

void virtio_use(struct vdev *v, u16 queue)
{
	v->queue = queue;
	v->ring = &v->rings[queue];
	common_write(v, VC_QSEL, 2, queue);
	v->bell = v->notify + common_read(v, VC_QNOTIFY_OFF, 2) * v->notify_mul;
}

void virtio_reset(struct vdev *v)
{
	u64 start = cpu_ticks();

	common_write(v, VC_STATUS, 1, 0);
	while (common_read(v, VC_STATUS, 1) != 0)
		CHECK(cpu_ticks() - start < PATIENCE, "virtio %u: reset does not end", v->type);
}

void virtio_queue(struct vdev *v, u16 size, u64 desc, u64 avail, u64 used)
{
	common_write(v, VC_QSEL, 2, v->queue);
	common_write(v, VC_QSIZE, 2, size);
	common_write(v, VC_QDESC, 4, (u32)desc);
	common_write(v, VC_QDESC + 4, 4, desc >> 32);
	common_write(v, VC_QAVAIL, 4, (u32)avail);
	common_write(v, VC_QAVAIL + 4, 4, avail >> 32);
	common_write(v, VC_QUSED, 4, (u32)used);
	common_write(v, VC_QUSED + 4, 4, used >> 32);
	common_write(v, VC_QENABLE, 2, 1);
}

void virtio_set_up(struct vdev *v, u64 features)
{
	u16 queue = v->queue;
	u64 offered;

	virtio_reset(v);
	memset(v->rings, 0, sizeof(rings));
	common_write(v, VC_STATUS, 1, VS_ACKNOWLEDGE | VS_DRIVER);
	common_write(v, VC_DFSEL, 4, 0);
	offered = common_read(v, VC_DF, 4);
	common_write(v, VC_DFSEL, 4, 1);
	offered |= common_read(v, VC_DF, 4) << 32;
	CHECK(offered & VF_VERSION_1, "virtio %u: offers no VERSION_1: %x", v->type, offered);
	features = ((features | VF_ACCESS_PLATFORM) & offered) | VF_VERSION_1;
	common_write(v, VC_GFSEL, 4, 0);
	common_write(v, VC_GF, 4, (u32)features);
	common_write(v, VC_GFSEL, 4, 1);
	common_write(v, VC_GF, 4, features >> 32);
	common_write(v, VC_STATUS, 1, VS_ACKNOWLEDGE | VS_DRIVER | VS_FEATURES_OK);
	CHECK(common_read(v, VC_STATUS, 1) & VS_FEATURES_OK, "virtio %u: refuses features %x", v->type, features);
	for (u16 q = 0; q < v->n_queues; q++) {
		virtio_use(v, q);
		virtio_queue(v, RING_MAX, (u64)v->ring->desc, (u64)&v->ring->avail, (u64)&v->ring->used);
	}
	virtio_use(v, queue);
}

void virtio_start(struct vdev *v)
{
	common_write(v, VC_STATUS, 1, VS_ACKNOWLEDGE | VS_DRIVER | VS_FEATURES_OK | VS_DRIVER_OK);
}

void virtio_kick(struct vdev *v, u16 head)
{
	volatile struct vring *r = v->ring;

	r->avail.ring[r->avail.idx % RING_MAX] = head;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	r->avail.idx++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	mmio_write(v->bell, 2, v->queue);
}

bool virtio_wait(struct vdev *v, u16 want)
{
	volatile struct vring *r = v->ring;
	u64 start = cpu_ticks();

	while (r->used.idx != want) {
		if (cpu_ticks() - start > PATIENCE)
			return false;
		cpu_relax();
	}
	return true;
}
