/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/viommu/backend_iommufd_priv.h"

#include <errno.h>
#include <stdlib.h>

/* VT-d 4.1 sections 11.4.2 and 11.4.3 */
#define CAP_MGAW GENMASK(21, 16) /* width of input addresses less one; nested ones too */
#define CAP_FL1GP BIT(56)
#define ECAP_SC BIT(7)
#define ECAP_SRS BIT(31)
#define ECAP_SMPWC BIT(48)

/*
 * A longer range is told as everything: it costs hardware no more, and QEMU's VT-d, where that is the host's, takes no mask beyond 18. Its
 * driver hears of that only after it has said that all went well.
 */
#define MAX_RANGE_PAGES BIT(18)

/* Four levels and no PASIDs, whatever the host offers beyond. One configuration a device also bounds the nested tables of a VM. */
static void vtd_caps(const struct iommufd_hw *hw, struct s1_caps *caps)
{
	*caps = (struct s1_caps){
		.page_1g = hw->vtd.cap & CAP_FL1GP,
		.coherent_walk = hw->vtd.ecap & ECAP_SMPWC,
		.snoop = hw->vtd.ecap & ECAP_SC,
		.supervisor = hw->vtd.ecap & ECAP_SRS,
		.iova_bits = (u8)MIN(48, FIELD_GET(CAP_MGAW, hw->vtd.cap) + 1),
		.max_configs = 1,
	};
}

static void nested_probe(void *be, struct s1_caps *caps)
{
	*caps = ((struct nested *)be)->caps;
}

/* May a device with these sit behind a unit that offers those? */
static bool covers(const struct s1_caps *has, const struct s1_caps *need)
{
	return has->page_1g >= need->page_1g && has->coherent_walk >= need->coherent_walk && has->snoop >= need->snoop &&
	       has->supervisor >= need->supervisor && has->iova_bits >= need->iova_bits;
}

static int nested_dev_add(void *be, struct pci_fn *fn, struct s1_dev **dev)
{
	struct nested *b = be;
	struct vfio_dev *d = vfio_of(fn);
	struct s1_caps caps;
	struct s1_dev *s;
	int err;

	if (!d || !vfio_parent(d))
		return -ENODEV;
	b->kind->caps(vfio_hw(d), &caps);
	if (!covers(&caps, &b->caps))
		return -EOPNOTSUPP;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	err = vfio_detach(d);
	if (err) {
		free(s);
		return err;
	}
	s->d = d;
	s->fn = fn;
	s->next = b->devs;
	b->devs = s;
	*dev = s;
	return 0;
}

/* Nothing uses the nested table any more. What cannot be destroyed now goes when the iommufd is closed. */
static void drop_table(struct nested *b, struct s1_dev *s)
{
	if (s->hwpt)
		(void)!iommufd_destroy(b->f, s->hwpt);
	s->hwpt = 0;
}

static int block(struct nested *b, struct s1_dev *s)
{
	int err = vfio_detach(s->d);

	if (!err) {
		drop_table(b, s);
		return 0;
	}
	vfio_cut(s->d);
	/* Busy would mean that the host keeps it blocked, and try again later: here it is not blocked. */
	return err == -EBUSY ? -EIO : err;
}

static void nested_dev_del(void *be, struct s1_dev *dev)
{
	struct nested *b = be;
	struct s1_dev **p = &b->devs;

	(void)block(b, dev);
	if (b->kind->dev_fini)
		b->kind->dev_fini(b, dev);
	while (*p != dev)
		p = &(*p)->next;
	*p = dev->next;
	free(dev);
}

static int vtd_table(struct nested *b, struct s1_dev *s, const struct s1_config *cfg, u32 *hwpt)
{
	const struct s1_table *t = &cfg->table;
	struct iommufd_vtd_s1 s1 = {
		/* The kernel puts these bits into its PASID entry as they are: no low bit may be set. */
		.pgtbl_addr = ALIGN_DOWN(t->root, KiB(4)),
		.addr_width = t->levels == 5 ? 57 : 48,
		.flags = (t->supervisor ? IOMMUFD_VTD_S1_SRE : 0) | (t->write_protect ? IOMMUFD_VTD_S1_WPE : 0) |
			 (t->extended_access ? IOMMUFD_VTD_S1_EAFE : 0),
	};
	int err = iommufd_vtd_s1_alloc(b->f, vfio_dev_id(s->d), vfio_parent(s->d), &s1, hwpt);

	if (err)
		return err;
	err = vfio_attach(s->d, *hwpt);
	if (err)
		(void)!iommufd_destroy(b->f, *hwpt);
	return err;
}

