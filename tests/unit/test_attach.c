/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/vtd_rig.h"
#include "tests/unit/viommu_bench.h"

static int setup_fake(void **state)
{
	return setup_fake_of(8, 0);
}

static int setup_fake_pasids(void **state)
{
	return setup_fake_of(8, 10);
}

static void test_sync_unchanged_entries_cause_no_host_call(void **state)
{
	guest_up_with_pages(&rig);
	assert_string_equal(fake.log, "iiTTBB");
	fake_clear(&fake);
	guest_inv(&rig, INV_PC_ALL, 0);
	guest_inv(&rig, QI_CC | 1 << 4, 0);
	assert_string_equal(fake.log, "");
	assert_true(guest_waited(&rig));
}

static void test_sync_table_pass_block_reach_the_host(void **state)
{
	guest_up_with_pages(&rig);
	assert_int_equal(fake.last[0][0].table.root, PT(0));
	assert_int_equal(fake.last[0][0].tag, 7);
	fake_clear(&fake);
	guest_pe(&rig, 0, 0, 0, 0, 0);
	guest_inv(&rig, INV_PC(0), 0);
	guest_pe(&rig, 0, 0, 4 << 6 | 1, 9, 0);
	guest_inv(&rig, INV_PC(0), 0);
	guest_first(&rig, 0, 0, 7, PT(2));
	guest_inv(&rig, INV_PC(0), 0);
	guest_te(&rig, false);
	assert_string_equal(fake.log, "BPTiPPPP");
	assert_int_equal(fake.last[0][0].kind, S1_BYPASS);
}

static void test_sync_in_place_change_announced_with_old_domain_is_seen(void **state)
{
	guest_up_with_pages(&rig);
	fake_clear(&fake);
	guest_first(&rig, 0, 0, 99, PT(3));
	guest_inv(&rig, QI_PC | 1 << 4 | 7 << 16, 0);
	assert_string_equal(fake.log, "T");
	assert_int_equal(fake.last[0][0].tag, 99);
}

static void test_sync_every_failing_set_ends_blocked(void **state)
{
	guest_up_with_pages(&rig);
	for (int at = 1; at <= 2; at++) {
		fake_clear(&fake);
		guest_first(&rig, 0, 0, 7, PT(at));
		fake.fail_set_at = at;
		guest_inv(&rig, INV_PC(0), 0);
		assert_true(guest_waited(&rig));
		fake.fail_set_at = 0;
		assert_int_equal(fake.last[0][0].kind, at == 1 ? S1_BLOCK : S1_TABLE);
		assert_int_equal(rig.failed, 0);
	}
}

static void test_vtd_bad_18_refused_table_blocks_records_and_completes(void **state)
{
	u64 lo, hi;

	guest_up_with_pages(&rig);
	fake_clear(&fake);
	guest_first(&rig, 0, 0, 7, PT(3));
	fake.fail_set_at = 1;
	fake.fail_err = -ENOMEM;
	guest_inv(&rig, INV_PC(0), 0);
	assert_true(guest_waited(&rig));
	assert_string_equal(fake.log, "B");
	assert_int_equal(guest_fault(&rig, &lo, &hi), FR_PE_INVALID);
	assert_int_equal(FIELD_GET(FRCD_HI_SID, hi), 0x08);
	/* The next announcement tries again. */
	guest_inv(&rig, INV_PC(0), 0);
	assert_string_equal(fake.log, "BT");
}

static void test_sync_device_that_cannot_be_blocked_stops_the_vm(void **state)
{
	guest_up_with_pages(&rig);
	guest_first(&rig, 0, 0, 7, PT(3));
	fake.fail_all_sets = true;
	guest_inv(&rig, INV_PC(0), 0);
	assert_int_equal(rig.failed, 1);
}

