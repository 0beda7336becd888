/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AMD's side of the nested backend: a device table entry made by amdvi_decode.c becomes a nested HWPT on the unit's vIOMMU object.
 *
 * The kernel's code for this is new, and known to keep a domain too long where one nested table replaces another or the parent. So a device
 * always goes the same way: detached, then the parent, then the table; and from a table only to detached, which is also what flushes all
 * that the parent's IOMMU caches for it. A table is destroyed after that.
 */
#include <errno.h>

#include "devices/viommu/amdvi_regs.h"
#include "devices/viommu/backend_iommufd_priv.h"
#include "vmm/pci.h"

static void amd_caps(const struct iommufd_hw *hw, struct s1_caps *caps)
{
	/* Four levels and no PASIDs, whatever the host offers beyond; iommufd_cannot_nest() has seen to what is needed. */
	*caps = (struct s1_caps){ .page_1g = true, .coherent_walk = true, .snoop = true, .iova_bits = 48, .max_configs = 1 };
}

/* The guest may have renumbered its buses since the last table. */
static int name_device(struct nested *b, struct s1_dev *s)
{
	u16 sid = pci_fn_sid(s->fn);
	int err = 0;

	if (s->vdev && s->virt_id == sid)
		return 0;
	if (s->vdev)
		err = iommufd_destroy(b->f, s->vdev);
	if (err)
		return err;
	s->vdev = 0;
	s->virt_id = sid;
	return iommufd_vdevice_alloc(b->f, b->viommu, vfio_dev_id(s->d), sid, &s->vdev);
}

static int amd_table(struct nested *b, struct s1_dev *s, const struct s1_config *cfg, u32 *hwpt)
{
	int err = b->viommu ? 0 : iommufd_viommu_alloc(b->f, IOMMUFD_VIOMMU_AMD, vfio_dev_id(s->d), vfio_parent(s->d), &b->viommu);

	if (!err)
		err = name_device(b, s);
	if (!err)
		err = iommufd_amd_s1_alloc(b->f, vfio_dev_id(s->d), b->viommu, cfg->table.raw, hwpt);
	if (err)
		return err;
	err = vfio_attach(s->d, vfio_parent(s->d));
	if (!err)
		err = vfio_attach(s->d, *hwpt);
	if (err)
		(void)!iommufd_destroy(b->f, *hwpt);
	return err;
}

/* S: the lowest 0 bit of the address says how large the range is. */
static u64 range_of(const struct s1_inv *v)
{
	const u64 all = GENMASK(62, 12) | CMD1_S;

	if (v->scope != S1_INV_RANGE || v->npages >= BIT(39))
		return all;
	return v->npages == 1 ? v->addr : v->addr | ((v->npages << 11) - 4096) | CMD1_S;
}

/*
 * The guest's command rebuilt: domain, PASID, range. The kernel translates the domain. Where all PASIDs are meant, everything of the domain
 * is retired in the way that Linux itself does it, without GN.
 */
static void command(const struct s1_inv *v, u32 tag, struct iommufd_amd_inv *out)
{
	bool one_pasid = v->scope == S1_INV_PASID || v->scope == S1_INV_RANGE;

	out->qw[0] = FIELD_PREP(CMD_OP, CMD_INV_PAGES) | FIELD_PREP(CMD_DOMID, tag) | (one_pasid ? FIELD_PREP(CMD_PASID, v->pasid) : 0);
	out->qw[1] = range_of(v) | CMD1_PDE | (one_pasid ? CMD1_GN : 0);
}

static int amd_inv(struct nested *b, const struct s1_inv *invs, unsigned n, unsigned *calls)
{
	struct iommufd_amd_inv out[NESTED_RUN];
	unsigned k = 0, done;
	int err = 0;

	for (unsigned i = 0; i < n && !err; i++) {
		for (struct s1_dev *s = b->devs; s && !err; s = s->next) {
			if (!nested_concerns(s, &invs[i]))
				continue;
			if (k == NESTED_RUN) {
				err = iommufd_amd_invalidate(b->f, b->viommu, out, k, &done);
				(*calls)++;
				k = 0;
			}
			command(&invs[i], s->tag, &out[k++]);
			/* One command is for every device of the domain. */
			if (invs[i].scope != S1_INV_ALL)
				break;
		}
	}
	if (err || !k)
		return err;
	(*calls)++;
	return iommufd_amd_invalidate(b->f, b->viommu, out, k, &done);
}

static void amd_dev_fini(struct nested *b, struct s1_dev *s)
{
	if (s->vdev)
		(void)!iommufd_destroy(b->f, s->vdev);
	s->vdev = 0;
}

static void amd_fini(struct nested *b)
{
	if (b->viommu)
		(void)!iommufd_destroy(b->f, b->viommu);
	b->viommu = 0;
}

const struct nested_kind nested_amd = {
	.caps = amd_caps,
	.table = amd_table,
	.inv = amd_inv,
	.dev_fini = amd_dev_fini,
	.fini = amd_fini,
	.detach_first = true,
};
