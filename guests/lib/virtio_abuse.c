/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile virtio driver. What the device does with each attack is its own business; it has to survive, let the other CPU go on, write nothing
 * outside the buffers it was given, and work again after a reset.
 */
#include "guests/lib/virtio.h"

#define CAP_VENDOR 0x09
#define CAP_PCI_CFG 5
#define RAM_END MiB(64)
#define CANARY 0x1badb002feedf00dULL

#define AFTER 8192 /* 64 KiB: more than any device reads of one piece. To a balloon, pages that are not there */

static struct {
	u64 before[64];
	u8 page[PAGE] __attribute__((aligned(PAGE)));
	u64 after[AFTER];
} target __attribute__((aligned(PAGE)));

static struct vdesc indirect[RING_MAX] __attribute__((aligned(16)));

static const u64 bad_addresses[] = {
	0, 0x9ffff, RAM_END - 8, RAM_END, X86_LOW_RAM_END - 8, X86_PCI32_BASE, X86_ECAM_BASE, X86_IOAPIC_BASE, X86_LAPIC_BASE,
	GiB(4) - 1, GiB(4), BIT(52), BIT(63) - 1, BIT(63), ~0ULL, ~0ULL - 4095,
};

#define BUF ((u64)target.page)

/* Chains on an otherwise sound queue; descriptor 0 is the head. */
static const struct attack {
	const char *name;
	struct vdesc d[3], ind[2];
	u16 head, jump; /* jump: added to the available index besides */
	bool indirect;  /* d[0].addr is that of ind */
} attacks[] = {
	{ "self loop", .d = { { 0, 16, VD_NEXT, 0 } } },
	{ "loop of two", .d = { { 0, 16, VD_NEXT, 1 }, { 0, 16, VD_NEXT, 0 } } },
	{ "writable loop", .d = { { 0, 16, VD_NEXT | VD_WRITE, 1 }, { 0, 16, VD_NEXT | VD_WRITE, 0 } } },
	{ "next out of range", .d = { { 0, 16, VD_NEXT, RING_MAX } } },
	{ "next 65535", .d = { { 0, 16, VD_NEXT, 0xffff } } },
	{ "head out of range", .d = { { 0, 16, VD_WRITE, 0 } }, .head = RING_MAX },
	{ "head 65535", .d = { { 0, 16, VD_WRITE, 0 } }, .head = 0xffff },
	{ "writable before readable", .d = { { 0, 16, VD_NEXT | VD_WRITE, 1 }, { 0, 16, 0, 0 } } },
	{ "length 0", .d = { { 0, 0, 0, 0 } } },
	{ "writable length 0", .d = { { 0, 0, VD_WRITE, 0 } } },
	{ "all lengths 0", .d = { { 0, 0, VD_NEXT, 1 }, { 0, 0, VD_NEXT | VD_WRITE, 2 }, { 0, 0, VD_WRITE, 0 } } },
	{ "length 2^32-1", .d = { { 0, ~0U, 0, 0 } } },
	{ "writable length 2^32-1", .d = { { 0, ~0U, VD_WRITE, 0 } } },
	{ "three of 2^32-1", .d = { { 0, ~0U, VD_NEXT, 1 }, { 0, ~0U, VD_NEXT | VD_WRITE, 2 }, { 0, ~0U, VD_WRITE, 0 } } },
	{ "all flags", .d = { { 0, 16, 0xffff, 1 }, { 0, 16, 0xffff, 2 }, { 0, 16, 0xffff, 0 } } },
	{ "index one too far", .d = { { 0, 16, VD_WRITE, 0 } }, .jump = 1 },
	{ "index a ring too far", .d = { { 0, 16, VD_WRITE, 0 } }, .jump = RING_MAX },
	{ "index half around", .d = { { 0, 16, VD_WRITE, 0 } }, .jump = 0x8000 },
	{ "index backwards", .d = { { 0, 16, VD_WRITE, 0 } }, .jump = 0xfffe },
	{ "indirect length 0", .d = { { 0, 0, VD_INDIRECT, 0 } }, .indirect = true },
	{ "indirect length 15", .d = { { 0, 15, VD_INDIRECT, 0 } }, .indirect = true },
	{ "indirect length 2^32-1", .d = { { 0, ~0U, VD_INDIRECT, 0 } }, .indirect = true },
	{ "indirect length 2^32-16", .d = { { 0, ~0U - 15, VD_INDIRECT, 0 } }, .indirect = true },
	{ "indirect and next", .d = { { 0, 16, VD_INDIRECT | VD_NEXT, 1 } }, .ind = { { 0, 16, 0, 0 } }, .indirect = true },
	{ "indirect in indirect", .d = { { 0, 32, VD_INDIRECT, 0 } }, .ind = { { 0, 32, VD_INDIRECT, 0 } }, .indirect = true },
	{ "indirect loop", .d = { { 0, 32, VD_INDIRECT, 0 } }, .ind = { { 0, 4, VD_NEXT, 1 }, { 0, 4, VD_NEXT, 0 } }, .indirect = true },
	{ "indirect next out of range", .d = { { 0, 32, VD_INDIRECT, 0 } }, .ind = { { 0, 4, VD_NEXT, 2 } }, .indirect = true },
	{ "indirect next 65535", .d = { { 0, 32, VD_INDIRECT, 0 } }, .ind = { { 0, 4, VD_NEXT, 0xffff } }, .indirect = true },
};

