/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Register sequences on a virtio disk: BAR, configuration space and the window between them, at every width and offset. Input: rows of 12 bytes:
 * kind, size, 2 bytes of offset, 8 of value. Reads are masked to their width, and at the end a driver that behaves is served.
 */
#include <sys/mman.h>

#include "tests/unit/virtio_drv.h"

#include "vmm/config.h"
#include "vmm/log.h"

#define ROW 12
#define MAX_ROWS 512

static struct drv d;

static void set_up(void)
{
	static char path[] = "fd:N", id[] = "fuzz";
	struct disk_cfg cfg = { .file = { .path = path }, .id = id, .queues = 3 };

	log_set_level(LOG_ERROR);
	cfg.file.fd = memfd_create("image", MFD_CLOEXEC);
	drv_must(cfg.file.fd >= 0 && !ftruncate(cfg.file.fd, MiB(1)), "image");
	drv_open(&d);
	drv_must(!virtio_blk_create(&d.ctx, &cfg), "disk");
	drv_attach(&d);
}

static void step(const u8 *p)
{
	unsigned size = (p[1] & 7) + 1;
	u64 off = get_le(p + 2, 2), val = get_le(p + 4, 8);

	switch (p[0] & 7) {
	case 0:
		if (drv_read(&d, d.bar + off % VIRTIO_BAR_SIZE, size) & ~size_mask(size))
			abort();
		break;
	case 1:
	case 2:
		drv_write(&d, d.bar + off % 0x40, size, val);
		break;
	case 3:
		drv_write(&d, d.bar + off % VIRTIO_BAR_SIZE, size, val);
		break;
	case 4:
		/* The window, where the capabilities end; command register and BARs stay, or the rest would be out of reach. */
		drv_write(&d, drv_cfg(&d, 0x40 + off % 0xc0), size, val);
		break;
	case 5:
		if (drv_read(&d, drv_cfg(&d, off % 0x1000), size) & ~size_mask(size))
			abort();
		break;
	case 6:
		drv_write(&d, d.bar + VIRTIO_BAR_NOTIFY + off % 16, size, val);
		break;
	case 7:
		drv_pump(&d);
		break;
	}
}

/* Flush, the request that needs nothing. */
static void behave(void)
{
	drv_start(&d, 1, 16);
	drv_set_ram(&d, DRV_DATA, 8, 4);
	drv_desc(&d, 0, 0, DRV_DATA, 16, F_NEXT, 1);
	drv_desc(&d, 0, 1, DRV_DATA + 0x100, 1, F_WRITE, 0);
	drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	drv_pump(&d);
	drv_set_status(&d, 0);
	if (d.live_spans || drv_status(&d))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!d.mem)
		set_up();
	for (unsigned i = 0; i < MAX_ROWS && (i + 1) * ROW <= size; i++)
		step(data + i * ROW);
	pci_host_reset(d.pci);
	drv_find_caps(&d);
	behave();
	return 0;
}
