/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/viommu/iotlb.h"
#include "tests/unit/unit.h"

static struct iotlb *tlb;
static const struct iotlb_key key = { .dev = 1, .pasid = 2, .tag = 3 };

static int setup(void **state)
{
	return iotlb_create(&tlb);
}

static int teardown(void **state)
{
	iotlb_destroy(tlb);
	return 0;
}

static void add(const struct iotlb_key *k, iova_t iova, u8 shift)
{
	iotlb_add(tlb, k, iova, &(struct s1_xlat){ .gpa = BIT(40), .shift = shift, .writable = true, .dirty = true });
}

static bool has(const struct iotlb_key *k, iova_t iova)
{
	struct s1_xlat x;

	return iotlb_find(tlb, k, iova, true, &x);
}

static void test_iotlb_find_wants_whole_key(void **state)
{
	static const struct iotlb_key other[] = { { 9, 2, 3 }, { 1, 9, 3 }, { 1, 2, 9 } };

	add(&key, 0x5123, 12);
	assert_true(has(&key, 0x5000));
	assert_true(has(&key, 0x5fff));
	assert_false(has(&key, 0x6000));
	for (unsigned i = 0; i < ARRAY_SIZE(other); i++)
		assert_false(has(&other[i], 0x5000));
}

static void test_iotlb_find_write_needs_dirty(void **state)
{
	struct s1_xlat x = { .gpa = 0x1000, .shift = 12, .writable = true };

	iotlb_add(tlb, &key, 0x5000, &x);
	assert_true(iotlb_find(tlb, &key, 0x5000, false, &x));
	assert_false(iotlb_find(tlb, &key, 0x5000, true, &x));
	x.dirty = true;
	iotlb_add(tlb, &key, 0x5000, &x);
	assert_true(iotlb_find(tlb, &key, 0x5000, true, &x));
}

static void test_iotlb_inv_drops_exactly_what_is_covered(void **state)
{
	static const struct { struct s1_inv inv; iova_t iova; u8 shift; bool stays; } rows[] = {
		{ { .scope = S1_INV_ALL }, 0x1000, 12, false },
		{ { .scope = S1_INV_TAG, .tag = 3 }, 0x1000, 12, false },
		{ { .scope = S1_INV_TAG, .tag = 4 }, 0x1000, 12, true },
		{ { .scope = S1_INV_PASID, .tag = 3, .pasid = 2 }, 0x1000, 12, false },
		{ { .scope = S1_INV_PASID, .tag = 3, .pasid = 1 }, 0x1000, 12, true },
		{ { .scope = S1_INV_PASID, .tag = 1, .pasid = 2 }, 0x1000, 12, true },
		{ { .scope = S1_INV_RANGE, .tag = 3, .pasid = 2, .addr = 0x1000, .npages = 1 }, 0x1000, 12, false },
		{ { .scope = S1_INV_RANGE, .tag = 3, .pasid = 2, .addr = 0x1000, .npages = 1, .leaf = true }, 0x1000, 12, false },
		{ { .scope = S1_INV_RANGE, .tag = 3, .pasid = 2, .addr = 0x2000, .npages = 1 }, 0x1000, 12, true },
		{ { .scope = S1_INV_RANGE, .tag = 3, .pasid = 2, .addr = 0x0000, .npages = 1 }, 0x1000, 12, true },
		{ { .scope = S1_INV_RANGE, .tag = 3, .pasid = 2, .addr = 0x0000, .npages = 2 }, 0x1000, 12, false },
		{ { .scope = S1_INV_RANGE, .tag = 3, .pasid = 2, .addr = 0x3ff000, .npages = 1 }, 0x200000, 21, false },
		{ { .scope = S1_INV_RANGE, .tag = 3, .pasid = 2, .addr = 0x400000, .npages = 1 }, 0x200000, 21, true },
		{ { .scope = S1_INV_RANGE, .tag = 3, .pasid = 2, .addr = 0x7ffff000, .npages = 1 }, 0x40000000, 30, false },
		{ { .scope = S1_INV_RANGE, .tag = 3, .pasid = 2, .addr = ~0xfffULL, .npages = 1 }, ~0xfffULL, 12, false },
		{ { .scope = S1_INV_RANGE, .tag = 3, .pasid = 2, .addr = BIT(63), .npages = BIT(51) }, ~0xfffULL, 12, false },
		{ { .scope = S1_INV_RANGE, .tag = 3, .pasid = 2, .addr = 0, .npages = BIT(51) }, ~0xfffULL, 12, true },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		iotlb_inv(tlb, &(struct s1_inv){ .scope = S1_INV_ALL });
		add(&key, rows[i].iova, rows[i].shift);
		iotlb_inv(tlb, &rows[i].inv);
		assert_int_equal(has(&key, rows[i].iova), rows[i].stays);
	}
}

static void test_iotlb_drop_takes_one_pasid_of_one_device(void **state)
{
	static const struct iotlb_key other[] = { { 9, 2, 3 }, { 1, 9, 3 } };

	add(&key, 0x1000, 12);
	add(&other[0], 0x1000, 12);
	add(&other[1], 0x1000, 12);
	iotlb_drop(tlb, 1, 2);
	assert_false(has(&key, 0x1000));
	assert_true(has(&other[0], 0x1000));
	assert_true(has(&other[1], 0x1000));
}

static void test_iotlb_overfull_stays_bounded_and_exact(void **state)
{
	unsigned found = 0;

	for (u64 i = 0; i < 100000; i++)
		add(&key, i << 12, 12);
	for (u64 i = 0; i < 100000; i++)
		found += has(&key, i << 12);
	assert_in_range(found, 512, 1024);
	assert_true(has(&key, 99999ULL << 12));
	iotlb_inv(tlb, &(struct s1_inv){ .scope = S1_INV_TAG, .tag = 3 });
	for (u64 i = 0; i < 100000; i++)
		assert_false(has(&key, i << 12));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_iotlb_find_wants_whole_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_iotlb_find_write_needs_dirty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_iotlb_inv_drops_exactly_what_is_covered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_iotlb_drop_takes_one_pasid_of_one_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_iotlb_overfull_stays_bounded_and_exact, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
