/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A unit on a bench: RAM, buses, recorded MSIs, four functions 00:01.0 to 00:04.0 on a bus that tests can renumber. The backend is the software
 * one, or a fake that records and fails on demand. The guest's hands are in vtd_rig.h and amdvi_rig.h.
 */
#ifndef NIDUS_VIOMMU_RIG_H
#define NIDUS_VIOMMU_RIG_H

#include "devices/viommu/unit.h"
#include "tests/unit/event_rounds.h"
#include "tests/unit/msi_seen.h"
#include "tests/unit/unit.h"
#include "vmm/bus.h"
#include "vmm/mem.h"
#include "vmm/pci.h"

#define RIG_BASE 0xFEB00000
#define RIG_RAM MiB(16)
#define RIG_FNS 4
#define FAKE_MAX 4096
#define PT(i) (0x60000 + 0x8000 * (gpa_t)(i)) /* a four-level table per device: 4 KiB pages below 2 MiB */
#define BUF(i) (0x100000 + 0x10000 * (gpa_t)(i))
#define STATUS 0x50000 /* where waits store */
#define PTE_RWU 7ULL

struct s1_dev {
	unsigned id;
};

/* What the fake was told, in order: a letter each for set: B block, P bypass, T table, and for inv: i. */
struct fake {
	struct s1_caps caps;
	struct s1_dev dev[RIG_FNS];
	unsigned n_devs, n_log, n_inv;
	char log[FAKE_MAX + 1];
	u32 log_pasid[FAKE_MAX];
	unsigned log_dev[FAKE_MAX];
	struct s1_config last[RIG_FNS][2]; /* [0] no PASID, [1] any other */
	struct s1_inv inv[FAKE_MAX];
	int fail_set_at, fail_inv_at, fail_err; /* count down; 0: never */
	bool fail_all_sets;
	bool destroyed;
};

struct rig {
	struct mem *mem;
	struct bus bus;
	struct irq *irq;
	struct event *ev;
	struct viommu *v;
	struct fake *fake;
	struct pci_fn fn[RIG_FNS];
	struct dma *dma[RIG_FNS];
	struct msi_seen msi;
	unsigned failed;
	u32 tail, seq;
};

static u8 rig_bus;

u16 pci_fn_sid(const struct pci_fn *fn)
{
	return PCI_BDF(rig_bus, fn->devfn >> 3, fn->devfn & 7);
}

/* --- the recording fake --- */

static inline void fake_probe(void *be, struct s1_caps *caps)
{
	*caps = ((struct fake *)be)->caps;
}

static inline int fake_dev_add(void *be, struct pci_fn *fn, struct s1_dev **dev)
{
	struct fake *f = be;

	f->dev[f->n_devs].id = f->n_devs;
	*dev = &f->dev[f->n_devs++];
	return 0;
}

static inline void fake_dev_del(void *be, struct s1_dev *dev)
{
}

static inline int fake_set(void *be, struct s1_dev *dev, u32 pasid, const struct s1_config *cfg)
{
	struct fake *f = be;

	if (f->fail_all_sets)
		return f->fail_err;
	if (f->fail_set_at && --f->fail_set_at == 0)
		return f->fail_err;
	if (f->n_log < FAKE_MAX) {
		f->log_pasid[f->n_log] = pasid;
		f->log_dev[f->n_log] = dev->id;
		f->log[f->n_log++] = "BPT"[cfg->kind];
	}
	f->last[dev->id][pasid != DMA_NO_PASID] = *cfg;
	return 0;
}

static inline int fake_inv(void *be, const struct s1_inv *invs, unsigned n, unsigned *done, unsigned *calls)
{
	struct fake *f = be;

	*calls += 1;
	if (f->fail_inv_at && --f->fail_inv_at == 0)
		return f->fail_err;
	for (*done = 0; *done < n; (*done)++) {
		if (f->n_inv < FAKE_MAX)
			f->inv[f->n_inv++] = invs[*done];
		if (f->n_log < FAKE_MAX)
			f->log[f->n_log++] = 'i';
	}
	return 0;
}

static inline void fake_destroy(void *be)
{
	((struct fake *)be)->destroyed = true;
}

static const struct s1_backend_ops fake_ops = {
	.probe = fake_probe, .dev_add = fake_dev_add, .dev_del = fake_dev_del, .set = fake_set, .inv = fake_inv, .destroy = fake_destroy,
};