static void test_sync_busy_device_stays_blocked_until_resync(void **state)
{
	u64 lo, hi;

	guest_up_with_pages(&rig);
	fake_clear(&fake);
	guest_first(&rig, 0, 0, 7, PT(3));
	fake.fail_set_at = 1;
	fake.fail_err = -EBUSY;
	guest_inv(&rig, INV_PC(0), 0);
	assert_true(guest_waited(&rig));
	assert_string_equal(fake.log, "");
	assert_int_equal(guest_fault(&rig, &lo, &hi), 0);
	assert_int_equal(rig.failed, 0);
	viommu_resync(rig.v, &rig.fn[0]);
	assert_string_equal(fake.log, "T");
	assert_int_equal(fake.last[0][0].table.root, PT(3));
}

static void test_sync_malformed_entry_is_recorded_at_once(void **state)
{
	u64 lo, hi;

	guest_up_with_pages(&rig);
	guest_pe(&rig, 0, 0, 3 << 6 | 1, 7, PT(0));
	guest_inv(&rig, INV_PC(0), 0);
	assert_int_equal(guest_fault(&rig, &lo, &hi), FR_PE_INVALID);
	guest_inv(&rig, INV_PC(0), 0);
	assert_int_equal(guest_fault(&rig, &lo, &hi), 0);
}

static void test_inv_failure_blocks_every_device_before_the_wait_completes(void **state)
{
	guest_up_with_pages(&rig);
	fake_clear(&fake);
	fake.fail_inv_at = 1;
	fake.fail_err = -EIO;
	guest_inv(&rig, INV_PIOTLB(7, 0), 0);
	for (unsigned i = 0; i < RIG_FNS; i++)
		assert_int_equal(fake.last[i][0].kind, S1_BLOCK);
	assert_true(guest_waited(&rig));
	/* The guest finds a record for each of the two devices that had a table. */
	for (unsigned i = 0; i < 3; i++) {
		u64 hi = rd(&rig, VTD_FRCD + 16 * i + 8, 8);

		assert_int_equal(!!(hi & FRCD_HI_F), i < 2);
		assert_int_equal(FIELD_GET(FRCD_HI_REASON, hi), i < 2 ? FR_PE_INVALID : 0);
		assert_int_equal(FIELD_GET(FRCD_HI_SID, hi), i < 2 ? 8 * (i + 1) : 0);
	}
}

static void test_counters_tell_tables_pass_through_and_blocks_apart(void **state)
{
	struct viommu_counters before, c;

	guest_up_with_pages(&rig);
	viommu_count(rig.v, &before);
	guest_pe(&rig, 0, 0, 4 << 6 | 1, 9, 0);
	guest_inv(&rig, INV_PC(0), 0);
	guest_pe(&rig, 0, 0, 0, 0, 0);
	guest_inv(&rig, INV_PC(0), 0);
	guest_inv(&rig, INV_PIOTLB(8, 0), 0);
	viommu_count(rig.v, &c);
	assert_int_equal(c.attaches, before.attaches + 1);
	assert_int_equal(c.passes, before.passes + 1);
	assert_int_equal(c.blocks, before.blocks + 1);
	assert_int_equal(c.inv_calls, before.inv_calls + 1);
}

static void test_inv_runs_are_merged_into_one_call(void **state)
{
	struct viommu_counters c;

	guest_up_with_pages(&rig);
	fake_clear(&fake);
	for (iova_t i = 0; i < 8; i++)
		guest_put(&rig, INV_PAGE(7, 0), 0x10000 + i * 0x1000);
	guest_wait(&rig);
	assert_true(guest_waited(&rig));
	assert_string_equal(fake.log, "i");
	assert_int_equal(fake.inv[0].addr, 0x10000);
	assert_int_equal(fake.inv[0].npages, 8);
	viommu_count(rig.v, &c);
	assert_int_equal(c.inv_in, 8);
	assert_int_equal(c.inv_merged, 7);
}

