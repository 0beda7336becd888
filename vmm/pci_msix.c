/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSI-X (PCI Local Bus 3.0 section 6.8.2): table and pending bits in a BAR, enable and function mask in config space.
 *
 * A vector raised while it is masked leaves its pending bit; the message goes out when the last mask falls. The device is told of every
 * change, so that one with irqfds can do the same with them.
 */
#include <errno.h>
#include <stdlib.h>

#include "vmm/pci_priv.h"

#define MSIX_MAX 2048
#define CTRL_OFF PCI_MSIX_ENTRY_VECTOR_CTRL

static u64 table_len(const struct pci_msix *m)
{
	return (u64)m->n * PCI_MSIX_ENTRY;
}

static unsigned pba_words(const struct pci_msix *m)
{
	return (m->n + 63) / 64;
}

int pci_add_msix(struct pci_fn *fn, unsigned bar, unsigned n, u32 table_off, u32 pba_off)
{
	struct pci_msix m = { .n = n, .bar = bar, .pba_bar = bar, .table_off = table_off, .pba_off = pba_off };
	int cap;

	if (fn->msix.n || bar >= PCI_BARS || n == 0 || n > MSIX_MAX || !IS_ALIGNED(table_off | pba_off, 8))
		return -EINVAL;
	if (!range_within(table_off, table_len(&m), 0, fn->bar[bar].size) || !range_within(pba_off, 8ULL * pba_words(&m), 0, fn->bar[bar].size) ||
	    range_overlaps(table_off, table_len(&m), pba_off, 8ULL * pba_words(&m)))
		return -EINVAL;
	m.e = calloc(n, sizeof(*m.e));
	m.pending = calloc(pba_words(&m), sizeof(*m.pending));
	cap = m.e && m.pending ? pci_add_cap(fn, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF) : -ENOMEM;
	if (cap < 0) {
		free(m.e);
		free(m.pending);
		return cap;
	}
	m.cap = (u16)cap;
	fn->msix = m;
	pci_cfg_set(fn, m.cap + PCI_MSIX_FLAGS, 2, n - 1);
	put_le(fn->wmask + m.cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	pci_cfg_set(fn, m.cap + PCI_MSIX_TABLE, 4, table_off | bar);
	pci_cfg_set(fn, m.cap + PCI_MSIX_PBA, 4, pba_off | bar);
	pci_msix_reset(fn);
	return 0;
}

void pci_msix_fini(struct pci_fn *fn)
{
	free(fn->msix.e);
	free(fn->msix.pending);
	fn->msix = (struct pci_msix){ 0 };
}

void pci_msix_reset(struct pci_fn *fn)
{
	struct pci_msix *m = &fn->msix;

	for (unsigned i = 0; i < m->n; i++)
		m->e[i] = (struct pci_msix_entry){ .masked = true };
	if (m->n)
		memset(m->pending, 0, pba_words(m) * sizeof(*m->pending));
}

static void send(struct pci_fn *fn, const struct pci_msix_entry *e)
{
	irq_msi(fn->host->irq, pci_fn_sid(fn), e->addr, e->data);
}

void pci_msix_raise(struct pci_fn *fn, unsigned vec)
{
	struct pci_msix *m = &fn->msix;

	if (vec >= m->n || !m->enabled)
		return;
	if (m->fn_masked || m->e[vec].masked)
		m->pending[vec / 64] |= BIT(vec % 64);
	else
		send(fn, &m->e[vec]);
}

/* Sends what was waiting for vec, if nothing masks it any more. */
static void flush(struct pci_fn *fn, unsigned vec)
{
	struct pci_msix *m = &fn->msix;
	u64 bit = BIT(vec % 64);

	if (!m->enabled || m->fn_masked || m->e[vec].masked || !(m->pending[vec / 64] & bit))
		return;
	m->pending[vec / 64] &= ~bit;
	send(fn, &m->e[vec]);
}

void pci_msix_sync(struct pci_fn *fn)
{
	struct pci_msix *m = &fn->msix;
	bool enabled, masked;
	u16 ctrl;

	if (!m->n)
		return;
	ctrl = pci_cfg16(fn, m->cap + PCI_MSIX_FLAGS);
	enabled = ctrl & PCI_MSIX_FLAGS_ENABLE;
	masked = ctrl & PCI_MSIX_FLAGS_MASKALL;
	if (enabled == m->enabled && masked == m->fn_masked)
		return;
	m->enabled = enabled;
	m->fn_masked = masked;
	for (unsigned i = 0; i < m->n; i++)
		flush(fn, i);
	if (fn->ops->msix_changed)
		fn->ops->msix_changed(fn, -1);
}

static u8 table_byte(const struct pci_msix *m, u64 off)
{
	const struct pci_msix_entry *e = &m->e[off / PCI_MSIX_ENTRY];
	unsigned in = off % PCI_MSIX_ENTRY;

	if (in < PCI_MSIX_ENTRY_DATA)
		return (u8)(e->addr >> (8 * in));
	if (in < CTRL_OFF)
		return (u8)(e->data >> (8 * (in - PCI_MSIX_ENTRY_DATA)));
	return in == CTRL_OFF && e->masked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0;
}

static void table_write32(struct pci_fn *fn, u64 off, u32 val)
{
	unsigned vec = (unsigned)(off / PCI_MSIX_ENTRY);
	struct pci_msix_entry *e = &fn->msix.e[vec], old = *e;

	switch (off % PCI_MSIX_ENTRY) {
	case PCI_MSIX_ENTRY_LOWER_ADDR:
		e->addr = (e->addr & GENMASK(63, 32)) | (val & ~3U);
		break;
	case PCI_MSIX_ENTRY_UPPER_ADDR:
		e->addr = (e->addr & GENMASK(31, 0)) | (u64)val << 32;
		break;
	case PCI_MSIX_ENTRY_DATA:
		e->data = val;
		break;
	default:
		e->masked = val & PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
	if (e->addr == old.addr && e->data == old.data && e->masked == old.masked)
		return;
	flush(fn, vec);
	if (fn->ops->msix_changed)
		fn->ops->msix_changed(fn, (int)vec);
}

/* Whether an access to a BAR touches the table or the pending bits. */
static bool touches_table(const struct pci_msix *m, unsigned bar, u64 off, unsigned size)
{
	return bar == m->bar && range_overlaps(off, size, m->table_off, table_len(m));
}

static bool touches_pba(const struct pci_msix *m, unsigned bar, u64 off, unsigned size)
{
	return bar == m->pba_bar && range_overlaps(off, size, m->pba_off, 8ULL * pba_words(m));
}

bool pci_msix_bar_read(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 *val)
{
	const struct pci_msix *m = &fn->msix;
	u64 pba_len = 8ULL * pba_words(m);

	if (!m->n || (!touches_table(m, bar, off, size) && !touches_pba(m, bar, off, size)))
		return false;
	/* Half in, half out: undefined by the specification, zero here. */
	*val = 0;
	if (bar == m->bar && range_within(off, size, m->table_off, table_len(m))) {
		for (unsigned i = 0; i < size; i++)
			*val |= (u64)table_byte(m, off - m->table_off + i) << (8 * i);
	} else if (bar == m->pba_bar && range_within(off, size, m->pba_off, pba_len)) {
		for (unsigned i = 0; i < size; i++) {
			u64 at = off - m->pba_off + i;

			*val |= (m->pending[at / 8] >> (8 * (at % 8)) & 0xff) << (8 * i);
		}
	}
	return true;
}

/* Only aligned accesses of 4 and 8 bytes are defined; the others are dropped. The PBA is read-only. */
bool pci_msix_bar_write(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 val)
{
	const struct pci_msix *m = &fn->msix;

	if (!m->n || (!touches_table(m, bar, off, size) && !touches_pba(m, bar, off, size)))
		return false;
	if (bar == m->bar && range_within(off, size, m->table_off, table_len(m)) && (size == 4 || size == 8) && IS_ALIGNED(off, size)) {
		table_write32(fn, off - m->table_off, (u32)val);
		if (size == 8)
			table_write32(fn, off - m->table_off + 4, (u32)(val >> 32));
	}
	return true;
}
