/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2 -d $DISK --on-reboot reset
// expect: 0
/*
 * With --on-reboot reset a reboot starts the machine anew: memory is clear, the second CPU waits for start-up again, BARs are where they were.
 * The first sector of the disk tells the first start from the second.
 */
#include "guests/lib/virtio.h"

static volatile unsigned second;

static void run(unsigned index)
{
	second++;
	for (;;)
		cpu_relax();
}

static u8 sector[512];

static void transfer(struct vdev *v, bool write)
{
	static struct { u32 type, reserved; u64 sector; } header;
	static volatile u8 status;
	struct vdesc *d = v->ring->desc;

	header.type = write;
	status = 0xff;
	virtio_set_up(v, 0);
	d[0] = (struct vdesc){ (u64)&header, sizeof(header), VD_NEXT, 1 };
	d[1] = (struct vdesc){ (u64)sector, 512, VD_NEXT | (write ? 0 : VD_WRITE), 2 };
	d[2] = (struct vdesc){ (u64)&status, 1, VD_WRITE, 0 };
	virtio_start(v);
	virtio_kick(v, 0);
	CHECK(virtio_wait(v, 1) && status == 0, "disk: status %u", status);
}

void guest_main(void)
{
	u64 far = MiB(48), bar;
	struct vdev v;

	CHECK(virtio_find(VIRTIO_BLK, &v), "no disk");
	CHECK(smp_start(2, run) == 2 && second == 1, "the second CPU did not start");
	CHECK(mmio_read(far, 8) == 0, "memory is not clear at start: %x", mmio_read(far, 8));
	bar = pci_bar(v.bdf, 0);
	transfer(&v, false);
	if (sector[0] == 0) {
		sector[0] = 0xa5;
		put_le(sector + 8, 8, bar);
		transfer(&v, true);
		mmio_write(far, 8, ~0ULL);
		mmio_write(pci_addr(v.bdf, 0x10), 4, 0xd0000000);
		port_write(X86_RESET_PORT, 1, X86_RESET_VALUE);
		cpu_halt();
	}
	CHECK(get_le(sector + 8, 8) == bar, "BAR %x before, %x after the reset", get_le(sector + 8, 8), bar);
	memset(sector, 0, sizeof(sector));
	transfer(&v, true);
}
