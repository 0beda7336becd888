/* SPDX-License-Identifier: Apache-2.0 */
/* The oracle of viommu_oracle.h on the VT-d unit. */
#include "tests/unit/viommu_oracle.h"
#include "tests/unit/vtd_rig.h"

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

static void test_random_stream_agrees_with_a_walk_without_cache(void **state)
{
	oracle_run();
}

static int setup(void **state)
{
	log_set_level(LOG_ERROR);
	rig_init(&rig, NULL);
	guest_structures(&rig);
	guest_up(&rig);
	oracle_init();
	return 0;
}

static int teardown(void **state)
{
	rig_fini(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_stream_agrees_with_a_walk_without_cache, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
