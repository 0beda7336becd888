/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host bridge: ECAM, who is where, wired interrupts, reset.
 *
 * A config access (PCI Express 5.0 section 7.2.2):
 *  1. cut into naturally aligned pieces of at most 4 bytes;
 *  2. the function is found by bus number as the guest programmed it, without a lock: what is plugged where is fixed;
 *  3. under the function's lock the registers change and the function follows them (pci_fn.c);
 *  4. without it, the other functions' BARs are looked at again if space was freed or a window moved.
 */
#include <errno.h>
#include <stdlib.h>

#include "vmm/pci_priv.h"

#define DEVFN_IOAPIC PCI_DEVFN(0x1f, 0)

static struct pci_fn *find(struct pci_host *h, unsigned bus, u8 devfn)
{
	if (bus == 0)
		return h->fns[devfn];
	if (devfn != 0)
		return NULL;
	for (unsigned i = 0; i < PCI_MAX_FNS; i++) {
		struct pci_fn *fn = h->fns[i];

		if (fn && fn->bridge && pci_bridge_secondary(fn) == bus)
			return pci_bridge_child(fn);
	}
	return NULL;
}

struct pci_fn *pci_fn_by_sid(struct pci_host *h, u16 sid)
{
	return find(h, sid >> 8, (u8)sid);
}

u16 pci_fn_sid(const struct pci_fn *fn)
{
	return (u16)((fn->parent ? pci_bridge_secondary(fn->parent) << 8 : 0) | fn->devfn);
}

/* Length of the naturally aligned piece at off, at most left bytes. */
static unsigned piece(u64 off, unsigned left)
{
	unsigned n = 4;

	while (n > left || (off & (n - 1)))
		n /= 2;
	return n;
}

static void ecam_read(void *dev, u64 off, unsigned size, u64 *val)
{
	struct pci_host *h = dev;
	unsigned n;

	*val = 0;
	for (unsigned done = 0; done < size; done += n) {
		struct pci_fn *fn = find(h, (unsigned)((off + done) >> 20), (u8)((off + done) >> 12));
		u64 v = ~0U;

		n = piece(off + done, size - done);
		if (fn) {
			pthread_mutex_lock(&fn->lock);
			v = pci_fn_read(fn, (off + done) & (PCI_CFG_SIZE - 1), n);
			pthread_mutex_unlock(&fn->lock);
		}
		*val |= (v & size_mask(n)) << (8 * done);
	}
}

static void ecam_write(void *dev, u64 off, unsigned size, u64 val)
{
	struct pci_host *h = dev;
	bool again = false;
	unsigned n;

	for (unsigned done = 0; done < size; done += n) {
		struct pci_fn *fn = find(h, (unsigned)((off + done) >> 20), (u8)((off + done) >> 12));

		n = piece(off + done, size - done);
		if (!fn)
			continue;
		pthread_mutex_lock(&fn->lock);
		again |= pci_fn_write(fn, (off + done) & (PCI_CFG_SIZE - 1), n, (u32)((val >> (8 * done)) & size_mask(n)));
		pthread_mutex_unlock(&fn->lock);
	}
	if (again)
		pci_remap(h);
}

static const struct region_ops ecam_ops = { .read = ecam_read, .write = ecam_write };

static void drop(struct pci_fn *fn, void *arg)
{
	pthread_mutex_lock(&fn->lock);
	pci_bar_drop(fn);
	pthread_mutex_unlock(&fn->lock);
}

static void place(struct pci_fn *fn, void *arg)
{
	pthread_mutex_lock(&fn->lock);
	pci_bar_place(fn);
	pthread_mutex_unlock(&fn->lock);
}

void pci_remap(struct pci_host *h)
{
	pci_for_each(h, drop, NULL);
	pci_for_each(h, place, NULL);
}

void pci_for_each(struct pci_host *h, void (*cb)(struct pci_fn *fn, void *arg), void *arg)
{
	for (unsigned i = 0; i < PCI_MAX_FNS; i++) {
		if (h->fns[i])
			cb(h->fns[i], arg);
	}
	for (unsigned i = 0; i < PCI_MAX_FNS; i++) {
		if (h->fns[i] && h->fns[i]->bridge && pci_bridge_child(h->fns[i]))
			cb(pci_bridge_child(h->fns[i]), arg);
	}
}

void pci_host_intx(struct pci_host *h, unsigned line, bool assert_it)
{
	pthread_mutex_lock(&h->lock);
	h->intx_users[line] += assert_it ? 1U : -1U;
	if (h->intx_users[line] == (assert_it ? 1 : 0))
		irq_line(h->irq, h->map.intx_line[line], assert_it);
	pthread_mutex_unlock(&h->lock);
}

/* Every function of a device says whether it has more than one. */
static void mark_multifunction(struct pci_host *h, u8 devfn)
{
	u8 first = devfn & 0xf8;
	unsigned n = 0;

	for (unsigned i = 0; i < 8; i++)
		n += h->fns[first + i] != NULL;
	for (unsigned i = 0; n > 1 && i < 8; i++) {
		if (h->fns[first + i])
			h->fns[first + i]->cfg[PCI_HEADER_TYPE] |= 0x80;
	}
}

