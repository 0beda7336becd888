/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl pread64 pwrite64 mmap64 close mem_fd
#include "tests/unit/unit.h"

#include "tests/unit/vfio_fake.h"

static int ram_file;

int __wrap_mem_fd(const struct mem *m)
{
	return ram_file;
}

static struct mem *ram(void)
{
	static const struct mem_range r[] = { { 0, MiB(1) }, { MiB(4), MiB(1) } };
	struct mem *m;

	assert_int_equal(mem_create(r, 2, false, &m), 0);
	return m;
}

static void test_iommufd_objects_are_remembered_and_destroyed(void **state)
{
	struct iommufd f;
	u32 ioas, parent;

	fake_init();
	assert_int_equal(iommufd_open(&f, -1), 0);
	assert_int_equal(iommufd_ioas_alloc(&f, &ioas), 0);
	assert_int_equal(iommufd_parent_alloc(&f, 1, ioas, &parent), 0);
	assert_int_equal(f.n_live, 2);
	assert_int_equal(iommufd_destroy(&f, parent), 0);
	assert_int_equal(iommufd_destroy(&f, parent), -ENOENT);
	assert_int_equal(f.n_live, 1);
	iommufd_close(&f);
	assert_int_equal(fake.n_live, 0);
	assert_int_equal(fake.iommu_fd, -1);
	iommufd_close(&f);
}

static void test_iommufd_ram_is_mapped_by_file_or_by_address(void **state)
{
	static const struct {
		int file;
		bool no_call;
		unsigned by_file, calls;
	} rows[] = { { -1, false, 0, 2 }, { 5, false, 2, 2 }, { 5, true, 0, 4 } };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mem *m = ram();
		struct iommufd f;
		u32 ioas;

		fake_init();
		ram_file = rows[i].file;
		fake.no_map_file = rows[i].no_call;
		assert_int_equal(iommufd_open(&f, -1), 0);
		assert_int_equal(iommufd_ioas_alloc(&f, &ioas), 0);
		assert_int_equal(iommufd_map_ram(&f, ioas, m), 0);
		assert_int_equal(fake.n_mapped, 2);
		assert_int_equal(fake.n_by_file, rows[i].by_file);
		assert_int_equal(f.maps, rows[i].calls);
		assert_int_equal(f.calls, 1 + f.maps);
		iommufd_close(&f);
		mem_destroy(m);
	}
}

static void test_iommufd_amd_probe_leaves_nothing_and_says_what_is_missing(void **state)
{
	struct iommufd f;
	u32 ioas;
	int err;

	fake_init();
	fake.amd = true;
	assert_int_equal(iommufd_open(&f, -1), 0);
	assert_int_equal(iommufd_ioas_alloc(&f, &ioas), 0);
	for (unsigned n = 0; n < 5; n++) {
		const char *missing;

		/* Parent, vIOMMU, table, invalidation. */
		fake.fail_at = n ? fake.calls + n : 0;
		missing = iommufd_amd_probe(&f, 1, ioas, &err);
		assert_true(!missing == !n);
		assert_int_equal(err, n ? -EIO : 0);
		assert_int_equal(f.n_live, 1);
	}
	iommufd_close(&f);
	assert_int_equal(fake.n_live, 0);
}

static void test_iommufd_map_without_memlock_is_an_error(void **state)
{
	struct mem *m = ram();
	struct iommufd f;

	fake_init();
	fake.map_errno = ENOMEM;
	assert_int_equal(iommufd_open(&f, -1), 0);
	assert_int_equal(iommufd_map_ram(&f, 1, m), -ENOMEM);
	iommufd_close(&f);
	mem_destroy(m);
}

static void test_iommufd_pinned_ram_keeps_its_pages_over_a_reset(void **state)
{
	struct mem *m = ram();
	const struct mem_slot *s;
	u64 v;

	mem_slots(m, &s);
	mem_pin(m);
	assert_int_equal(mem_store(m, 0, 8, 5), 0);
	assert_int_equal(mem_clear(m), 0);
	assert_int_equal(mem_load(m, 0, 8, &v), 0);
	assert_int_equal(v, 0);
	mem_destroy(m);
}

static void test_iommufd_hw_info_names_vtd(void **state)
{
	struct iommufd_hw hw;
	struct iommufd f;

	fake_init();
	fake.ecap = 0x1234;
	assert_int_equal(iommufd_open(&f, -1), 0);
	assert_int_equal(iommufd_hw_info(&f, 1, &hw), 0);
	assert_int_equal(hw.type, IOMMUFD_HW_VTD);
	assert_int_equal(hw.vtd.ecap, 0x1234);
	iommufd_close(&f);
}

static void test_iommufd_invalidate_failure_counts_what_was_done(void **state)
{
	struct iommufd_vtd_s1_inv inv[2] = { { .npages = 1 }, { .npages = 2 } };
	struct iommufd f;
	unsigned done = 9;

	fake_init();
	assert_int_equal(iommufd_open(&f, -1), 0);
	assert_int_equal(iommufd_vtd_s1_inv(&f, 3, inv, 2, &done), 0);
	assert_int_equal(done, 2);
	assert_int_equal(fake.n_inv_calls, 1);
	fake.invalidate_errno = EIO;
	assert_int_equal(iommufd_vtd_s1_inv(&f, 3, inv, 2, &done), -EIO);
	assert_int_equal(done, 0);
	iommufd_close(&f);
}

static void test_iommufd_open_failure_is_told(void **state)
{
	struct iommufd f = { .fd = -1 };

	fake_init();
	fake.open_errno = ENOENT;
	assert_int_equal(iommufd_open(&f, -1), -ENOENT);
	assert_int_equal(iommufd_open(&f, 1 << 20), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iommufd_objects_are_remembered_and_destroyed),
		cmocka_unit_test(test_iommufd_ram_is_mapped_by_file_or_by_address),
		cmocka_unit_test(test_iommufd_amd_probe_leaves_nothing_and_says_what_is_missing),
		cmocka_unit_test(test_iommufd_map_without_memlock_is_an_error),
		cmocka_unit_test(test_iommufd_pinned_ram_keeps_its_pages_over_a_reset),
		cmocka_unit_test(test_iommufd_hw_info_names_vtd),
		cmocka_unit_test(test_iommufd_invalidate_failure_counts_what_was_done),
		cmocka_unit_test(test_iommufd_open_failure_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