static void test_inv_merge_covers_exactly_what_was_asked(void **state)
{
	static const struct { u64 a0, a1, b0, b1; unsigned n; } rows[] = {
		{ INV_PAGE(7, 0), 0x1000, INV_PAGE(7, 0), 0x2000, 2 }, { INV_PAGE(7, 0), 0x2000, INV_PAGE(7, 0), 0x3000, 1 },
		{ INV_PAGE(7, 0), 0x3000, INV_PAGE(7, 0), 0x2000, 1 }, { INV_PAGE(7, 0), 0x2000, INV_PAGE(8, 0), 0x3000, 2 },
		{ INV_PAGE(7, 0), 0x2000, INV_PAGE(7, 1), 0x3000, 2 }, { INV_PIOTLB(7, 0), 0, INV_PAGE(7, 0), 0x3000, 1 },
		{ INV_PAGE(7, 0), 0x3000, INV_PIOTLB(7, 0), 0, 2 },    { QI_IOTLB | 2 << 4 | 7 << 16, 0, INV_PIOTLB(7, 5), 0, 1 },
		{ QI_IOTLB | 1 << 4, 0, INV_PIOTLB(9, 5), 0, 1 },      { QI_IOTLB | 2 << 4 | 7 << 16, 0, QI_IOTLB | 1 << 4, 0, 2 },
		{ INV_PAGE(7, 0), 51, INV_PAGE(7, 0), BIT(63) | 51, 2 }, { INV_PAGE(7, 0), 0x4000 | 2, INV_PAGE(7, 0), 0x5000, 1 },
	};

	guest_up_with_pages(&rig);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_clear(&fake);
		guest_put(&rig, rows[i].a0, rows[i].a1);
		guest_inv(&rig, rows[i].b0, rows[i].b1);
		assert_int_equal(fake.n_inv, rows[i].n);
	}
}

static void test_vtd_bad_16_present_pasids_beyond_the_limit_are_blocked(void **state)
{
	unsigned tables = 0;

	guest_structures(&rig);
	for (unsigned d = 0; d < 16; d++)
		poke(&rig, DIR(0) + 8 * d, PTAB(0) | 1);
	for (u32 p = 0; p < 64; p++)
		guest_first(&rig, 0, p, 7, PT(0));
	guest_up(&rig);
	for (unsigned i = 0; i < fake.n_log; i++)
		tables += fake.log[i] == 'T' && fake.log_dev[i] == 0;
	assert_int_equal(tables, 8);
	fake_clear(&fake);
	guest_inv(&rig, INV_PC_ALL, 0);
	assert_true(guest_waited(&rig));
	assert_string_equal(fake.log, "");
	for (u32 p = 0; p < 64; p++)
		guest_pe(&rig, 0, p, 0, 0, 0);
	guest_inv(&rig, INV_PC_ALL, 0);
	assert_string_equal(fake.log, "BBBBBBBB");
}

static void test_sync_single_pasid_touches_that_one(void **state)
{
	guest_up_with_pages(&rig);
	fake_clear(&fake);
	guest_first(&rig, 0, 5, 7, PT(0));
	guest_inv(&rig, INV_PC(5), 0);
	assert_string_equal(fake.log, "T");
	assert_int_equal(fake.log_pasid[0], 5);
	guest_inv(&rig, INV_PC(0xfffff), 0);
	assert_string_equal(fake.log, "T");
}

#define FAKE(t) cmocka_unit_test_setup_teardown(t, setup_fake, teardown)
#define PASIDS(t) cmocka_unit_test_setup_teardown(t, setup_fake_pasids, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE(test_sync_unchanged_entries_cause_no_host_call),
		FAKE(test_sync_table_pass_block_reach_the_host),
		FAKE(test_sync_in_place_change_announced_with_old_domain_is_seen),
		FAKE(test_sync_every_failing_set_ends_blocked),
		FAKE(test_vtd_bad_18_refused_table_blocks_records_and_completes),
		FAKE(test_sync_device_that_cannot_be_blocked_stops_the_vm),
		FAKE(test_sync_busy_device_stays_blocked_until_resync),
		FAKE(test_sync_malformed_entry_is_recorded_at_once),
		FAKE(test_inv_failure_blocks_every_device_before_the_wait_completes),
		FAKE(test_counters_tell_tables_pass_through_and_blocks_apart),
		FAKE(test_inv_runs_are_merged_into_one_call),
		FAKE(test_inv_merge_covers_exactly_what_was_asked),
		PASIDS(test_vtd_bad_16_present_pasids_beyond_the_limit_are_blocked),
		PASIDS(test_sync_single_pasid_touches_that_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
