/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2 -d $DISK
// nidus: -m 64M -c 2 -d $DISK -n tap=$TAP,pps=1000000 --vsock cid=9078,uds=$SOCKET
// nidus: needs=/dev/vhost-net -m 64M -c 2 -d $DISK -n tap=$TAP
// expect: 0
/* The other CPU changes descriptors and indices while a device reads them: between check and use there must be nothing to win. */
#include "guests/lib/virtio.h"

#define ROUNDS 60
/* The last page of RAM: a write that goes on behind it leaves RAM. */
#define BUF (MiB(64) - PAGE)

static struct vdesc table[RING_MAX] __attribute__((aligned(16)));
static struct vring *volatile victim;
static volatile u64 flips;

/* Sound and unsound values by turns; whatever comes of it, a device has nowhere to write but BUF. */
static void flip(struct vdesc *desc, u32 n)
{
	volatile struct vdesc *d = &desc[n % RING_MAX];

	d->addr = n & 16 ? BUF : X86_PCI32_BASE + n;
	d->len = n & 32 ? 16 + (n & 0x7ff) : ~0U;
	d->flags = n & 64 ? VD_WRITE : VD_NEXT;
	d->next = n & 128 ? (u16)(n >> 3) : (n + 1) % RING_MAX;
}

static void flipper(unsigned index)
{
	for (u32 n = 1;; n = n * 1664525 + 1013904223) {
		volatile struct vring *r = victim;

		flips++;
		if (!r) {
			cpu_relax();
			continue;
		}
		flip((struct vdesc *)r->desc, n >> 8);
		flip(table, n >> 16);
		r->avail.ring[n >> 4 & (RING_MAX - 1)] = (u16)(n >> 24);
		if ((n >> 12 & 15) == 0)
			r->avail.idx += (u16)(n >> 20 & 7);
	}
}

static void race(struct vdev *v, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		u64 was;

		virtio_set_up(v, i & 1 ? VF_INDIRECT_DESC : 0);
		for (unsigned k = 0; k < RING_MAX; k++) {
			v->ring->desc[k] = (struct vdesc){ BUF, 16, VD_WRITE, 0 };
			if (i & 1 && k % 4 == 0)
				v->ring->desc[k] = (struct vdesc){ (u64)table, sizeof(table), VD_INDIRECT, 0 };
		}
		virtio_start(v);
		victim = v->ring;
		was = flips;
		for (unsigned k = 0; k < 8; k++)
			virtio_kick(v, (u16)(k * 4 % RING_MAX));
		for (u64 start = cpu_ticks(); flips < was + 20;)
			CHECK(cpu_ticks() - start < PATIENCE, "the other CPU stopped");
		victim = NULL;
		/* Whatever the other CPU was in the middle of is done after this. */
		was = flips;
		for (u64 start = cpu_ticks(); flips < was + 2;)
			CHECK(cpu_ticks() - start < PATIENCE, "the other CPU stopped");
	}
	virtio_prove(v, "races");
}

void guest_main(void)
{
	static const struct {
		u16 type, queue;
		bool always;
	} victims[] = {
		{ VIRTIO_BLK, 0, true }, { VIRTIO_RNG, 0, true }, { VIRTIO_NET, 0, false }, { VIRTIO_NET, 1, false }, { VIRTIO_NET, 2, false },
		{ VIRTIO_VSOCK, 0, false }, { VIRTIO_VSOCK, 1, false },
	};

	CHECK(smp_start(2, flipper) == 2, "the second CPU did not start");
	for (unsigned i = 0; i < ARRAY_SIZE(victims); i++) {
		struct vdev v;

		if (!virtio_find(victims[i].type, &v)) {
			CHECK(!victims[i].always, "no device of type %u", victims[i].type);
			continue;
		}
		virtio_use(&v, victims[i].queue);
		virtio_prove(&v, "start");
		race(&v, victims[i].always ? ROUNDS : ROUNDS / 4);
	}
}
