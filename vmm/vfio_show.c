/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/vfio_show.h"

#include <errno.h>
#include <stdlib.h>

#include "devices/devices.h"
#include "vmm/host_pci.h"
#include "vmm/pci.h"
#include "vmm/units.h"

struct stand_in {
	struct pci_fn fn;
	char name[HOST_NAME_LEN];
};

static void destroy(struct pci_fn *fn)
{
	struct stand_in *s = CONTAINER_OF(fn, struct stand_in, fn);

	pci_fn_fini(fn);
	free(s);
}

static const struct pci_fn_ops ops = { .destroy = destroy };

static int add_bars(struct stand_in *s, const char *sys, const char *bdf)
{
	struct host_pci_bar bar[HOST_PCI_BARS];
	int err = 0;

	/* Without sysfs there are none to show. */
	if (host_pci_bars(sys, bdf, bar))
		return 0;
	for (unsigned i = 0; i < HOST_PCI_BARS && !err; i++) {
		if (bar[i].size && !bar[i].io)
			err = pci_add_bar(&s->fn, i, bar[i].size, i < PCI_ROM && bar[i].is64, i < PCI_ROM && bar[i].prefetch);
	}
	return err;
}

static int plug(struct stand_in *s, const char *sys, const char *bdf, const struct dev_ctx *ctx)
{
	int dev = pci_free_dev(ctx->pci, PCI_DEV_ROOT_PORT), err = dev < 0 ? dev : add_bars(s, sys, bdf);
	struct pci_fn *port;

	if (!err)
		err = pci_root_port_create(ctx->pci, (unsigned)dev, &port);
	return err ? err : pci_plug(ctx->pci, port, 0, &s->fn);
}

static int show_one(const struct vm_config *c, const struct vfio_cfg *v, const char *sys, const struct dev_ctx *ctx, struct units *units)
{
	struct stand_in *s = calloc(1, sizeof(*s));
	struct host_pci h = { .group = -1 };
	struct pci_ids ids;
	int err;

	if (!s)
		return -ENOMEM;
	if (host_pci_read(sys, v->bdf, &h))
		h = (struct host_pci){ .group = -1 };
	ids = (struct pci_ids){ .vendor = h.vendor, .device = h.device, .class_rev = h.class << 8 };
	snprintf(s->name, sizeof(s->name), "%s", v->id ? v->id : v->bdf);
	err = pci_fn_init(&s->fn, &ops, &ids, s->name);
	if (err) {
		free(s);
		return err;
	}
	/* No released kernel nests AMD's tables: a device that is not told to be behind the unit is outside. */
	if (c->viommu != VIOMMU_OFF && (c->viommu == VIOMMU_AMDVI ? v->viommu == ON : v->viommu != OFF))
		err = units_stand_in(units, h.iommu, &s->fn, &s->fn.dma);
	if (!err)
		err = plug(s, sys, v->bdf, ctx);
	if (err)
		destroy(&s->fn);
	return err;
}

int vfio_show(const struct vm_config *c, const char *sys, const struct dev_ctx *ctx, struct units *units)
{
	int err = 0;

	for (unsigned i = 0; i < c->n_vfios && !err; i++)
		err = show_one(c, &c->vfios[i], sys, ctx, units);
	return err;
}
