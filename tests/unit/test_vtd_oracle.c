/* SPDX-License-Identifier: Apache-2.0 */
/* The oracle of viommu_oracle.h on the VT-d unit. */
#include "tests/unit/vtd_rig.h"
#include "tests/unit/viommu_oracle.h"

static void invalidate(u64 q0, u64 q1)
{
	guest_inv(&rig, q0, q1);
	assert_true(guest_waited(&rig));
}

static void all(void)
{
	invalidate(QI_IOTLB | 1 << 4, 0);
}

static void tag(u32 did)
{
	invalidate(QI_IOTLB | 2 << 4 | did << 16, 0);
}

static void of_pasid(u32 did, u32 pasid)
{
	invalidate(INV_PIOTLB(did, pasid), 0);
}

static void range(u32 did, u32 pasid, iova_t base, unsigned am)
{
	invalidate(INV_PAGE(did, pasid), base | am);
}

static void nothing(bool other)
{
	invalidate(other ? INV_PC_ALL : QI_CC | 1 << 4, 0);
}

static void set(struct space *s)
{
	guest_pe(&rig, s->dev, s->pasid, 0, 0, 0);
	invalidate(INV_PC(s->pasid), 0);
	guest_first(&rig, s->dev, s->pasid, s->did, PT(s->table));
	invalidate(INV_PC(s->pasid), 0);
}

static const struct oracle oracle = { all, tag, of_pasid, range, nothing, set };

int main(void)
{
	return oracle_main();
}
