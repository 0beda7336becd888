/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "acpi/iommu.h"
#include "devices/viommu/amdvi.h"
#include "devices/viommu/backend_iommufd.h"
#include "vmm/log.h"
#include "vmm/pci.h"
#include "vmm/report.h"
#include "vmm/units.h"
#include "vmm/vfio.h"

void units_init(struct units *u, const struct vm_config *c, const struct units_env *env)
{
	*u = (struct units){ .env = *env, .kind = c->viommu };
	/* VT-d needs no option in the guest and nothing of the host's CPU. */
	if (u->kind == VIOMMU_AUTO)
		u->kind = env->auto_kind ? env->auto_kind : VIOMMU_VTD;
}

void units_fini(struct units *u)
{
	for (unsigned i = 0; i < u->n; i++)
		viommu_destroy(u->unit[i].v);
	free(u->table);
	u->n = 0;
	u->table = NULL;
}

/* iommu: of the host, NULL: the software unit. d: a device behind that, NULL: nobody is to use the unit (show). */
static int create_unit(struct units *u, const char *iommu, const struct vfio_dev *d)
{
	struct unit *n = &u->unit[u->n];
	struct viommu_cfg cfg = {
		.kind = u->kind,
		.name = n->name,
		.base = u->env.base + (u64)u->n * viommu_mmio_len(u->kind),
		.mmio = u->env.mmio,
		.irq = u->env.irq,
		.ev = u->env.ev,
		.mem = u->env.mem,
		.haw = u->env.haw,
		.failed = u->env.failed,
		.failed_arg = u->env.failed_arg,
	};
	int err;

	if (u->n == UNITS_MAX)
		return -ENOSPC;
	*n = (struct unit){ .own = !iommu };
	snprintf(n->iommu, sizeof(n->iommu), "%s", iommu ? iommu : "");
	snprintf(n->name, sizeof(n->name), "viommu-%.15s", iommu ? iommu : "own");
	err = d ? backend_iommufd_create(d, &cfg.backend) : 0;
	if (!err)
		err = viommu_create(&cfg, &n->v);
	if (!err && u->kind == VIOMMU_AMDVI) {
		err = u->n < IVRS_MAX_UNITS ? amdvi_fn_create(n->v, u->env.pci, PCI_DEVFN(PCI_DEV_AMDVI, u->n)) : -ENOSPC;
		if (err)
			viommu_destroy(n->v);
	}
	u->n += !err;
	return err;
}

/* The unit for iommu, made if it is the first use of it. */
static int get_unit(struct units *u, const char *iommu, const struct vfio_dev *d, struct unit **out)
{
	for (unsigned i = 0; i < u->n; i++) {
		*out = &u->unit[i];
		if ((*out)->own == !iommu && (!iommu || strcmp((*out)->iommu, iommu) == 0))
			return 0;
	}
	*out = &u->unit[u->n];
	return u->kind == VIOMMU_OFF ? -ENODEV : create_unit(u, iommu, d);
}

/* The guest has reset the device: what the host refused meanwhile is tried again. */
static void resync(void *arg)
{
	struct unit_fn *a = arg;

	viommu_resync(a->v, a->fn);
}

static int watch_resets(struct units *u, struct viommu *v, struct pci_fn *fn, struct vfio_dev *d)
{
	struct unit_fn *a = &u->assigned[u->n_assigned];

	if (u->n_assigned == ARRAY_SIZE(u->assigned))
		return -ENOSPC;
	u->n_assigned++;
	*a = (struct unit_fn){ v, fn };
	return vfio_on_reset(d, resync, a);
}

int units_dma_for(const struct dev_ctx *ctx, struct pci_fn *fn, bool viommu, struct dma **dma)
{
	struct vfio_dev *d = vfio_of(fn);
	struct units *u = ctx->dma_arg;
	struct unit *n;
	int err;

	if (!viommu) {
		*dma = u->env.identity;
		return 0;
	}
	err = get_unit(u, d ? vfio_host_iommu(d) : NULL, d, &n);
	if (!err && d)
		err = watch_resets(u, n->v, fn, d);
	if (!err)
		err = viommu_add_fn(n->v, fn, dma);
	if (!err)
		log_info("%s is behind %s, whose tables are walked by %s", fn->name ? fn->name : "?", viommu_name(n->v),
			 d ? "the host's IOMMU" : "nidus itself");
	return err;
}

