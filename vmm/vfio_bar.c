/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BARs of an assigned function. Pages that the kernel lets be mapped are the guest's to touch directly, but for those with the MSI-X
 * table or pending bits, which nidus emulates; the rest goes through the device file.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/vfio_priv.h"

#define PAGE 4096ULL
#define MAX_REPLY 4096
#define ROM_MAX_SIZE MiB(16)
#define PBA_BYTES(n) (8ULL * (((n) + 63) / 64))

/* --- what there is --- */

static void add_area(struct vfio_region *r, u64 off, u64 end)
{
	off = ALIGN_UP(off, PAGE);
	end = ALIGN_DOWN(end, PAGE);
	if (off < end && r->n_areas < VFIO_AREAS)
		r->area[r->n_areas++] = (struct vfio_area){ .off = off, .len = end - off };
}

/* The sparse list of the reply, or all of the region. */
static void list_areas(struct vfio_region *r, const u8 *reply, u32 len, u32 cap_at)
{
	for (unsigned i = 0; cap_at && i < 16; i++) {
		struct vfio_cap_sparse c;

		if (cap_at > len || len - cap_at < sizeof(c))
			break;
		memcpy(&c, reply + cap_at, sizeof(c));
		if (c.head.id == VFIO_CAP_SPARSE_MMAP) {
			for (u32 a = 0; a < c.nr_areas && (len - cap_at - sizeof(c)) / 16 > a; a++) {
				const u8 *p = reply + cap_at + sizeof(c) + 16ULL * a;
				u64 off = get_le(p, 8), size = get_le(p + 8, 8);

				if (range_within(off, size, 0, r->size))
					add_area(r, off, off + size);
			}
			return;
		}
		cap_at = c.head.next;
	}
	add_area(r, 0, r->size);
}

static int region_info(struct vfio_dev *d, u32 index, struct vfio_region *r)
{
	u8 *reply = calloc(1, MAX_REPLY);
	struct vfio_region_reply i = { .argsz = MAX_REPLY, .index = index };
	int err;

	if (!reply)
		return -ENOMEM;
	memcpy(reply, &i, sizeof(i));
	err = vfio_ioctl(d, VFIO_GET_REGION_INFO, reply);
	memcpy(&i, reply, sizeof(i));
	if (!err) {
		*r = (struct vfio_region){ .size = i.size, .off = i.offset, .flags = i.flags };
		if (i.flags & VFIO_REGION_MMAP)
			list_areas(r, reply, MIN(i.argsz, (u32)MAX_REPLY), i.flags & VFIO_REGION_CAPS ? i.cap_offset : 0);
	}
	free(reply);
	return err;
}

/* A function without a ROM, or with one that cannot be shown, is a function without a ROM. */
static void rom_init(struct vfio_dev *d)
{
	if (region_info(d, VFIO_REGION_ROM, &d->rom))
		d->rom = (struct vfio_region){ 0 };
	if (d->rom.size && (d->rom.size > ROM_MAX_SIZE || pci_add_bar(&d->fn, PCI_ROM, d->rom.size, false, false))) {
		log_warn("%s: its option ROM of %llu bytes is not shown to the guest", d->name, (unsigned long long)d->rom.size);
		d->rom.size = 0;
	}
}

int vfio_bars_init(struct vfio_dev *d)
{
	struct vfio_region cfg;
	int err = region_info(d, VFIO_REGION_CONFIG, &cfg);
	u8 hw[4];

	if (err)
		return err;
	d->cfg_off = cfg.off;
	d->cfg_size = (unsigned)MIN(cfg.size, (u64)PCI_CFG_SIZE);
	for (unsigned i = 0; !err && i < PCI_BARS; i++) {
		struct vfio_region *r = &d->bar[i];
		bool is64;

		err = region_info(d, i, r);
		if (err || !r->size)
			continue;
		if (pread(d->fd, hw, 4, (off_t)(d->cfg_off + PCI_BASE_ADDRESS_0 + 4 * i)) != 4)
			return -EIO;
		/* There is no port space below root ports; drivers of PCI Express devices do without. */
		if (hw[0] & PCI_BASE_ADDRESS_SPACE_IO) {
			*r = (struct vfio_region){ 0 };
			continue;
		}
		is64 = hw[0] & PCI_BASE_ADDRESS_MEM_TYPE_64;
		err = pci_add_bar(&d->fn, i, r->size, is64, hw[0] & PCI_BASE_ADDRESS_MEM_PREFETCH);
		i += is64;
	}
	if (!err)
		rom_init(d);
	return err;
}

/* --- direct access --- */