static int set_table(struct nested *b, struct s1_dev *s, const struct s1_config *cfg)
{
	u32 hwpt;
	int err = b->kind->table(b, s, cfg, &hwpt);

	if (err)
		return err;
	drop_table(b, s);
	s->hwpt = hwpt;
	s->tag = cfg->tag;
	return 0;
}

/* Where tables do not take each other's place in one step. */
static int leave_table(struct nested *b, struct s1_dev *s)
{
	int err = b->kind->detach_first && s->hwpt ? vfio_detach(s->d) : 0;

	if (!err && b->kind->detach_first)
		drop_table(b, s);
	return err;
}

/* Whatever fails, the device is detached before this returns: also where the host is resetting it and would bring the old table back. */
static int nested_set(void *be, struct s1_dev *dev, u32 pasid, const struct s1_config *cfg)
{
	struct nested *b = be;
	int err, blocked;

	if (pasid != DMA_NO_PASID)
		return cfg->kind == S1_BLOCK ? 0 : -EINVAL;
	if (cfg->kind == S1_BLOCK)
		return block(b, dev);
	err = leave_table(b, dev);
	if (!err && cfg->kind == S1_TABLE) {
		err = set_table(b, dev, cfg);
	} else if (!err) {
		err = vfio_attach(dev->d, vfio_parent(dev->d));
		if (!err)
			drop_table(b, dev);
	}
	if (!err)
		return 0;
	blocked = block(b, dev);
	return blocked ? blocked : err;
}

/* --- invalidations --- */

bool nested_concerns(const struct s1_dev *s, const struct s1_inv *v)
{
	if (!s->hwpt)
		return false;
	if (v->scope == S1_INV_ALL)
		return true;
	/* Of the PASIDs only the entry of requests without one is in use. */
	return v->tag == s->tag && (v->scope == S1_INV_TAG || v->pasid == 0);
}

/* The entries for one table; everything else goes into one that covers all. */
static unsigned convert(const struct s1_dev *s, const struct s1_inv *invs, unsigned n, struct iommufd_vtd_s1_inv *out)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct s1_inv *v = &invs[i];

		if (!nested_concerns(s, v))
			continue;
		if (v->scope != S1_INV_RANGE || v->npages > MAX_RANGE_PAGES) {
			out[0] = (struct iommufd_vtd_s1_inv){ .npages = ~0ULL };
			return 1;
		}
		out[k++] = (struct iommufd_vtd_s1_inv){ .addr = v->addr, .npages = v->npages, .flags = v->leaf ? IOMMUFD_VTD_S1_INV_LEAF : 0 };
	}
	return k;
}

static int vtd_inv(struct nested *b, const struct s1_inv *invs, unsigned n, unsigned *calls)
{
	struct iommufd_vtd_s1_inv out[NESTED_RUN];
	int err = 0;

	for (struct s1_dev *s = b->devs; s && !err; s = s->next) {
		unsigned done, k = convert(s, invs, n, out);

		if (!k)
			continue;
		err = iommufd_vtd_s1_inv(b->f, s->hwpt, out, k, &done);
		(*calls)++;
	}
	return err;
}

static int nested_inv(void *be, const struct s1_inv *invs, unsigned n, unsigned *done, unsigned *calls)
{
	struct nested *b = be;
	int err = 0;

	for (*done = 0; *done < n && !err;) {
		unsigned run = MIN(n - *done, (unsigned)NESTED_RUN);

		err = b->kind->inv(b, invs + *done, run, calls);
		if (!err)
			*done += run;
	}
	return err;
}

static void nested_destroy(void *be)
{
	struct nested *b = be;

	if (b->kind->fini)
		b->kind->fini(b);
	free(b);
}

static const struct nested_kind nested_vtd = { .caps = vtd_caps, .table = vtd_table, .inv = vtd_inv };

static const struct s1_backend_ops nested_ops = {
	.probe = nested_probe,
	.dev_add = nested_dev_add,
	.dev_del = nested_dev_del,
	.set = nested_set,
	.inv = nested_inv,
	.destroy = nested_destroy,
};

int backend_iommufd_create(const struct vfio_dev *first, struct s1_backend *out)
{
	struct nested *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->f = vfio_iommufd(first);
	b->kind = vfio_hw(first)->type == IOMMUFD_HW_AMD ? &nested_amd : &nested_vtd;
	b->kind->caps(vfio_hw(first), &b->caps);
	*out = (struct s1_backend){ .ops = &nested_ops, .be = b };
	return 0;
}
