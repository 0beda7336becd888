/* SPDX-License-Identifier: Apache-2.0 */
#include "guests/lib/virtio.h"

#define CAP_VENDOR 0x09

static struct vring rings;

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

	*v = (struct vdev){ .type = type, .bdf = pci_find(0x1af4, 0x1040 + type), .ring = &rings };
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
	return true;
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
	common_write(v, VC_QSEL, 2, 0);
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
	u64 offered;

	virtio_reset(v);
	memset(v->ring, 0, sizeof(*v->ring));
	common_write(v, VC_STATUS, 1, VS_ACKNOWLEDGE | VS_DRIVER);
	common_write(v, VC_DFSEL, 4, 0);
	offered = common_read(v, VC_DF, 4);
	common_write(v, VC_DFSEL, 4, 1);
	offered |= common_read(v, VC_DF, 4) << 32;
	CHECK(offered & VF_VERSION_1, "virtio %u: offers no VERSION_1: %x", v->type, offered);
	features = (features & offered) | VF_VERSION_1;
	common_write(v, VC_GFSEL, 4, 0);
	common_write(v, VC_GF, 4, (u32)features);
	common_write(v, VC_GFSEL, 4, 1);
	common_write(v, VC_GF, 4, features >> 32);
	common_write(v, VC_STATUS, 1, VS_ACKNOWLEDGE | VS_DRIVER | VS_FEATURES_OK);
	CHECK(common_read(v, VC_STATUS, 1) & VS_FEATURES_OK, "virtio %u: refuses features %x", v->type, features);
	v->qsize = RING_MAX;
	virtio_queue(v, RING_MAX, (u64)v->ring->desc, (u64)&v->ring->avail, (u64)&v->ring->used);
	v->bell = v->notify + common_read(v, VC_QNOTIFY_OFF, 2) * v->notify_mul;
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
	mmio_write(v->bell, 2, 0);
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

/* Sector 0 into buf; the status byte is checked. */
static void blk_read(struct vdev *v, u8 *buf, const char *after)
{
	static struct { u32 type, reserved; u64 sector; } header __attribute__((aligned(16)));
	static volatile u8 status;
	struct vdesc *d = v->ring->desc;
	u16 idx = v->ring->avail.idx;

	status = 0xff;
	d[0] = (struct vdesc){ (u64)&header, sizeof(header), VD_NEXT, 1 };
	d[1] = (struct vdesc){ (u64)buf, 512, VD_NEXT | VD_WRITE, 2 };
	d[2] = (struct vdesc){ (u64)&status, 1, VD_WRITE, 0 };
	virtio_kick(v, 0);
	CHECK(virtio_wait(v, idx + 1), "disk read does not end after %s", after);
	CHECK(status == 0, "disk read: status %u after %s", status, after);
}

static void rng_read(struct vdev *v, u8 *buf, const char *after)
{
	u16 idx = v->ring->avail.idx;

	v->ring->desc[0] = (struct vdesc){ (u64)buf, 64, VD_WRITE, 0 };
	virtio_kick(v, 0);
	CHECK(virtio_wait(v, idx + 1), "random bytes do not come after %s", after);
	CHECK(v->ring->used.ring[idx % RING_MAX].len > 0, "no random bytes after %s", after);
}

void virtio_prove(struct vdev *v, const char *after)
{
	static u8 one[512], two[512];

	memset(one, 0, sizeof(one));
	memset(two, 0xff, sizeof(two));
	virtio_set_up(v, 0);
	virtio_start(v);
	if (v->type == VIRTIO_BLK) {
		blk_read(v, one, after);
		blk_read(v, two, after);
		CHECK(memcmp(one, two, 512) == 0, "disk reads differ after %s", after);
	} else {
		rng_read(v, one, after);
		rng_read(v, two, after);
		CHECK(memcmp(one, two, 64) != 0, "random bytes repeat after %s", after);
	}
}