static inline void fake_clear(struct fake *f)
{
	f->n_log = f->n_inv = 0;
	memset(f->log, 0, sizeof(f->log));
}

/* --- the bench --- */

static inline void rig_failed(void *arg)
{
	((struct rig *)arg)->failed++;
}

static inline void rig_init_unit(struct rig *r, enum viommu_kind kind, const char *name, struct fake *fake)
{
	struct mem_range ram[] = { { .gpa = 0, .len = RIG_RAM } };
	struct viommu_cfg cfg = { .kind = kind, .name = name, .base = RIG_BASE, .haw = 46, .failed = rig_failed, .failed_arg = r };
	static const char *const names[RIG_FNS] = { "dev0", "dev1", "dev2", "dev3" };

	memset(r, 0, sizeof(*r));
	rig_bus = 0;
	assert_int_equal(mem_create(ram, 1, false, &r->mem), 0);
	assert_int_equal(bus_init(&r->bus, "mmio"), 0);
	assert_int_equal(irq_create(&msi_seen_irqs, &r->msi, &r->irq), 0);
	assert_int_equal(event_create(&r->ev), 0);
	cfg.mmio = &r->bus;
	cfg.irq = r->irq;
	cfg.ev = r->ev;
	cfg.mem = r->mem;
	r->fake = fake;
	if (fake)
		cfg.backend = (struct s1_backend){ .ops = &fake_ops, .be = fake };
	assert_int_equal(viommu_create(&cfg, &r->v), 0);
	for (unsigned i = 0; i < RIG_FNS; i++) {
		r->fn[i].name = names[i];
		r->fn[i].devfn = PCI_DEVFN(i + 1, 0);
		assert_int_equal(viommu_add_fn(r->v, &r->fn[i], &r->dma[i]), 0);
	}
	if (fake)
		fake_clear(fake);
}

static inline void rig_fini(struct rig *r)
{
	viommu_destroy(r->v);
	event_destroy(r->ev);
	irq_destroy(r->irq);
	bus_fini(&r->bus);
	mem_destroy(r->mem);
}

static inline u64 rd(struct rig *r, u64 off, unsigned size)
{
	u64 v = 0;

	bus_read(&r->bus, RIG_BASE + off, size, &v);
	return v;
}

static inline void wr(struct rig *r, u64 off, unsigned size, u64 v)
{
	bus_write(&r->bus, RIG_BASE + off, size, v);
}

static inline void poke(struct rig *r, gpa_t gpa, u64 v)
{
	assert_int_equal(mem_store(r->mem, gpa, 8, v), 0);
}

static inline u64 peek(struct rig *r, gpa_t gpa)
{
	u64 v = 0;

	assert_int_equal(mem_load(r->mem, gpa, 8, &v), 0);
	return v;
}

/* Runs what the event thread has been asked to do until now. */
static inline void rig_events(struct rig *r)
{
	assert_int_equal(event_rounds(r->ev, 2), 0);
}

static inline gpa_t guest_pte(unsigned table, iova_t iova)
{
	return PT(table) + 0x3000 + 8 * ((iova >> 12) & 511);
}

static inline void guest_map(struct rig *r, unsigned table, iova_t iova, u64 pte)
{
	poke(r, guest_pte(table, iova), pte);
}

/* Table i of each device: four levels that map nothing yet. */
static inline void guest_tables(struct rig *r)
{
	for (unsigned i = 0; i < RIG_FNS; i++) {
		for (unsigned level = 0; level < 3; level++)
			poke(r, PT(i) + 0x1000 * level, (PT(i) + 0x1000 * (level + 1)) | PTE_RWU);
	}
}

/* The gpa that device i reaches at iova, or ~0. */
static inline gpa_t where(struct rig *r, unsigned i, u32 pasid, iova_t iova)
{
	const struct mem_slot *slot;
	struct dma_span s;
	struct iovec iov;
	gpa_t gpa = ~0ULL;

	mem_slots(r->mem, &slot);
	if (dma_get_pasid(r->dma[i], pasid, iova, 1, DMA_READ, &s, &iov, 1) > 0) {
		gpa = (gpa_t)((char *)iov.iov_base - (char *)slot->hva);
		dma_put(&s);
	}
	return gpa;
}

#endif
