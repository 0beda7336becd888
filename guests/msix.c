/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M --rng on
// expect: 0
/* MSI-X: a queue's interrupt arrives; a masked vector and a masked function keep it as a pending bit until they are unmasked. */
#include "guests/lib/virtio.h"

#define VEC 0x42
#define FUNCTION_MASK 0x4000
#define ENABLE 0x8000

static volatile unsigned fired;
static struct vdev v;
static u8 buf[64];

static void on_queue(void)
{
	fired++;
}

static void request(void)
{
	u16 idx = v.ring->avail.idx;

	v.ring->desc[0] = (struct vdesc){ (u64)buf, sizeof(buf), VD_WRITE, 0 };
	virtio_kick(&v, 0);
	CHECK(virtio_wait(&v, idx + 1), "the request does not end");
}

/* The device raises its interrupt after it moved the used index: gives it time. */
static unsigned settle(void)
{
	irq_on();
	for (unsigned i = 0; i < 20000; i++)
		cpu_relax();
	irq_off();
	return fired;
}

void guest_main(void)
{
	unsigned cap, n;
	u64 pba;

	CHECK(virtio_find(VIRTIO_RNG, &v), "no rng device");
	CHECK(pci_msix_table(v.bdf, &n) && n >= 2, "no MSI-X");
	cap = pci_cap(v.bdf, 0x11, 0);
	pba = pci_msix_pba(v.bdf);
	irq_handle(VEC, on_queue);
	virtio_set_up(&v, 0);
	pci_msix_enable(v.bdf, true);
	mmio_write(v.common + VC_QSEL, 2, 0);
	mmio_write(v.common + VC_QVECTOR, 2, 1);
	CHECK(mmio_read(v.common + VC_QVECTOR, 2) == 1, "the queue takes no vector");
	pci_msix_set(v.bdf, 1, VEC, false);
	virtio_start(&v);

	request();
	CHECK(irq_wait(&fired, 1) == 1, "open: %u interrupts", fired);

	pci_msix_set(v.bdf, 1, VEC, true);
	request();
	CHECK(settle() == 1, "masked vector: an interrupt");
	CHECK(mmio_read(pba, 8) & 2, "masked vector: no pending bit");
	pci_msix_set(v.bdf, 1, VEC, false);
	CHECK(irq_wait(&fired, 2) == 2, "unmasked vector: no interrupt");
	CHECK(!(mmio_read(pba, 8) & 2), "unmasked vector: the pending bit stays");

	pci_write(v.bdf, cap + 2, 2, ENABLE | FUNCTION_MASK);
	request();
	CHECK(settle() == 2, "masked function: an interrupt");
	CHECK(mmio_read(pba, 8) & 2, "masked function: no pending bit");
	pci_write(v.bdf, cap + 2, 2, ENABLE);
	CHECK(irq_wait(&fired, 3) == 3, "unmasked function: no interrupt");
}