static void canary(const char *after)
{
	for (unsigned i = 0; i < 64; i++)
		CHECK(target.before[i] == CANARY && target.after[i] == CANARY && target.after[AFTER - 1 - i] == CANARY, "a write outside the buffer: %s", after);
}

/* Long enough for the event thread to look at the ring. */
static void linger(struct vdev *v, const char *what)
{
	volatile struct vring *r = v->ring;
	u16 was = r->used.idx;

	for (unsigned i = 0; i < 1000 && r->used.idx == was; i++)
		cpu_relax();
	mmio_read(v->common + VC_STATUS, 1);
	tick_check(what);
	canary(what);
}

static void attack_chain(struct vdev *v, const struct attack *a, u64 features)
{
	virtio_set_up(v, features);
	for (unsigned i = 0; i < 3; i++) {
		v->ring->desc[i] = a->d[i];
		v->ring->desc[i].addr = a->indirect && i == 0 ? (u64)indirect : BUF + 64 * i;
		/* A device may fill as much of a buffer as it likes: from RAM's last page on, that is nobody's harm. */
		if (a->d[i].len > PAGE && (a->d[i].flags & VD_WRITE))
			v->ring->desc[i].addr = RAM_END - PAGE;
	}
	memset(indirect, 0, sizeof(indirect));
	for (unsigned i = 0; i < 2; i++) {
		indirect[i] = a->ind[i];
		indirect[i].addr = a->ind[i].flags & VD_INDIRECT ? (u64)indirect : BUF;
	}
	virtio_start(v);
	v->ring->avail.idx += a->jump;
	virtio_kick(v, a->head);
	linger(v, a->name);
}

/* A bad address as data, as indirect table, and as each part of the ring. */
static void attack_address(struct vdev *v, u64 bad)
{
	static const u16 flags[] = { VD_NEXT, VD_WRITE, VD_INDIRECT };
	u64 desc = (u64)v->ring->desc, avail = (u64)&v->ring->avail, used = (u64)&v->ring->used;

	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		virtio_set_up(v, VF_INDIRECT_DESC);
		/* What is RAM there must not be written to: this is a driver's mistake that the device cannot see. */
		if (flags[i] == VD_WRITE && bad < X86_PCI32_BASE)
			continue;
		v->ring->desc[0] = (struct vdesc){ bad, 4096, flags[i], 1 };
		v->ring->desc[1] = (struct vdesc){ bad, ~0U, 0, 0 };
		virtio_start(v);
		virtio_kick(v, 0);
		linger(v, "bad address in a descriptor");
	}
	for (unsigned part = 0; part < 3; part++) {
		if (part == 2 && bad < X86_PCI32_BASE)
			continue;
		virtio_set_up(v, 0);
		virtio_queue(v, RING_MAX, part == 0 ? bad : desc, part == 1 ? bad : avail, part == 2 ? bad : used);
		v->ring->desc[0] = (struct vdesc){ BUF, 16, VD_WRITE, 0 };
		virtio_start(v);
		virtio_kick(v, 0);
		linger(v, "bad ring address");
	}
}

/* States that the order of initialization forbids. */
static void attack_order(struct vdev *v)
{
	static const u16 sizes[] = { 0, 1, 3, RING_MAX, 0x100, 0x8000, 0xffff };
	static const u8 status[] = { 4, 8, 0x0c, 0x40, 0x80, 0xff, 0x0f, 0, 4 };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		virtio_set_up(v, ~0ULL);
		virtio_queue(v, sizes[i], BUF, BUF, BUF);
		virtio_start(v);
		virtio_queue(v, sizes[i], 0, 0, 0);
		virtio_kick(v, 0);
		linger(v, "queue size");
	}
	for (unsigned i = 0; i < ARRAY_SIZE(status); i++) {
		mmio_write(v->common + VC_STATUS, 1, status[i]);
		mmio_write(v->bell, 2, v->queue);
		linger(v, "status order");
	}
	for (unsigned i = 0; i < 20; i++) {
		mmio_write(v->common + VC_QSEL, 2, rnd());
		mmio_write(v->common + VC_QENABLE, 2, 1);
		mmio_write(v->common + VC_QVECTOR, 2, rnd());
		mmio_write(v->common + VC_GFSEL, 4, rnd());
		mmio_write(v->common + VC_GF, 4, rnd());
		mmio_write(v->common + VC_DFSEL, 4, rnd());
		mmio_read(v->common + VC_DF, 4);
	}
	linger(v, "random queue numbers");
	virtio_set_up(v, 0);
	pci_write(v->bdf, 4, 2, 2); /* no bus master */
	v->ring->desc[0] = (struct vdesc){ BUF, 16, VD_WRITE, 0 };
	virtio_start(v);
	virtio_kick(v, 0);
	linger(v, "bus mastering off");
	pci_write(v->bdf, 4, 2, 6);
}

