/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a disk. Input: rows of 16 bytes, each a chain: type, number of data segments, lengths, directions, sector. Rows are given to the
 * device in batches; in between it may be reset with I/O in flight. Every well-formed chain comes back, spans end, and the image keeps its size.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/unit/virtio_drv.h"

#include "vmm/config.h"
#include "vmm/log.h"

#define ROW 16
#define MAX_ROWS 64
#define IMAGE_BYTES MiB(1)

static struct drv d;
static int image;

static void set_up(void)
{
	static char path[] = "fd:N", id[] = "fuzz";
	struct disk_cfg cfg = { .file = { .path = path }, .id = id };

	log_set_level(LOG_ERROR);
	image = memfd_create("image", MFD_CLOEXEC);
	drv_must(image >= 0 && !ftruncate(image, IMAGE_BYTES), "image");
	cfg.file.fd = image;
	drv_open(&d);
	drv_must(!virtio_blk_create(&d.ctx, &cfg), "disk");
	drv_attach(&d);
}

static u64 place(u8 where, unsigned i)
{
	switch (where & 7) {
	case 0:
		return DRV_RAM - 512;
	case 1:
		return ~0ULL - 511;
	case 2:
		return DRV_SCATTER + 100 + i * 0x1000;
	case 3:
		return DRV_SCATTER + (DRV_SCATTER_PAGES - 1) * 4096ULL;
	default:
		return DRV_DATA + 0x10000 + i * 0x4000;
	}
}

/* One row becomes a header, up to 8 data segments and a status, each malformed on request. */
static void publish(const u8 *p, unsigned slot)
{
	u64 hdr = DRV_DATA + slot * 32;
	u16 n = p[1] & 7, first = (u16)(slot * 12), idx = first;

	drv_set_ram(&d, hdr, 8, p[0] & 0x1f);
	drv_set_ram(&d, hdr + 8, 8, get_le(p + 8, 2) | (p[10] & 0x80 ? get_le(p + 8, 8) : 0));
	/* The range of a DISCARD or WRITE_ZEROES follows the header. */
	drv_set_ram(&d, hdr + 16, 8, get_le(p + 8, 2));
	drv_set_ram(&d, hdr + 24, 8, get_le(p + 11, 4));
	drv_desc(&d, 0, idx, hdr, p[2] & 1 ? 16 : p[2] & 63, F_NEXT, idx + 1);
	for (unsigned i = 0; i < n; i++) {
		u32 len = p[3] & 1 ? 512U << (p[4] >> 4) : (u32)get_le(p + 4, 4);

		idx++;
		drv_desc(&d, 0, idx, place((u8)(p[5] + i), i), len, F_NEXT | (p[6] & (1 << i) || !(p[7] & 1) ? F_WRITE : 0), idx + 1);
	}
	idx++;
	drv_desc(&d, 0, idx, DRV_DATA + 0x8000 + slot, 1, p[7] & 2 ? 0 : F_WRITE, 0);
	drv_avail(&d, 0, first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stat st;
	unsigned slot = 0;

	if (!d.mem)
		set_up();
	drv_start(&d, 1, 256);
	for (unsigned i = 0; i < MAX_ROWS && (i + 1) * ROW <= size; i++) {
		const u8 *p = data + i * ROW;

		publish(p, slot);
		slot = (slot + 1) % 20;
		if (p[0] & 0x20)
			drv_kick(&d, 0);
		if (p[0] & 0x40 || !slot)
			drv_pump(&d);
		if ((p[0] & 0x80) && !slot)
			drv_start(&d, 1, 256);
	}
	drv_kick(&d, 0);
	drv_pump(&d);
	drv_set_status(&d, 0);
	if (d.live_spans || fstat(image, &st) || st.st_size != IMAGE_BYTES)
		abort();
	return 0;
}
