/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables that tell a guest of its IOMMUs. Pure: a description in, bytes out.
 */
#ifndef NIDUS_ACPI_IOMMU_H
#define NIDUS_ACPI_IOMMU_H

#include "vmm/bits.h"

#define DMAR_MAX_UNITS 16
#define DMAR_MAX_SCOPES 64 /* per unit */

/* One device scope: a function, or all that is below a root port. The start bus is the bus of the function or port itself, 0 here. */
struct dmar_scope {
	bool bridge;
	u8 bus, devfn;
};

/* INCLUDE_PCI_ALL is never set: a device in no scope has no IOMMU, and that must hold for those that are to be outside. */
struct dmar_unit {
	gpa_t base; /* of its registers; 4 KiB aligned */
	const struct dmar_scope *scopes;
	unsigned n_scopes; /* 1 to DMAR_MAX_SCOPES: Linux ignores a unit without a device */
};

/*
 * The DMAR table (VT-d specification chapter 8) for n units (1 to DMAR_MAX_UNITS). haw: guest physical address width in bits, 12 to 64. The bytes
 * are the caller's to free(). -EINVAL, -ENOMEM.
 */
int dmar_build(u8 haw, const struct dmar_unit *units, unsigned n, u8 **data, u32 *len) __must_check;

#define IVRS_MAX_UNITS 8
#define IVRS_MAX_DEVS 64 /* per unit */

/* A unit is a PCI function itself. A device that no unit lists has no IOMMU. */
struct ivrs_unit {
	u16 sid;        /* its requester id */
	u16 cap;        /* offset of its IOMMU capability in config space */
	gpa_t base;     /* of its registers; 16 KiB aligned */
	u64 efr, efr2;  /* what its feature registers read */
	const u16 *devs; /* requester ids */
	unsigned n_devs; /* 1 to IVRS_MAX_DEVS */
};

/*
 * The IVRS table (AMD IOMMU specification chapter 5) for n units (1 to IVRS_MAX_UNITS), each one IVHD of type 11h whose attributes say HATDis: no
 * host page tables. haw, the bytes and results as with dmar_build().
 */
int ivrs_build(u8 haw, const struct ivrs_unit *units, unsigned n, u8 **data, u32 *len) __must_check;

#endif