/* Each register of BAR 0 at each width; beyond the first bytes of a region only some. */
static void attack_registers(struct vdev *v)
{
	static const u64 vals[] = { ~0ULL, 0, 0xa5a5a5a5a5a5a5a5ULL };
	u64 bar = pci_bar(v->bdf, 0);

	/* Rings in a page that nobody needs, in case the device starts. */
	virtio_set_up(v, 0);
	virtio_queue(v, RING_MAX, BUF, BUF, BUF);
	for (unsigned i = 0; i < ARRAY_SIZE(vals); i++) {
		for (u64 off = 0; off < 0x8000; off += (off & 0xfff) < 64 ? 1 : 509) {
			for (unsigned size = 1; size <= 8; size *= 2) {
				if (i == 0)
					mmio_read(bar + off, size);
				mmio_write(bar + off, size, vals[i]);
			}
		}
		tick_check("registers");
	}
	virtio_reset(v);
	canary("registers");
}

/* The window of the PCI configuration capability (4.1.4.9), pointed anywhere. */
static void attack_window(struct vdev *v)
{
	unsigned cap;

	for (cap = pci_cap(v->bdf, CAP_VENDOR, 0); cap && pci_read(v->bdf, cap + 3, 1) != CAP_PCI_CFG;)
		cap = pci_cap(v->bdf, CAP_VENDOR, cap);
	if (!cap)
		return;
	for (unsigned i = 0; i < 200; i++) {
		pci_write(v->bdf, cap + 4, 1, i & 1 ? 0 : (u32)rnd());
		pci_write(v->bdf, cap + 8, 4, i & 2 ? (u32)rnd() & 0x7fff : (u32)rnd());
		pci_write(v->bdf, cap + 12, 4, i & 4 ? 1U << (i >> 4 & 3) : (u32)rnd());
		pci_read(v->bdf, cap + 16, 4);
		pci_write(v->bdf, cap + 16, 1U << (i % 3), (u32)rnd());
	}
	virtio_reset(v);
	tick_check("configuration window");
}

/* Chains of random descriptors over one page and the bad addresses. */
static void attack_random(struct vdev *v)
{
	for (unsigned round = 0; round < 40; round++) {
		virtio_set_up(v, round & 1 ? VF_INDIRECT_DESC | VF_EVENT_IDX : 0);
		for (unsigned i = 0; i < RING_MAX; i++) {
			u64 r = rnd();
			struct vdesc *d = &v->ring->desc[i];

			d->addr = r & 7 ? BUF + (r >> 8 & 0x7ff) : bad_addresses[(r >> 8) % ARRAY_SIZE(bad_addresses)];
			d->len = r & 8 ? (u32)(r >> 32) & 0x7ff : (u32)(r >> 32);
			d->flags = r >> 4 & 7;
			if (d->addr < BUF || d->addr >= BUF + PAGE || d->len > 0x7ff)
				d->flags &= (u16)~VD_WRITE;
			d->next = r >> 20 & (r & 16 ? 0xffff : RING_MAX - 1);
		}
		put_le(target.page, 8, rnd() & 0xf);
		put_le(target.page + 8, 8, rnd());
		virtio_start(v);
		for (unsigned i = 0; i < 8; i++)
			virtio_kick(v, (u16)(rnd() % RING_MAX));
		linger(v, "random chains");
	}
}

void virtio_abuse(struct vdev *v)
{
	for (unsigned i = 0; i < AFTER; i++)
		target.before[i % 64] = target.after[i] = CANARY;
	virtio_prove(v, "start");
	for (unsigned i = 0; i < ARRAY_SIZE(attacks); i++) {
		attack_chain(v, &attacks[i], VF_INDIRECT_DESC);
		attack_chain(v, &attacks[i], 0);
	}
	virtio_prove(v, "malformed chains");
	for (unsigned i = 0; i < ARRAY_SIZE(bad_addresses); i++)
		attack_address(v, bad_addresses[i]);
	virtio_prove(v, "bad addresses");
	attack_order(v);
	virtio_prove(v, "disorder");
	attack_window(v);
	attack_registers(v);
	virtio_prove(v, "register scribbling");
	attack_random(v);
	virtio_prove(v, "random chains");
}

void virtio_abuse_all(struct vdev *v)
{
	for (u16 q = 0; q < v->n_queues; q++) {
		virtio_use(v, q);
		virtio_abuse(v);
	}
}
