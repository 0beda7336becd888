/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "acpi/aml.h"
#include "acpi/iommu.h"

/* VT-d specification 8.1, 8.3, 8.3.1. */
#define DMAR_REVISION 1
#define DMAR_DRHD 0
#define DRHD_LEN 16
#define SCOPE_ENDPOINT 1
#define SCOPE_BRIDGE 2
#define SCOPE_LEN 8 /* with a path of one hop */

static int check(u8 haw, const struct dmar_unit *units, unsigned n)
{
	if (haw < 12 || haw > 64 || n < 1 || n > DMAR_MAX_UNITS)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		if (!IS_ALIGNED(units[i].base, 4096) || units[i].n_scopes < 1 || units[i].n_scopes > DMAR_MAX_SCOPES)
			return -EINVAL;
	}
	return 0;
}

static void add_scope(struct aml *a, const struct dmar_scope *s)
{
	aml_int(a, 1, s->bridge ? SCOPE_BRIDGE : SCOPE_ENDPOINT);
	aml_int(a, 1, SCOPE_LEN);
	aml_int(a, 2, 0); /* flags, reserved */
	aml_int(a, 1, 0); /* enumeration id: of IOAPICs and HPETs only */
	aml_int(a, 1, s->bus);
	aml_int(a, 1, s->devfn >> 3);
	aml_int(a, 1, s->devfn & 7);
}

static void add_drhd(struct aml *a, const struct dmar_unit *u)
{
	aml_int(a, 2, DMAR_DRHD);
	aml_int(a, 2, DRHD_LEN + SCOPE_LEN * u->n_scopes);
	aml_int(a, 1, 0); /* no INCLUDE_PCI_ALL */
	aml_int(a, 1, 0); /* one 4 KiB page of registers */
	aml_int(a, 2, 0); /* segment */
	aml_int(a, 8, u->base);
	for (unsigned i = 0; i < u->n_scopes; i++)
		add_scope(a, &u->scopes[i]);
}

int dmar_build(u8 haw, const struct dmar_unit *units, unsigned n, u8 **data, u32 *len)
{
	struct aml a;
	int err = check(haw, units, n);

	if (err)
		return err;
	aml_init(&a);
	aml_table(&a, "DMAR", DMAR_REVISION);
	aml_int(&a, 1, haw - 1U);
	aml_int(&a, 1, 0); /* flags: no interrupt remapping, no opt-in, no opt-out */
	aml_int(&a, 8, 0);
	aml_int(&a, 2, 0);
	for (unsigned i = 0; i < n; i++)
		add_drhd(&a, &units[i]);
	err = aml_finish(&a, data, len);
	aml_fini(&a);
	return err;
}

/* AMD IOMMU specification 5.2: IVinfo, IVHD type 11h, device entries of 4 bytes. */
#define IVRS_REVISION 2
#define IVINFO_EFRSUP BIT(0)
#define IVINFO_GVA_48 (2U << 5)
#define IVINFO_VA_48 (48U << 15)
#define IVHD_11 0x11
#define IVHD_COHERENT BIT(5)
#define IVHD_LEN 40
#define IVHD_HATDIS BIT(0)
#define IVHD_SELECT 2
#define IVHD_SELECT_LEN 4

static int check_ivrs(u8 haw, const struct ivrs_unit *units, unsigned n)
{
	if (haw < 12 || haw > 64 || n < 1 || n > IVRS_MAX_UNITS)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		if (!IS_ALIGNED(units[i].base, KiB(16)) || units[i].n_devs < 1 || units[i].n_devs > IVRS_MAX_DEVS)
			return -EINVAL;
	}
	return 0;
}

static void add_ivhd(struct aml *a, const struct ivrs_unit *u)
{
	aml_int(a, 1, IVHD_11);
	aml_int(a, 1, IVHD_COHERENT);
	aml_int(a, 2, IVHD_LEN + IVHD_SELECT_LEN * u->n_devs);
	aml_int(a, 2, u->sid);
	aml_int(a, 2, u->cap);
	aml_int(a, 8, u->base);
	aml_int(a, 2, 0); /* segment */
	aml_int(a, 2, 0); /* MSI number, unit id */
	aml_int(a, 4, IVHD_HATDIS);
	aml_int(a, 8, u->efr);
	aml_int(a, 8, u->efr2);
	for (unsigned i = 0; i < u->n_devs; i++) {
		aml_int(a, 1, IVHD_SELECT);
		aml_int(a, 2, u->devs[i]);
		aml_int(a, 1, 0); /* no interrupt passes untouched: there is no remapping */
	}
}

int ivrs_build(u8 haw, const struct ivrs_unit *units, unsigned n, u8 **data, u32 *len)
{
	struct aml a;
	int err = check_ivrs(haw, units, n);

	if (err)
		return err;
	aml_init(&a);
	aml_table(&a, "IVRS", IVRS_REVISION);
	aml_int(&a, 4, IVINFO_EFRSUP | IVINFO_GVA_48 | (u64)haw << 8 | IVINFO_VA_48);
	aml_int(&a, 8, 0);
	for (unsigned i = 0; i < n; i++)
		add_ivhd(&a, &units[i]);
	err = aml_finish(&a, data, len);
	aml_fini(&a);
	return err;
}
