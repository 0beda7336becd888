/* SPDX-License-Identifier: Apache-2.0 */
/* The text of `nidus show pci`. */
#include "vmm/pci_priv.h"

static void show_window(FILE *f, const char *name, const struct pci_window *w)
{
	if (w->base <= w->last)
		fprintf(f, " %s 0x%llx-0x%llx", name, (unsigned long long)w->base, (unsigned long long)w->last);
}

static void show_fn(struct pci_fn *fn, void *arg)
{
	u16 sid = pci_fn_sid(fn);
	FILE *f = arg;

	pthread_mutex_lock(&fn->lock);
	fprintf(f, "%02x:%02x.%x %04x:%04x class %06x %s", sid >> 8, sid >> 3 & 0x1f, sid & 7, pci_cfg16(fn, PCI_VENDOR_ID),
		pci_cfg16(fn, PCI_DEVICE_ID), (unsigned)(get_le(fn->cfg + PCI_CLASS_REVISION, 4) >> 8), fn->name);
	if (fn->bridge) {
		struct pci_window mem, pref;

		pci_bridge_windows(fn, &mem, &pref);
		fprintf(f, ", bus %02x-%02x", fn->cfg[PCI_SECONDARY_BUS], fn->cfg[PCI_SUBORDINATE_BUS]);
		show_window(f, "mem", &mem);
		show_window(f, "pref", &pref);
	}
	for (unsigned i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *b = &fn->bar[i];

		if (b->size)
			fprintf(f, ", bar%u 0x%llx+0x%llx %s%s", i, (unsigned long long)pci_bar_addr(fn, i), (unsigned long long)b->size,
				b->is64 ? "64" : "32", b->prefetch ? " pref" : "");
	}
	if (fn->bar[PCI_ROM].size)
		fprintf(f, ", rom 0x%llx+0x%llx", (unsigned long long)pci_bar_addr(fn, PCI_ROM), (unsigned long long)fn->bar[PCI_ROM].size);
	if (fn->msix.n)
		fprintf(f, ", msix %u", fn->msix.n);
	fputc('\n', f);
	pthread_mutex_unlock(&fn->lock);
}

void pci_show(struct pci_host *h, FILE *f)
{
	pci_for_each(h, show_fn, f);
}
