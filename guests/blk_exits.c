/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -d $DISK,queues=2 --rng off
// expect: 0
// exits: 2000
/*
 * Doorbells and completion interrupts of a disk's queues cost no exit to nidus: 4000 reads, each waited for by its interrupt, in fewer exits than
 * half as many. What else there is comes from finding the device and from messages.
 */
#include "guests/lib/virtio.h"

#define ROUNDS 2000
#define VEC 0x41

static volatile unsigned fired[2];

static void on_first(void)
{
	fired[0]++;
}

static void on_second(void)
{
	fired[1]++;
}

void guest_main(void)
{
	static struct { u32 type, reserved; u64 sector; } header __attribute__((aligned(16)));
	static volatile u8 status[2];
	static u8 buf[2][512];
	struct vdev v, queue[2];

	CHECK(virtio_find(VIRTIO_BLK, &v), "no disk");
	CHECK(v.n_queues == 2, "%u queues", v.n_queues);
	irq_handle(VEC, on_first);
	irq_handle(VEC + 1, on_second);
	virtio_set_up(&v, 0);
	pci_msix_enable(v.bdf, true);
	for (u16 q = 0; q < 2; q++) {
		pci_msix_set(v.bdf, 1U + q, (u8)(VEC + q), false);
		virtio_use(&v, q);
		mmio_write(v.common + VC_QVECTOR, 2, 1U + q);
		v.ring->desc[0] = (struct vdesc){ (u64)&header, sizeof(header), VD_NEXT, 1 };
		v.ring->desc[1] = (struct vdesc){ (u64)buf[q], 512, VD_NEXT | VD_WRITE, 2 };
		v.ring->desc[2] = (struct vdesc){ (u64)&status[q], 1, VD_WRITE, 0 };
		queue[q] = v;
	}
	virtio_start(&v);
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (u16 q = 0; q < 2; q++) {
			status[q] = 0xff;
			virtio_kick(&queue[q], 0);
			CHECK(irq_wait(&fired[q], i + 1) == i + 1, "request %u of queue %u: no interrupt", i, q);
			CHECK(status[q] == 0, "request %u of queue %u: status %u", i, q, status[q]);
		}
	}
	CHECK(fired[0] == ROUNDS && fired[1] == ROUNDS, "%u and %u interrupts", fired[0], fired[1]);
}
