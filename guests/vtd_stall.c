/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk whose host file stands still while it works on a request (tests/system/viommu_stall.sh makes it so, and lets it go when the
 * console says "stalled"): the buffer is unmapped, the invalidation's wait is not over while the disk may read the buffer, the other CPU and
 * this one run on; when the wait is over the request is done, and what it wrote is what the buffer held.
 */
#include "guests/lib/virtio.h"
#include "guests/lib/vtd.h"

#define DID 2
#define IOVA 0x80000000ULL /* of the buffer; the rings are mapped onto themselves */
#define VF_ACCESS_PLATFORM BIT(33)
#define SECTORS 8
#define T_READ 0
#define T_WRITE 1
#define T_GET_ID 8

static struct vtd_unit u;
static struct vdev disk;
static u64 buf[512] __attribute__((aligned(PAGE)));
static struct { u32 type, reserved; u64 sector; } header[2] __attribute__((aligned(16)));
static volatile u8 status[2];
static u8 id[20];

/* Request i: descriptors from 3 * i on. */
static void request(unsigned i, u32 type, u64 addr, u32 len)
{
	struct vdesc *d = &disk.ring->desc[3 * i];

	header[i].type = type;
	status[i] = 0xff;
	d[0] = (struct vdesc){ (u64)&header[i], sizeof(header[i]), VD_NEXT, (u16)(3 * i + 1) };
	d[1] = (struct vdesc){ addr, len, VD_NEXT | (type == T_WRITE ? 0 : VD_WRITE), (u16)(3 * i + 2) };
	d[2] = (struct vdesc){ (u64)&status[i], 1, VD_WRITE, 0 };
	virtio_kick(&disk, (u16)(3 * i));
}

/* Returns when the disk is at work on a write: it takes requests in turn, and the one behind it needs no file. */
static void begin_write(void)
{
	request(0, T_WRITE, IOVA, 512 * SECTORS);
	request(1, T_GET_ID, (u64)id, sizeof(id));
	CHECK(virtio_wait(&disk, 1) && status[1] == 0, "the disk does not tell its id: status %u", status[1]);
}

void guest_main(void)
{
	u64 *top = vtd_page();

	tick_start();
	CHECK(virtio_find(VIRTIO_BLK, &disk), "no disk");
	CHECK(vtd_find(&u, disk.bdf), "no unit");
	/* All of the guest's memory onto itself, but for the buffer, which has an address of its own. */
	for (u64 at = 0; at < MiB(64); at += MiB(2))
		vtd_map_page(top, at, at, 2, true);
	vtd_map(top, IOVA, (u64)buf, PAGE, true);
	vtd_set_up(&u);
	vtd_cmd_set(&u, (u32)GCMD_TE);
	vtd_set_table(&u, disk.bdf, 0, DID, top);
	virtio_set_up(&disk, VF_ACCESS_PLATFORM);
	virtio_start(&disk);

	for (unsigned i = 0; i < 512; i++)
		buf[i] = rnd();
	u64 first = buf[0], last = buf[511];

	begin_write();
	vtd_unmap(top, IOVA, PAGE);
	vtd_inv_pages(&u, DID, 0, IOVA, 0);
	vtd_wait_post(&u);
	for (unsigned i = 0; i < 100; i++) {
		tick_check("the disk stands still");
		CHECK(!vtd_wait_over(&u) && status[0] == 0xff, "the wait is over, or the request done, while the disk stands still");
	}
	say("stalled\n");
	while (!vtd_wait_over(&u)) {
		tick_check("the disk stands still");
		cpu_relax();
	}
	/* From now on the buffer is this guest's alone. */
	memset(buf, 0, sizeof(buf));
	CHECK(virtio_wait(&disk, 2) && status[0] == 0, "the request failed: status %u", status[0]);
	say("over\n");

	vtd_map(top, IOVA, (u64)buf, PAGE, true);
	request(0, T_READ, IOVA, 512 * SECTORS);
	CHECK(virtio_wait(&disk, 3) && status[0] == 0, "the read failed: status %u", status[0]);
	CHECK(buf[0] == first && buf[511] == last, "the disk wrote what the buffer held after the wait");
}
