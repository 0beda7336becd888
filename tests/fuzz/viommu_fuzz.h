/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole unit under sequences of register accesses, memory writes, DMA and event rounds. Each operation is 1 byte of kind and 10 of operands. A span may be held
 * across operations; whatever happens, reset brings the unit back and DMA is identity again. Whoever includes it defines unit_reg().
 */
#ifndef NIDUS_VIOMMU_FUZZ_H
#define NIDUS_VIOMMU_FUZZ_H

#include <stdlib.h>
#include <unistd.h>

#include "devices/viommu/viommu.h"
#include "tests/unit/event_rounds.h"
#include "tests/unit/msi_seen.h"
#include "vmm/bus.h"
#include "vmm/event.h"
#include "vmm/log.h"
#include "vmm/mem.h"
#include "vmm/pci.h"

/* A register's offset by two bytes of input: where there are some. */
static u64 unit_reg(u64 a);

#define BASE 0xFEB00000
#define RAM_LEN KiB(64)
#define OP 11

static struct {
	struct mem *mem;
	struct bus bus;
	struct irq *irq;
	struct msi_seen msi;
	struct event *ev;
	struct viommu *v;
	struct pci_fn fn;
	struct dma *dma;
	struct dma_span span;
	u32 mmio_len;
} t;

static inline void must(bool ok)
{
	if (!ok)
		abort();
}

static inline void build(enum viommu_kind kind)
{
	const struct mem_range r = { .gpa = 0, .len = RAM_LEN };
	struct viommu_cfg cfg = { .kind = kind, .name = "unit", .base = BASE, .haw = 40, .mmio = &t.bus };

	log_set_level(LOG_ERROR);
	must(mem_create(&r, 1, false, &t.mem) == 0 && bus_init(&t.bus, "mmio") == 0);
	must(irq_create(&msi_seen_irqs, &t.msi, &t.irq) == 0 && event_create(&t.ev) == 0);
	cfg.irq = t.irq;
	cfg.ev = t.ev;
	cfg.mem = t.mem;
	must(viommu_create(&cfg, &t.v) == 0);
	t.mmio_len = viommu_mmio_len(kind);
	t.fn.name = "dev";
	t.fn.devfn = 8;
	must(viommu_add_fn(t.v, &t.fn, &t.dma) == 0);
}

static inline void serve(void)
{
	must(event_rounds(t.ev, 2) == 0);
}

static inline void op(const u8 *d)
{
	u64 a = get_le(d + 1, 2), v = get_le(d + 3, 8);
	struct iovec iov[4];
	u64 got;

	switch (d[0] % 8) {
	case 0:
		bus_read(&t.bus, BASE + a % t.mmio_len, 1 + d[0] / 8 % 8, &got);
		break;
	case 1:
		bus_write(&t.bus, BASE + unit_reg(a), 1 + d[0] / 8 % 8, v);
		break;
	case 2: /* aligned, so that most inputs do something */
		bus_write(&t.bus, BASE + unit_reg(a) / 4 * 4, d[0] & 8 && a % 8 < 4 ? 8 : 4, v);
		break;
	case 3:
		must(mem_store(t.mem, a % RAM_LEN / 8 * 8, 8, v) == 0);
		break;
	case 4:
		dma_put(&t.span);
		if (dma_get_pasid(t.dma, d[0] & 8 ? DMA_NO_PASID : (u32)a % 64, v, 1 + d[0] / 16, DMA_WRITE, &t.span, iov, 4) > 0 && d[0] & 128)
			dma_put(&t.span);
		break;
	case 5:
		dma_put(&t.span);
		break;
	case 6:
		serve();
		break;
	case 7:
		t.fn.devfn = (u8)a;
		break;
	}
}

/* Sequences of operations on a unit of this kind. */
static inline int unit_fuzz(enum viommu_kind kind, const u8 *data, size_t size)
{
	struct iovec iov;

	if (!t.v)
		build(kind);
	must(mem_zero(t.mem, 0, RAM_LEN) == 0);
	for (size_t i = 0; i + OP <= size && i < 512 * OP; i += OP)
		op(data + i);
	dma_put(&t.span);
	serve();
	viommu_reset(t.v);
	t.fn.devfn = 8;
	must(dma_get(t.dma, 0x1000, 8, DMA_WRITE, &t.span, &iov, 1) == 1);
	dma_put(&t.span);
	return 0;
}

#endif
