/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/vtd_rig.h"
#include "tests/unit/viommu_bench.h"

static int setup_fake(void **state)
{
	return setup_fake_of(8, 0);
}

static void test_vtd_bad_42_reset_gives_pass_through_and_reset_registers(void **state)
{
	guest_up_with_pages(&rig);
	fake_clear(&fake);
	viommu_reset(rig.v);
	assert_string_equal(fake.log, "iPPPP");
	assert_int_equal(rd(&rig, VTD_GSTS, 4), 0);
	assert_int_equal(rd(&rig, VTD_RTADDR, 8), 0);
	assert_int_equal(rd(&rig, VTD_IQA, 8), 0);
	assert_int_equal(rd(&rig, VTD_FECTL, 4), 0x80000000);
	assert_int_equal(rd(&rig, VTD_CAP, 8) & CAP_SAGAW, 0);
	assert_int_not_equal(rd(&rig, VTD_CAP, 8), 0);
}

static void test_counters_tell_unit_and_device(void **state)
{
	struct viommu_counters c;
	struct pci_fn *fn;
	u64 was;

	guest_up_with_pages(&rig);
	viommu_count(rig.v, &c);
	was = c.accesses;
	rd(&rig, VTD_CAP, 8);
	wr(&rig, VTD_FEDATA, 4, 1);
	viommu_count(rig.v, &c);
	assert_int_equal(c.accesses, was + 2);
	assert_int_equal(try_dma(&rig, 1, DMA_NO_PASID, 0x6000), FR_FS_P);
	guest_inv(&rig, INV_PIOTLB(8, 0), 0);
	viommu_count(rig.v, &c);
	assert_int_equal(c.attaches, 2);
	assert_int_equal(c.faults, 1);
	assert_int_equal(c.inv_in, 1);
	assert_true(viommu_count_fn(rig.v, 1, &fn, &c));
	assert_ptr_equal(fn, &rig.fn[1]);
	assert_int_equal(c.faults, 1);
	assert_int_equal(c.inv_in, 1);
	assert_true(viommu_count_fn(rig.v, 0, &fn, &c));
	assert_int_equal(c.faults, 0);
	assert_int_equal(c.inv_in, 0);
	assert_false(viommu_count_fn(rig.v, RIG_FNS, &fn, &c));
}

static void test_scopes_name_function_or_its_root_port(void **state)
{
	struct viommu_scope s[RIG_FNS];
	struct pci_fn port = { .devfn = PCI_DEVFN(16, 0) };

	rig.fn[2].parent = &port;
	assert_int_equal(viommu_scopes(rig.v, s, 3), RIG_FNS);
	assert_false(s[0].bridge);
	assert_int_equal(s[0].devfn, PCI_DEVFN(1, 0));
	assert_true(s[2].bridge);
	assert_int_equal(s[2].devfn, PCI_DEVFN(16, 0));
	rig.fn[2].parent = NULL;
}

static void test_create_bad_arguments_leave_nothing(void **state)
{
	struct viommu_cfg cfg = rig.v->cfg;
	struct fake f = { .caps = { .max_configs = 1 } };
	struct viommu *v = NULL;

	cfg.backend = (struct s1_backend){ .ops = &fake_ops, .be = &f };
	assert_int_equal(viommu_create(&cfg, &v), -EEXIST); /* the page is taken */
	assert_true(f.destroyed);
	cfg.backend.ops = NULL;
	cfg.kind = VIOMMU_SMMUV3;
	assert_int_equal(viommu_create(&cfg, &v), -EINVAL);
	cfg.kind = VIOMMU_VTD;
	cfg.haw = 60;
	assert_int_equal(viommu_create(&cfg, &v), -EINVAL);
	assert_null(v);
	viommu_destroy(NULL);
}

#define SOFT(t) cmocka_unit_test_setup_teardown(t, setup_soft, teardown)
#define FAKE(t) cmocka_unit_test_setup_teardown(t, setup_fake, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE(test_vtd_bad_42_reset_gives_pass_through_and_reset_registers),
		SOFT(test_counters_tell_unit_and_device),
		SOFT(test_scopes_name_function_or_its_root_port),
		SOFT(test_create_bad_arguments_leave_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
