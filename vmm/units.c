/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "acpi/iommu.h"
#include "vmm/pci.h"
#include "vmm/report.h"
#include "vmm/units.h"

void units_init(struct units *u, const struct vm_config *c, const struct units_env *env)
{
	*u = (struct units){ .env = *env, .kind = c->viommu };
	/* VT-d needs no option in the guest and nothing of the host's CPU. */
	if (u->kind == VIOMMU_AUTO)
		u->kind = VIOMMU_VTD;
}

void units_fini(struct units *u)
{
	viommu_destroy(u->own);
	free(u->table);
	u->own = NULL;
	u->table = NULL;
}

static int create_own(struct units *u)
{
	const struct viommu_cfg cfg = {
		.kind = u->kind,
		.name = "viommu-own",
		.base = u->env.base,
		.mmio = u->env.mmio,
		.irq = u->env.irq,
		.ev = u->env.ev,
		.mem = u->env.mem,
		.haw = u->env.haw,
		.failed = u->env.failed,
		.failed_arg = u->env.failed_arg,
	};

	return viommu_create(&cfg, &u->own);
}

int units_dma_for(const struct dev_ctx *ctx, struct pci_fn *fn, bool viommu, struct dma **dma)
{
	struct units *u = ctx->dma_arg;
	int err = 0;

	if (!viommu) {
		*dma = u->env.identity;
		return 0;
	}
	if (u->kind == VIOMMU_OFF)
		return -ENODEV;
	if (!u->own)
		err = create_own(u);
	return err ? err : viommu_add_fn(u->own, fn, dma);
}

int units_table(struct units *u, struct acpi_blob *out)
{
	struct viommu_scope found[DMAR_MAX_SCOPES];
	struct dmar_scope scopes[DMAR_MAX_SCOPES];
	struct dmar_unit unit = { .scopes = scopes };
	int err;

	*out = (struct acpi_blob){ 0 };
	if (!u->own)
		return 0;
	unit.base = viommu_base(u->own);
	unit.n_scopes = viommu_scopes(u->own, found, DMAR_MAX_SCOPES);
	if (unit.n_scopes > DMAR_MAX_SCOPES)
		return -EINVAL;
	for (unsigned i = 0; i < unit.n_scopes; i++)
		scopes[i] = (struct dmar_scope){ .bridge = found[i].bridge, .bus = found[i].bus, .devfn = found[i].devfn };
	free(u->table);
	u->table = NULL;
	err = dmar_build(u->env.haw, &unit, 1, &u->table, &u->table_len);
	if (!err)
		*out = (struct acpi_blob){ .data = u->table, .len = u->table_len };
	return err;
}

void units_reset(struct units *u)
{
	if (u->own)
		viommu_reset(u->own);
}

static void put_counters(struct report_obj *o, const char *who, const struct viommu_counters *c)
{
	const struct {
		const char *what;
		u64 n;
	} rows[] = { { "attaches", c->attaches }, { "invalidations", c->inv_in }, { "merged", c->inv_merged }, { "forwarded", c->inv_forwarded }, { "faults", c->faults } };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		char key[96];

		snprintf(key, sizeof(key), "%s%s%s", who, *who ? "." : "", rows[i].what);
		report_u64(o, key, rows[i].n);
	}
}

static void fill(void *arg, struct report_obj *o)
{
	struct viommu *v = arg;
	struct viommu_counters c;
	struct pci_fn *fn;

	viommu_count(v, &c);
	put_counters(o, "", &c);
	for (unsigned i = 0; viommu_count_fn(v, i, &fn, &c); i++)
		put_counters(o, fn->name, &c);
}

int units_report(struct units *u, struct report *r)
{
	return u->own ? report_section(r, viommu_name(u->own), fill, u->own) : 0;
}
