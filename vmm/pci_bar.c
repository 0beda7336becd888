/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BARs: registers, and the regions on the bus that follow them.
 *
 * A BAR is on the bus while memory space is enabled, its range lies in the host bridge's windows, the root port above (if any) forwards
 * it, and no other region is there. A guest that puts it elsewhere only loses sight of it.
 */
#include <errno.h>

#include "vmm/log.h"
#include "vmm/pci_priv.h"

#define BAR_MAX_SIZE BIT(48)
#define BAR32_MAX_SIZE BIT(31)
#define ROM_MIN_SIZE KiB(2)

static void region_read(void *dev, u64 off, unsigned size, u64 *val)
{
	struct pci_bar *bar = dev;
	struct pci_fn *fn = bar->fn;
	unsigned n = (unsigned)(bar - fn->bar);

	*val = 0;
	pthread_mutex_lock(&fn->lock);
	if (!pci_msix_bar_read(fn, n, off, size, val) && fn->ops->bar_read)
		fn->ops->bar_read(fn, n, off, size, val);
	pthread_mutex_unlock(&fn->lock);
	*val &= size_mask(size);
}

static void region_write(void *dev, u64 off, unsigned size, u64 val)
{
	struct pci_bar *bar = dev;
	struct pci_fn *fn = bar->fn;
	unsigned n = (unsigned)(bar - fn->bar);

	pthread_mutex_lock(&fn->lock);
	if (!pci_msix_bar_write(fn, n, off, size, val & size_mask(size)) && fn->ops->bar_write)
		fn->ops->bar_write(fn, n, off, size, val & size_mask(size));
	pthread_mutex_unlock(&fn->lock);
}

static const struct region_ops region_ops = { .read = region_read, .write = region_write };

static bool is_upper_half(const struct pci_fn *fn, unsigned bar)
{
	return bar > 0 && fn->bar[bar - 1].size && fn->bar[bar - 1].is64;
}

static unsigned reg_of(unsigned bar)
{
	return bar == PCI_ROM ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * bar;
}

static int add_rom(struct pci_fn *fn, u64 size)
{
	if (fn->bar[PCI_ROM].size || size < ROM_MIN_SIZE || size > BAR32_MAX_SIZE || (size & (size - 1)))
		return -EINVAL;
	fn->bar[PCI_ROM] = (struct pci_bar){ .size = size, .fn = fn };
	put_le(fn->wmask + PCI_ROM_ADDRESS, 4, ~(size - 1) | PCI_ROM_ADDRESS_ENABLE);
	return 0;
}

int pci_add_bar(struct pci_fn *fn, unsigned bar, u64 size, bool is64, bool prefetch)
{
	unsigned reg = reg_of(bar);
	u32 type = (is64 ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) | (prefetch ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0);

	if (bar == PCI_ROM)
		return is64 || prefetch ? -EINVAL : add_rom(fn, size);
	if (bar >= PCI_BARS || (is64 && bar + 1 >= PCI_BARS) || fn->bar[bar].size || is_upper_half(fn, bar) || (is64 && fn->bar[bar + 1].size))
		return -EINVAL;
	if (size < 16 || size > (is64 ? BAR_MAX_SIZE : BAR32_MAX_SIZE) || (size & (size - 1)))
		return -EINVAL;
	fn->bar[bar] = (struct pci_bar){ .size = size, .is64 = is64, .prefetch = prefetch, .fn = fn };
	pci_cfg_set(fn, reg, 4, type);
	put_le(fn->wmask + reg, is64 ? 8 : 4, ~(size - 1));
	return 0;
}

gpa_t pci_bar_addr(const struct pci_fn *fn, unsigned bar)
{
	const struct pci_bar *b = &fn->bar[bar];

	return get_le(fn->cfg + reg_of(bar), b->is64 ? 8 : 4) & ~(b->size - 1);
}

void pci_bar_set_addr(struct pci_fn *fn, unsigned bar, gpa_t gpa)
{
	unsigned reg = reg_of(bar);

	pci_cfg_set(fn, reg, fn->bar[bar].is64 ? 8 : 4, gpa | (fn->cfg[reg] & 0xf));
}

static bool wanted(const struct pci_fn *fn, unsigned bar, gpa_t *gpa)
{
	const struct pci_bar *b = &fn->bar[bar];
	const struct pci_host *h = fn->host;

	if (!b->size || !h || !(pci_cfg16(fn, PCI_COMMAND) & PCI_COMMAND_MEMORY))
		return false;
	if (bar == PCI_ROM && !(fn->cfg[PCI_ROM_ADDRESS] & PCI_ROM_ADDRESS_ENABLE))
		return false;
	*gpa = pci_bar_addr(fn, bar);
	if (!range_within(*gpa, b->size, h->map.mem32, h->map.mem32_len) && !range_within(*gpa, b->size, h->map.mem64, h->mem64_len))
		return false;
	return !fn->parent || pci_bridge_forwards(fn->parent, *gpa, b->size);
}

unsigned pci_bar_drop(struct pci_fn *fn)
{
	unsigned dropped = 0;
	gpa_t gpa;

	for (unsigned i = 0; i <= PCI_ROM; i++) {
		struct pci_bar *b = &fn->bar[i];

		if (!b->mapped || (wanted(fn, i, &gpa) && gpa == b->gpa))
			continue;
		bus_remove(fn->host->mmio, b->gpa);
		b->mapped = false;
		if (fn->ops->bar_mapped)
			fn->ops->bar_mapped(fn, i, b->gpa, false);
		dropped++;
	}
	return dropped;
}

void pci_bar_place(struct pci_fn *fn)
{
	gpa_t gpa;

	for (unsigned i = 0; i <= PCI_ROM; i++) {
		struct pci_bar *b = &fn->bar[i];
		struct region r = { .len = b->size, .ops = &region_ops, .dev = b, .name = "pci bar" };
		int err;

		if (b->mapped || !wanted(fn, i, &gpa))
			continue;
		r.base = gpa;
		err = bus_add(fn->host->mmio, &r);
		if (err) {
			log_guest("%s: BAR %u cannot be at 0x%llx: %s", fn->name, i, (unsigned long long)gpa, strerror(-err));
			continue;
		}
		b->gpa = gpa;
		b->mapped = true;
		if (fn->ops->bar_mapped)
			fn->ops->bar_mapped(fn, i, gpa, true);
	}
}