/* An endpoint has a link, a root complex integrated one does not. */
static void make_endpoint(struct pci_fn *fn)
{
	const unsigned c = PCI_EXP_CAP;
	u32 link = PCI_LINK_SPEED | PCI_LINK_WIDTH << 4;

	pci_cfg_set(fn, c + PCI_EXP_FLAGS, 2, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	pci_cfg_set(fn, c + PCI_EXP_LNKCAP, 4, link);
	put_le(fn->wmask + c + PCI_EXP_LNKCTL, 2, PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_RCB | PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES);
	pci_cfg_set(fn, c + PCI_EXP_LNKSTA, 2, link | PCI_EXP_LNKSTA_SLC);
	pci_cfg_set(fn, c + PCI_EXP_LNKCAP2, 4, GENMASK(PCI_LINK_SPEED, 1));
	pci_cfg_set(fn, c + PCI_EXP_LNKCTL2, 2, PCI_LINK_SPEED);
	put_le(fn->wmask + c + PCI_EXP_LNKCTL2, 2, PCI_EXP_LNKCTL2_TLS);
}

int pci_plug(struct pci_host *h, struct pci_fn *parent, u8 devfn, struct pci_fn *fn)
{
	if (parent) {
		if (!parent->bridge || devfn != 0)
			return -EINVAL;
		if (pci_bridge_child(parent))
			return -EEXIST;
		make_endpoint(fn);
		pci_bridge_set_child(parent, fn);
	} else {
		if (devfn == DEVFN_IOAPIC)
			return -EINVAL;
		if (h->fns[devfn])
			return -EEXIST;
		h->fns[devfn] = fn;
		mark_multifunction(h, devfn);
	}
	fn->host = h;
	fn->parent = parent;
	fn->devfn = devfn;
	return 0;
}

int pci_free_dev(const struct pci_host *h, unsigned from)
{
	for (unsigned dev = from; dev < 0x1f; dev++) {
		unsigned used = 0;

		for (unsigned i = 0; i < 8; i++)
			used += h->fns[PCI_DEVFN(dev, i)] != NULL;
		if (!used)
			return (int)dev;
	}
	return -ENOSPC;
}

const struct pci_map *pci_host_map(const struct pci_host *h)
{
	return &h->map;
}

unsigned pci_host_last_bus(const struct pci_host *h)
{
	return h->last_bus;
}

u64 pci_host_mem64_len(const struct pci_host *h)
{
	return h->mem64_len;
}

static void bridge_destroy(struct pci_fn *fn)
{
	pci_fn_fini(fn);
	free(fn);
}

static const struct pci_fn_ops host_bridge_ops = { .destroy = bridge_destroy };

/* 00:00.0, for the guest's list only: a conventional function without capabilities. */
static int plug_host_bridge(struct pci_host *h)
{
	static const struct pci_ids ids = { .vendor = 0x1b36, .device = 0x0008, .class_rev = 0x060000 << 8 };
	struct pci_fn *fn = calloc(1, sizeof(*fn));
	int err = fn ? pci_fn_init(fn, &host_bridge_ops, &ids, "host bridge") : -ENOMEM;

	if (err) {
		free(fn);
		return err;
	}
	pci_cfg_set(fn, PCI_STATUS, 2, 0);
	pci_cfg_set(fn, PCI_CAPABILITY_LIST, 1, 0);
	memset(fn->cfg + PCI_PM_CAP, 0, PCI_CFG_SPACE_SIZE - PCI_PM_CAP);
	memset(fn->wmask + PCI_PM_CAP, 0, PCI_CFG_SPACE_SIZE - PCI_PM_CAP);
	memset(fn->w1c + PCI_PM_CAP, 0, PCI_CFG_SPACE_SIZE - PCI_PM_CAP);
	return pci_plug(h, NULL, 0, fn);
}

int pci_host_create(struct bus *mmio, struct irq *irq, const struct pci_map *map, struct pci_host **out)
{
	struct region r = { .base = map->ecam, .len = (u64)map->buses << 20, .ops = &ecam_ops, .name = "pci ecam" };
	struct pci_host *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	h->mmio = mmio;
	h->irq = irq;
	h->map = *map;
	if (pthread_mutex_init(&h->lock, NULL) != 0) {
		free(h);
		return -ENOMEM;
	}
	r.dev = h;
	err = bus_add(mmio, &r);
	if (err)
		goto free_host;
	err = plug_host_bridge(h);
	if (err)
		goto remove_ecam;
	*out = h;
	return 0;
remove_ecam:
	bus_remove(mmio, map->ecam);
free_host:
	pthread_mutex_destroy(&h->lock);
	free(h);
	return err;
}

static void unmap(struct pci_fn *fn, void *arg)
{
	pthread_mutex_lock(&fn->lock);
	pci_cfg_set(fn, PCI_COMMAND, 2, 0);
	pci_bar_drop(fn);
	pthread_mutex_unlock(&fn->lock);
}

void pci_host_destroy(struct pci_host *h)
{
	if (!h)
		return;
	bus_remove(h->mmio, h->map.ecam);
	pci_for_each(h, unmap, NULL);
	for (unsigned i = 0; i < PCI_MAX_FNS; i++) {
		struct pci_fn *fn = h->fns[i];
		struct pci_fn *child = fn && fn->bridge ? pci_bridge_child(fn) : NULL;

		if (child)
			child->ops->destroy(child);
		if (fn)
			fn->ops->destroy(fn);
	}
	pthread_mutex_destroy(&h->lock);
	free(h);
}

static void reset(struct pci_fn *fn, void *arg)
{
	pthread_mutex_lock(&fn->lock);
	pci_fn_reset(fn);
	pthread_mutex_unlock(&fn->lock);
}

/* Memory space is off everywhere afterwards: no BAR waits for another's place. */
void pci_host_reset(struct pci_host *h)
{
	pci_for_each(h, reset, NULL);
}