int units_stand_in(struct units *u, const char *iommu, struct pci_fn *fn, struct dma **dma)
{
	struct unit *n;
	int err = get_unit(u, iommu, NULL, &n);

	return err ? err : viommu_add_fn(n->v, fn, dma);
}

static int scopes_of(const struct unit *n, struct dmar_scope *scopes, struct dmar_unit *out)
{
	struct viommu_scope found[DMAR_MAX_SCOPES];

	*out = (struct dmar_unit){ .base = viommu_base(n->v), .scopes = scopes, .n_scopes = viommu_scopes(n->v, found, DMAR_MAX_SCOPES) };
	if (out->n_scopes > DMAR_MAX_SCOPES)
		return -EINVAL;
	for (unsigned i = 0; i < out->n_scopes; i++)
		scopes[i] = (struct dmar_scope){ .bridge = found[i].bridge, .bus = found[i].bus, .devfn = found[i].devfn };
	return 0;
}

static int dmar(struct units *u)
{
	struct dmar_scope scopes[UNITS_MAX][DMAR_MAX_SCOPES];
	struct dmar_unit unit[UNITS_MAX];
	int err = 0;

	for (unsigned i = 0; i < u->n && !err; i++)
		err = scopes_of(&u->unit[i], scopes[i], &unit[i]);
	return err ? err : dmar_build(u->env.haw, unit, u->n, &u->table, &u->table_len);
}

static int ivrs(struct units *u)
{
	u16 devs[IVRS_MAX_UNITS][IVRS_MAX_DEVS];
	struct ivrs_unit unit[IVRS_MAX_UNITS];

	for (unsigned i = 0; i < u->n; i++) {
		struct viommu_scope found[IVRS_MAX_DEVS];
		struct viommu *v = u->unit[i].v;

		unit[i] = (struct ivrs_unit){
			.sid = PCI_BDF(0, PCI_DEV_AMDVI, i), .cap = AMDVI_FN_CAP, .base = viommu_base(v), .efr = amdvi_efr(v), .efr2 = amdvi_efr2(v),
			.devs = devs[i], .n_devs = viommu_scopes(v, found, IVRS_MAX_DEVS),
		};
		for (unsigned k = 0; k < MIN(unit[i].n_devs, IVRS_MAX_DEVS); k++)
			devs[i][k] = found[k].sid;
	}
	return ivrs_build(u->env.haw, unit, u->n, &u->table, &u->table_len);
}

int units_table(struct units *u, struct acpi_blob *out)
{
	int err;

	*out = (struct acpi_blob){ 0 };
	if (!u->n)
		return 0;
	free(u->table);
	u->table = NULL;
	err = u->kind == VIOMMU_AMDVI ? ivrs(u) : dmar(u);
	if (!err)
		*out = (struct acpi_blob){ .data = u->table, .len = u->table_len };
	return err;
}

void units_reset(struct units *u)
{
	for (unsigned i = 0; i < u->n; i++)
		viommu_reset(u->unit[i].v);
}

/* who: "" for the unit. */
static void put_counters(struct report_obj *o, const char *who, const struct viommu_counters *c)
{
	const struct {
		const char *what;
		u64 n;
		bool unit_only;
	} rows[] = {
		{ "attaches", c->attaches, false }, { "pass_through", c->passes, false }, { "blocked", c->blocks, false },
		{ "invalidations", c->inv_in, false }, { "merged", c->inv_merged, true }, { "forwarded", c->inv_forwarded, true },
		{ "host_calls", c->inv_calls, true }, { "accesses", c->accesses, true }, { "faults", c->faults, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		char key[96];

		if (*who && rows[i].unit_only)
			continue;
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
	int err = 0;

	for (unsigned i = 0; i < u->n && !err; i++)
		err = report_section(r, viommu_name(u->unit[i].v), fill, u->unit[i].v);
	return err;
}
