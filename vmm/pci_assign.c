/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bus numbers, bridge windows and BARs, as firmware would assign them.
 *
 *  1. Each root port gets the next bus number.
 *  2. The BARs below a port are packed into its two windows: what is 64-bit and prefetchable into the prefetchable one, which lies in
 *     the host's 64-bit window; the rest into the other, which cannot lie above 4 GiB. Windows are multiples of 1 MiB.
 *  3. The windows and the BARs of bus 0 are packed into the host's two windows by the same rule.
 *  4. The 64-bit window ends where the last thing in it ends.
 *
 * Packing: largest alignment first, each at the lowest naturally aligned place that is free. Equal input gives equal output.
 */
#include <errno.h>
#include <stdlib.h>

#include "vmm/log.h"
#include "vmm/pci_priv.h"

/* Nothing shares a page with another function: a guest may then map, or be given, each alone. */
#define MIN_ALIGN KiB(4)

enum space { SPACE_32, SPACE_64, N_SPACES };

static const char *const space_name[N_SPACES] = { "32-bit", "64-bit" };

struct item {
	struct pci_fn *fn;
	int bar; /* -1: fn's bridge window */
	u64 size, align;
	gpa_t at;
	unsigned seq;
};

struct list {
	struct item *it;
	unsigned n;
};

static int by_align(const void *pa, const void *pb)
{
	const struct item *a = pa, *b = pb;

	if (a->align != b->align)
		return a->align < b->align ? 1 : -1;
	if (a->size != b->size)
		return a->size < b->size ? 1 : -1;
	return a->seq < b->seq ? -1 : 1;
}

/* First free place at or above lo; every round passes one of the n placed items. */
static u64 first_fit(const struct item *it, unsigned n, const struct item *new, u64 lo)
{
	u64 at = ALIGN_UP(lo, new->align);
	unsigned i = 0;

	while (i < n) {
		if (range_overlaps(at, new->size, it[i].at, it[i].size)) {
			at = ALIGN_UP(it[i].at + it[i].size, new->align);
			i = 0;
		} else {
			i++;
		}
	}
	return at;
}

/* Places all items at lo or above; returns the end of the last. Sizes are at most 2^48, so nothing wraps. */
static u64 pack(struct list *l, u64 lo)
{
	u64 end = lo;

	if (l->n)
		qsort(l->it, l->n, sizeof(*l->it), by_align);
	for (unsigned i = 0; i < l->n; i++) {
		l->it[i].at = first_fit(l->it, i, &l->it[i], lo);
		end = MAX(end, l->it[i].at + l->it[i].size);
	}
	return end;
}

static void add_item(struct list *l, struct pci_fn *fn, int bar, u64 size, u64 align)
{
	l->it[l->n] = (struct item){ .fn = fn, .bar = bar, .size = size, .align = align, .seq = l->n };
	l->n++;
}

static void add_bars(struct list *l, struct pci_fn *fn, enum space s)
{
	for (unsigned i = 0; i <= PCI_ROM; i++) {
		const struct pci_bar *b = &fn->bar[i];

		if (b->size && s == (b->is64 && b->prefetch ? SPACE_64 : SPACE_32))
			add_item(l, fn, (int)i, MAX(b->size, MIN_ALIGN), MAX(b->size, MIN_ALIGN));
	}
}

/* Packs what is below a port at 0; the list is at most PCI_BARS + 1 long. */
static u64 pack_child(struct list *l, struct pci_fn *port, enum space s)
{
	struct pci_fn *child = pci_bridge_child(port);

	l->n = 0;
	if (child)
		add_bars(l, child, s);
	return ALIGN_UP(pack(l, 0), PCI_BRIDGE_GRANULE);
}

static int no_room(const struct item *it, enum space s)
{
	if (it->bar < 0)
		log_error("%s: no room for what is below it, %llu MiB, in the %s PCI window: %s", it->fn->name,
			  (unsigned long long)(it->size >> 20), space_name[s], s == SPACE_64 ? "use less memory (-m) or fewer devices" : "remove a device");
	else
		log_error("%s: no room for BAR %d, %llu KiB, in the %s PCI window: %s", it->fn->name, it->bar, (unsigned long long)(it->size >> 10),
			  space_name[s], s == SPACE_64 ? "use less memory (-m) or fewer devices" : "remove a device");
	return -ENOSPC;
}

static void write_window(struct pci_fn *port, enum space s, gpa_t base, u64 len)
{
	struct item items[PCI_BARS + 1];
	struct list l = { .it = items };

	pack_child(&l, port, s);
	for (unsigned i = 0; i < l.n; i++)
		pci_bar_set_addr(l.it[i].fn, (unsigned)l.it[i].bar, base + l.it[i].at);
	if (s == SPACE_64)
		pci_bridge_set_pref(port, base, len);
	else
		pci_bridge_set_mem(port, base, len);
}

static void collect(struct pci_host *h, struct list *l, enum space s)
{
	struct item items[PCI_BARS + 1];
	struct list below = { .it = items };

	for (unsigned i = 0; i < PCI_MAX_FNS; i++) {
		struct pci_fn *fn = h->fns[i];
		u64 len;

		if (!fn)
			continue;
		add_bars(l, fn, s);
		if (!fn->bridge)
			continue;
		len = pack_child(&below, fn, s);
		if (len)
			add_item(l, fn, -1, len, MAX(below.it[0].align, PCI_BRIDGE_GRANULE));
	}
}

/* Packs one of the host's windows, lo to hi; *end is where it ends. */
static int assign_space(struct pci_host *h, enum space s, u64 lo, u64 hi, u64 *end)
{
	struct list l = { .it = calloc(PCI_MAX_FNS * (PCI_BARS + 2), sizeof(struct item)) };
	int err = 0;

	if (!l.it) {
		log_error("PCI windows: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	collect(h, &l, s);
	*end = pack(&l, lo);
	for (unsigned i = 0; i < l.n && !err; i++) {
		const struct item *it = &l.it[i];

		if (it->at + it->size > hi)
			err = no_room(it, s);
		else if (it->bar < 0)
			write_window(it->fn, s, it->at, it->size);
		else
			pci_bar_set_addr(it->fn, (unsigned)it->bar, it->at);
	}
	free(l.it);
	return err;
}

static int assign_buses(struct pci_host *h)
{
	h->last_bus = 0;
	for (unsigned i = 0; i < PCI_MAX_FNS; i++) {
		struct pci_fn *fn = h->fns[i];

		if (!fn || !fn->bridge)
			continue;
		if (h->last_bus + 1 >= MIN(h->map.buses, 256)) {
			log_error("%s: no bus number left: remove a device", fn->name);
			return -ENOSPC;
		}
		h->last_bus++;
		pci_bridge_set_buses(fn, (u8)h->last_bus, (u8)h->last_bus);
	}
	return 0;
}

static void snapshot(struct pci_fn *fn, void *arg)
{
	memcpy(fn->cfg_reset, fn->cfg, PCI_CFG_SIZE);
}

int pci_assign(struct pci_host *h)
{
	u64 end;
	int err;

	err = assign_buses(h);
	if (err)
		return err;
	err = assign_space(h, SPACE_32, h->map.mem32, h->map.mem32 + h->map.mem32_len, &end);
	if (err)
		return err;
	err = assign_space(h, SPACE_64, h->map.mem64, h->map.mem64_limit, &end);
	if (err)
		return err;
	h->mem64_len = ALIGN_UP(end - h->map.mem64, PCI_BRIDGE_GRANULE);
	pci_for_each(h, snapshot, NULL);
	return 0;
}
