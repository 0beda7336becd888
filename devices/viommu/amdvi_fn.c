/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AMD-Vi unit's PCI function: what a guest driver looks up by the IVHD's device id. It tells where the registers are and carries the unit's
 * MSI; the registers themselves are no BAR of it.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>

#include "devices/viommu/amdvi.h"
#include "vmm/pci.h"

#define MSI_CAP_LEN 14

struct amdvi_fn {
	struct pci_fn fn; /* first member */
	struct viommu *v;
	u16 msi;
};

static void cfg_write(struct pci_fn *fn, unsigned off, unsigned size, u32 val)
{
	struct amdvi_fn *a = CONTAINER_OF(fn, struct amdvi_fn, fn);
	const u8 *c = fn->cfg + a->msi;

	pci_cfg_write_plain(fn, off, size, val);
	if (range_overlaps(off, size, a->msi, MSI_CAP_LEN))
		amdvi_msi_set(a->v, get_le(c + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE, get_le(c + PCI_MSI_ADDRESS_LO, 8),
			      (u32)get_le(c + PCI_MSI_DATA_64, 2));
}

static void reset(struct pci_fn *fn)
{
	amdvi_msi_set(CONTAINER_OF(fn, struct amdvi_fn, fn)->v, false, 0, 0);
}

static void destroy(struct pci_fn *fn)
{
	pci_fn_fini(fn);
	free(CONTAINER_OF(fn, struct amdvi_fn, fn));
}

static const struct pci_fn_ops ops = { .cfg_write = cfg_write, .reset = reset, .destroy = destroy };

/* All of it is read-only: the registers' place is locked. */
static int add_iommu_cap(struct amdvi_fn *a)
{
	u64 base = viommu_base(a->v);
	int c = pci_add_cap_at(&a->fn, AMDVI_CAP_ID, AMDVI_FN_CAP, AMDVI_CAP_LEN);

	if (c < 0)
		return c;
	pci_cfg_set(&a->fn, AMDVI_FN_CAP + 2, 2, CAP_TYPE_REV | (CAP_EFRSUP | CAP_EXT) >> 16);
	pci_cfg_set(&a->fn, AMDVI_FN_CAP + 4, 8, base | CAP_BASE_ENABLE);
	/* Widths as in the IVRS: GVASize 48 bits, PASize, VASize 48 bits. */
	pci_cfg_set(&a->fn, AMDVI_FN_CAP + 16, 4, 2U << 5 | (u32)a->v->cfg.haw << 8 | 48U << 15);
	return 0;
}

static int add_msi(struct amdvi_fn *a)
{
	int c = pci_add_cap(&a->fn, PCI_CAP_ID_MSI, MSI_CAP_LEN);

	if (c < 0)
		return c;
	a->msi = (u16)c;
	pci_cfg_set(&a->fn, a->msi + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_64BIT);
	put_le(a->fn.wmask + a->msi + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	put_le(a->fn.wmask + a->msi + PCI_MSI_ADDRESS_LO, 8, ~3ULL);
	put_le(a->fn.wmask + a->msi + PCI_MSI_DATA_64, 2, 0xffff);
	return 0;
}

int amdvi_fn_create(struct viommu *v, struct pci_host *pci, u8 devfn)
{
	static const struct pci_ids ids = { .vendor = 0x1022, .device = 0x1419, .sub_vendor = 0x1af4, .sub_device = 0x1100, .class_rev = 0x080600 << 8 };
	struct amdvi_fn *a = calloc(1, sizeof(*a));
	int err = a ? pci_fn_init(&a->fn, &ops, &ids, viommu_name(v)) : -ENOMEM;

	if (err) {
		free(a);
		return err;
	}
	a->v = v;
	err = add_iommu_cap(a);
	if (!err)
		err = add_msi(a);
	/* More units are further functions of the same device. */
	pci_cfg_set(&a->fn, PCI_HEADER_TYPE, 1, 0x80);
	if (!err)
		err = pci_plug(pci, NULL, devfn, &a->fn);
	if (err) {
		pci_fn_fini(&a->fn);
		free(a);
		return err;
	}
	v->sid = pci_fn_sid(&a->fn);
	return 0;
}
