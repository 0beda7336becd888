/* SPDX-License-Identifier: Apache-2.0 */
/* A bus, recorded interrupts, a PCI host and a device that counts its callbacks; also for fuzz targets. */
#ifndef TESTS_PCI_RIG_H
#define TESTS_PCI_RIG_H

#include <stdlib.h>

#include "tests/unit/msi_seen.h"
#include "vmm/pci_priv.h"

#define RIG_ECAM 0xe0000000ULL

struct rig {
	struct bus bus;
	struct irq *irq;
	struct pci_host *host;
	struct msi_seen msi;
	bool line[IRQ_LINES];
	unsigned n_line; /* changes */
	bool failed;     /* something could not be created */
};

struct rig_dev {
	struct pci_fn fn; /* first member */
	bool mapped[PCI_BARS + 1];
	gpa_t gpa[PCI_BARS + 1];
	unsigned n_map, n_unmap, n_msix, n_reset, n_master, n_read, n_write;
	int last_vec;
	bool master;
	unsigned last_bar, last_size;
	u64 last_off, last_val;
	unsigned *destroyed;
};

static inline void rig_line(void *ctx, u32 line, bool level)
{
	struct rig *r = ctx;

	r->line[line] = level;
	r->n_line++;
}

static const struct pci_map rig_map = {
	.ecam = RIG_ECAM,
	.buses = 256,
	.mem32 = 0xc0000000,
	.mem32_len = 0x20000000,
	.mem64 = GiB(6),
	.mem64_limit = BIT(46),
	.intx_line = { 16, 17, 18, 19 },
};

static inline void rig_init_map(struct rig *r, const struct pci_map *map)
{
	struct irq_lines lines = { .set = rig_line, .ctx = r };

	memset(r, 0, sizeof(*r));
	r->failed = bus_init(&r->bus, "mmio") || irq_create(&msi_seen_irqs, &r->msi, &r->irq) || pci_host_create(&r->bus, r->irq, map, &r->host);
	if (!r->failed)
		irq_set_lines(r->irq, &lines);
}

static inline void rig_init(struct rig *r)
{
	rig_init_map(r, &rig_map);
}

static inline void rig_fini(struct rig *r)
{
	pci_host_destroy(r->host);
	irq_destroy(r->irq);
	bus_fini(&r->bus);
}

static inline struct rig_dev *rig_dev(struct pci_fn *fn)
{
	return (struct rig_dev *)fn;
}

static inline void rig_bar_read(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 *val)
{
	struct rig_dev *d = rig_dev(fn);

	d->n_read++;
	d->last_bar = bar;
	d->last_off = off;
	d->last_size = size;
	*val = 0xa5a5a5a5a5a5a5a5ULL;
}

static inline void rig_bar_write(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 val)
{
	struct rig_dev *d = rig_dev(fn);

	d->n_write++;
	d->last_bar = bar;
	d->last_off = off;
	d->last_size = size;
	d->last_val = val;
}

static inline void rig_bar_mapped(struct pci_fn *fn, unsigned bar, gpa_t gpa, bool mapped)
{
	struct rig_dev *d = rig_dev(fn);

	d->mapped[bar] = mapped;
	d->gpa[bar] = gpa;
	mapped ? d->n_map++ : d->n_unmap++;
}

static inline void rig_msix(struct pci_fn *fn, int vec)
{
	rig_dev(fn)->n_msix++;
	rig_dev(fn)->last_vec = vec;
}

static inline void rig_master(struct pci_fn *fn, bool on)
{
	rig_dev(fn)->n_master++;
	rig_dev(fn)->master = on;
}

static inline void rig_reset(struct pci_fn *fn)
{
	rig_dev(fn)->n_reset++;
}

static inline void rig_destroy(struct pci_fn *fn)
{
	struct rig_dev *d = rig_dev(fn);

	if (d->destroyed)
		++*d->destroyed;
	pci_fn_fini(fn);
	free(d);
}

static const struct pci_fn_ops rig_ops = {
	.bar_read = rig_bar_read,
	.bar_write = rig_bar_write,
	.bar_mapped = rig_bar_mapped,
	.msix_changed = rig_msix,
	.bus_master = rig_master,
	.reset = rig_reset,
	.destroy = rig_destroy,
};

/* A device that is not plugged in yet. */
static inline struct rig_dev *rig_new(const char *name)
{
	static const struct pci_ids ids = { .vendor = 0x1234, .device = 0x5678, .sub_vendor = 0x9abc, .sub_device = 0xdef0, .class_rev = 0xff000001 };
	struct rig_dev *d = calloc(1, sizeof(*d));

	if (!d || pci_fn_init(&d->fn, &rig_ops, &ids, name))
		abort();
	return d;
}

/* A device with 32-bit BAR 0 of 4 KiB, 64-bit prefetchable BAR 2 of 64 KiB, 4 vectors in BAR 4 (16 KiB), plugged in. parent NULL: at dev on bus 0. */
static inline struct rig_dev *rig_plug(struct rig *r, struct pci_fn *parent, unsigned dev)
{
	struct rig_dev *d = rig_new("dev");

	if (pci_add_bar(&d->fn, 0, 4096, false, false) || pci_add_bar(&d->fn, 2, 65536, true, true) || pci_add_bar(&d->fn, 4, 16384, true, false) ||
	    pci_add_msix(&d->fn, 4, 4, 0, 8192) || pci_plug(r->host, parent, parent ? 0 : PCI_DEVFN(dev, 0), &d->fn))
		abort();
	return d;
}

static inline u64 rig_cfg_addr(u16 sid, unsigned off)
{
	return RIG_ECAM + ((u64)sid << 12) + off;
}

static inline u64 rig_rd(struct rig *r, u16 sid, unsigned off, unsigned size)
{
	u64 v = 0;

	bus_read(&r->bus, rig_cfg_addr(sid, off), size, &v);
	return v;
}

static inline void rig_wr(struct rig *r, u16 sid, unsigned off, unsigned size, u64 val)
{
	bus_write(&r->bus, rig_cfg_addr(sid, off), size, val);
}

static inline u64 rig_mmio(struct rig *r, u64 addr, unsigned size)
{
	u64 v = 0;

	bus_read(&r->bus, addr, size, &v);
	return v;
}

/* Memory space and bus mastering. */
static inline void rig_enable(struct rig *r, u16 sid)
{
	rig_wr(r, sid, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

#endif
