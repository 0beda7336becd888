/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The software backend: first-stage tables walked in the VMM, for the VMM's own devices. State beside the cache is held by the unit, which
 * gives the configuration with every request, so set() has only to drop what was cached under the old one.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "devices/viommu/iotlb.h"
#include "devices/viommu/x86_walk.h"
#include "vmm/mem.h"

struct s1_dev {
	u32 id;
};

struct soft {
	pthread_mutex_t lock; /* the cache; leaf */
	const struct mem *mem;
	struct iotlb *tlb;
	u32 next_id;
	u8 haw;
};

static void soft_probe(void *be, struct s1_caps *caps)
{
	*caps = (struct s1_caps){
		.software = true,
		.page_1g = true,
		.coherent_walk = true,
		.snoop = true,
		.iova_bits = 48,
		.pasid_bits = 20,
		.max_configs = 64,
	};
}

static int soft_dev_add(void *be, struct pci_fn *fn, struct s1_dev **dev)
{
	struct soft *b = be;
	struct s1_dev *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->id = b->next_id++;
	*dev = d;
	return 0;
}

static u32 entry_pasid(u32 pasid)
{
	return pasid == DMA_NO_PASID ? 0 : pasid;
}

static void soft_dev_del(void *be, struct s1_dev *dev)
{
	free(dev);
}

static int soft_set(void *be, struct s1_dev *dev, u32 pasid, const struct s1_config *cfg)
{
	struct soft *b = be;

	pthread_mutex_lock(&b->lock);
	iotlb_drop(b->tlb, dev->id, entry_pasid(pasid));
	pthread_mutex_unlock(&b->lock);
	return 0;
}

static int soft_inv(void *be, const struct s1_inv *invs, unsigned n, unsigned *done, unsigned *calls)
{
	struct soft *b = be;

	pthread_mutex_lock(&b->lock);
	for (unsigned i = 0; i < n; i++)
		iotlb_inv(b->tlb, &invs[i]);
	pthread_mutex_unlock(&b->lock);
	*done = n;
	return 0;
}

/* The walk runs under the cache's lock: an invalidation either precedes it or finds the entry that it added. */
static enum s1_fault_kind soft_translate(void *be, struct s1_dev *dev, u32 pasid, const struct s1_config *cfg, iova_t iova, bool write,
					 struct s1_xlat *out)
{
	struct soft *b = be;
	struct iotlb_key key = { .dev = dev->id, .pasid = entry_pasid(pasid), .tag = cfg->tag };
	struct x86_walk walk = { .mem = b->mem, .table = &cfg->table, .haw = b->haw, .page_1g = true };
	enum s1_fault_kind why = S1_FAULT_NONE;

	pthread_mutex_lock(&b->lock);
	if (!iotlb_find(b->tlb, &key, iova, write, out)) {
		why = x86_walk(&walk, iova, write, out);
		if (!why)
			iotlb_add(b->tlb, &key, iova, out);
	}
	pthread_mutex_unlock(&b->lock);
	return why;
}

static void soft_destroy(void *be)
{
	struct soft *b = be;

	iotlb_destroy(b->tlb);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static const struct s1_backend_ops soft_ops = {
	.probe = soft_probe,
	.dev_add = soft_dev_add,
	.dev_del = soft_dev_del,
	.set = soft_set,
	.inv = soft_inv,
	.translate = soft_translate,
	.destroy = soft_destroy,
};

int backend_soft_create(const struct mem *mem, u8 haw, struct s1_backend *out)
{
	struct soft *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return -ENOMEM;
	err = iotlb_create(&b->tlb);
	if (err) {
		free(b);
		return err;
	}
	pthread_mutex_init(&b->lock, NULL);
	b->mem = mem;
	b->haw = haw;
	*out = (struct s1_backend){ .ops = &soft_ops, .be = b };
	return 0;
}