/* Takes the pages of [lo, hi) out of the areas. */
static void cut_out(struct vfio_region *r, u64 lo, u64 hi)
{
	struct vfio_area old[VFIO_AREAS];
	unsigned n = r->n_areas;

	lo = ALIGN_DOWN(lo, PAGE);
	hi = ALIGN_UP(hi, PAGE);
	memcpy(old, r->area, sizeof(old));
	r->n_areas = 0;
	for (unsigned i = 0; i < n; i++) {
		u64 end = old[i].off + old[i].len;

		add_area(r, old[i].off, MIN(end, lo));
		add_area(r, MAX(old[i].off, hi), end);
	}
}

void vfio_bars_map(struct vfio_dev *d)
{
	const struct pci_msix *m = &d->fn.msix;

	if (m->n) {
		cut_out(&d->bar[m->bar], m->table_off, m->table_off + (u64)PCI_MSIX_ENTRY * m->n);
		cut_out(&d->bar[m->pba_bar], m->pba_off, m->pba_off + PBA_BYTES(m->n));
	}
	for (unsigned i = 0; i < PCI_BARS; i++) {
		struct vfio_region *r = &d->bar[i];

		for (unsigned a = 0; a < r->n_areas; a++) {
			struct vfio_area *x = &r->area[a];
			void *p = mmap(NULL, x->len, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, (off_t)(r->off + x->off));

			if (p == MAP_FAILED)
				log_warn("%s: BAR %u cannot be mapped, so each access is an exit: %s", d->name, i, strerror(errno));
			else
				x->hva = p;
		}
	}
}

void vfio_bars_fini(struct vfio_dev *d)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		for (unsigned a = 0; a < d->bar[i].n_areas; a++) {
			struct vfio_area *x = &d->bar[i].area[a];

			if (x->hva)
				munmap(x->hva, x->len);
			x->hva = NULL;
		}
	}
	free(d->rom_copy);
	d->rom_copy = NULL;
}

void vfio_bar_mapped(struct pci_fn *fn, unsigned bar, gpa_t gpa, bool mapped)
{
	struct vfio_dev *d = vfio_dev_of(fn);
	struct vfio_region *r;

	if (bar == PCI_ROM)
		return;
	r = &d->bar[bar];
	for (unsigned a = 0; a < r->n_areas; a++) {
		struct vfio_area *x = &r->area[a];
		int err;

		if (!mapped)
			vfio_p2p_unmap(d, bar, x, gpa + x->off);
		else
			vfio_p2p_map(d, bar, x, gpa + x->off);
		if (!x->hva)
			continue;
		if (!mapped) {
			if (x->shown)
				bus_unmap(d->ctx->mmio, gpa + x->off, x->len, x->hva);
			x->shown = false;
			continue;
		}
		err = bus_map(d->ctx->mmio, gpa + x->off, x->len, x->hva, false);
		x->shown = !err;
		if (err)
			log_guest("%s: BAR %u is not mapped at 0x%llx, so each access is an exit: %s", d->name, bar,
				  (unsigned long long)gpa, strerror(-err));
	}
}

/* --- trapped access --- */

/*
 * Copied once, as each look through the device file switches the hardware's ROM on and off. The part that cannot be read, as where there is
 * no image, reads all ones.
 */
static const u8 *rom(struct vfio_dev *d)
{
	ssize_t n = 1;

	if (d->rom_copy)
		return d->rom_copy;
	d->rom_copy = malloc(d->rom.size);
	if (!d->rom_copy)
		return NULL;
	memset(d->rom_copy, 0xff, d->rom.size);
	for (u64 at = 0; n > 0 && at < d->rom.size; at += (u64)n)
		n = pread(d->fd, d->rom_copy + at, d->rom.size - at, (off_t)(d->rom.off + at));
	if (n < 0)
		log_guest("%s: its option ROM cannot be read: %s", d->name, strerror(errno));
	return d->rom_copy;
}

void vfio_bar_read(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 *val)
{
	struct vfio_dev *d = vfio_dev_of(fn);
	u8 buf[8];

	*val = size_mask(size);
	if (bar == PCI_ROM) {
		const u8 *copy = rom(d);

		if (copy && size <= sizeof(buf) && range_within(off, size, 0, d->rom.size))
			*val = get_le(copy + off, size);
		return;
	}
	if (size > sizeof(buf) || pread(d->fd, buf, size, (off_t)(d->bar[bar].off + off)) != (ssize_t)size) {
		log_guest("%s: BAR %u cannot be read at 0x%llx", d->name, bar, (unsigned long long)off);
		return;
	}
	*val = get_le(buf, size);
}

void vfio_bar_write(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 val)
{
	struct vfio_dev *d = vfio_dev_of(fn);
	u8 buf[8];

	if (bar == PCI_ROM)
		return;
	put_le(buf, sizeof(buf), val);
	if (size > sizeof(buf) || pwrite(d->fd, buf, size, (off_t)(d->bar[bar].off + off)) != (ssize_t)size)
		log_guest("%s: BAR %u cannot be written at 0x%llx", d->name, bar, (unsigned long long)off);
}
