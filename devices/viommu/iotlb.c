/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "devices/viommu/iotlb.h"

#define SETS 256
#define WAYS 4

struct entry {
	iova_t base; /* aligned to 1 << shift */
	gpa_t gpa;
	struct iotlb_key key;
	u8 shift; /* 0: free */
	bool writable, dirty;
};

struct iotlb {
	unsigned live;        /* entries in use: an invalidation of an empty cache is free */
	u8 victim[SETS];
	struct entry e[SETS][WAYS];
};

static const u8 shifts[] = { 12, 21, 30 };

int iotlb_create(struct iotlb **out)
{
	struct iotlb *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	*out = t;
	return 0;
}

void iotlb_destroy(struct iotlb *t)
{
	free(t);
}

static unsigned set_of(const struct iotlb_key *k, iova_t iova, u8 shift)
{
	u64 h = (iova >> shift) ^ (u64)k->dev * 0x9e37 ^ (u64)k->pasid * 0x79b9 ^ (u64)shift << 3;

	return (unsigned)((h * 0x9e3779b97f4a7c15ULL) >> 56) % SETS;
}

static bool same_space(const struct entry *e, const struct iotlb_key *k)
{
	return e->key.dev == k->dev && e->key.pasid == k->pasid && e->key.tag == k->tag;
}

bool iotlb_find(const struct iotlb *t, const struct iotlb_key *k, iova_t iova, bool write, struct s1_xlat *out)
{
	for (unsigned i = 0; i < ARRAY_SIZE(shifts) && t->live; i++) {
		const struct entry *set = t->e[set_of(k, iova, shifts[i])];

		for (unsigned w = 0; w < WAYS; w++) {
			const struct entry *e = &set[w];

			if (e->shift != shifts[i] || e->base != ALIGN_DOWN(iova, BIT(e->shift)) || !same_space(e, k))
				continue;
			if (write && !(e->writable && e->dirty))
				return false;
			*out = (struct s1_xlat){ .gpa = e->gpa, .shift = e->shift, .writable = e->writable, .dirty = e->dirty };
			return true;
		}
	}
	return false;
}

void iotlb_add(struct iotlb *t, const struct iotlb_key *k, iova_t iova, const struct s1_xlat *x)
{
	unsigned set = set_of(k, iova, x->shift), way = WAYS;
	iova_t base = ALIGN_DOWN(iova, BIT(x->shift));

	for (unsigned w = 0; w < WAYS; w++) {
		const struct entry *e = &t->e[set][w];

		if (!e->shift) {
			way = way == WAYS ? w : way;
		} else if (e->shift == x->shift && e->base == base && same_space(e, k)) {
			way = w;
			break;
		}
	}
	if (way == WAYS)
		way = t->victim[set]++ % WAYS;
	t->live += !t->e[set][way].shift;
	t->e[set][way] = (struct entry){ .base = base, .gpa = x->gpa, .key = *k, .shift = x->shift, .writable = x->writable, .dirty = x->dirty };
}

static bool covers(const struct s1_inv *inv, const struct entry *e)
{
	u64 last = inv->addr + (inv->npages << 12) - 1;

	if (inv->scope == S1_INV_ALL)
		return true;
	if (e->key.tag != inv->tag)
		return false;
	if (inv->scope == S1_INV_TAG)
		return true;
	if (e->key.pasid != inv->pasid)
		return false;
	return inv->scope == S1_INV_PASID || (e->base <= last && e->base + (BIT(e->shift) - 1) >= inv->addr);
}

static void free_entry(struct iotlb *t, struct entry *e)
{
	e->shift = 0;
	t->live--;
}

void iotlb_inv(struct iotlb *t, const struct s1_inv *inv)
{
	struct entry *e = &t->e[0][0];

	for (unsigned i = 0; i < SETS * WAYS && t->live; i++) {
		if (e[i].shift && covers(inv, &e[i]))
			free_entry(t, &e[i]);
	}
}

void iotlb_drop(struct iotlb *t, u32 dev, u32 pasid)
{
	struct entry *e = &t->e[0][0];

	for (unsigned i = 0; i < SETS * WAYS && t->live; i++) {
		if (e[i].shift && e[i].key.dev == dev && e[i].key.pasid == pasid)
			free_entry(t, &e[i]);
	}
}
