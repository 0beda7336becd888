/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded cache of translations, set-associative. It holds only pages that translated, never failures. Invalidation is exact: after
 * iotlb_inv() no entry that the invalidation covers is left. The caller's lock protects it; no function allocates after iotlb_create().
 */
#ifndef NIDUS_IOTLB_H
#define NIDUS_IOTLB_H

#include "devices/viommu/s1.h"

struct iotlb;

struct iotlb_key {
	u32 dev;   /* a number per device, unique in the unit */
	u32 pasid; /* 0 for requests without */
	u32 tag;
};

/* An empty one. -ENOMEM. */
int iotlb_create(struct iotlb **out) __must_check;
/* NULL is allowed. */
void iotlb_destroy(struct iotlb *t);

/* A page that covers iova and allows the access. A write through one that is read-only, or whose D has not been set, is a miss. */
bool iotlb_find(const struct iotlb *t, const struct iotlb_key *k, iova_t iova, bool write, struct s1_xlat *out);
/* Adds or replaces. */
void iotlb_add(struct iotlb *t, const struct iotlb_key *k, iova_t iova, const struct s1_xlat *x);

/* Drops what the invalidation covers, maybe more. */
void iotlb_inv(struct iotlb *t, const struct s1_inv *inv);
/* Drops what (dev, pasid) has. */
void iotlb_drop(struct iotlb *t, u32 dev, u32 pasid);

#endif
